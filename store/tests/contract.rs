//! What every home of the store must do. The tests run on each home; a new one is added to `homes`.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

#[path = "contract/follow.rs"]
mod follow;
#[path = "contract/import.rs"]
mod import;
#[path = "contract/random.rs"]
mod random;
#[path = "contract/reads.rs"]
mod reads;
#[path = "contract/writes.rs"]
mod writes;

use std::future::Future;
use std::sync::Arc;

use tempfile::TempDir;
use vitrine_store::{
    Action, Bounds, Condition, Kind, Refusal, Row, Settings, Store, StoreError, Stored, UnknownIds, Write,
    WriteRequest, Written, sqlite,
};

/// A day in the year 2026, in milliseconds.
pub(crate) const NOW: i64 = 1_795_000_000_000;

pub(crate) const BOUNDS: Bounds = Bounds { price_digits: 2, now: NOW };

/// A home with an empty store.
pub(crate) struct Home {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dir: TempDir,
}

/// Runs a test on every home.
pub(crate) fn on_every_home(test: impl Fn(&Home)) {
    test(&Home::sqlite(UnknownIds::Take));
}

/// Waits for an answer.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A row from JSON.
#[track_caller]
pub(crate) fn row(kind: Kind, json: &str) -> Row {
    Row::from_json(kind, None, json.as_bytes(), &BOUNDS).unwrap_or_else(|faults| panic!("{json}: {faults:?}"))
}

pub(crate) fn put(kind: Kind, json: &str) -> Write {
    let row = row(kind, json);
    Write { kind, id: row.id().to_owned(), action: Action::Put(row), condition: Condition::Nothing }
}

pub(crate) fn create(kind: Kind, json: &str) -> Write {
    let row = row(kind, json);
    Write { kind, id: row.id().to_owned(), action: Action::Create(row), condition: Condition::Nothing }
}

pub(crate) fn act(kind: Kind, id: &str, action: Action) -> Write {
    Write { kind, id: id.to_owned(), action, condition: Condition::Nothing }
}

impl Home {
    pub(crate) fn sqlite(unknown_ids: UnknownIds) -> Home {
        let dir = tempfile::tempdir().unwrap();
        Home { store: Home::open(&dir, unknown_ids), dir }
    }

    fn open(dir: &TempDir, unknown_ids: UnknownIds) -> Arc<dyn Store> {
        let path = dir.path().join("store.db");
        sqlite::open(Settings { path, unknown_ids, ..Settings::default() }).unwrap()
    }

    pub(crate) fn write(&self, writes: Vec<Write>) -> Result<Written, StoreError> {
        wait(self.store.write(WriteRequest { writes, repeatable: None, now: NOW }))
    }

    #[track_caller]
    pub(crate) fn done(&self, write: Write) -> Written {
        self.write(vec![write]).unwrap()
    }

    #[track_caller]
    pub(crate) fn refused(&self, write: Write) -> Refusal {
        match self.write(vec![write]) {
            Err(StoreError::Refused { index: 0, refusal }) => refusal,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<Stored> {
        wait(self.store.get(kind, id.to_owned())).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self, kind: Kind, id: &str) -> serde_json::Value {
        serde_json::from_str(&self.get(kind, id).expect("the row is there").json).unwrap()
    }
}
