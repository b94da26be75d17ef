//! What every home of the store must do. The tests run on each home; a new one is added to `homes`.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

#[path = "contract/constraints.rs"]
mod constraints;
#[path = "contract/follow.rs"]
mod follow;
#[path = "contract/import.rs"]
mod import;
#[path = "contract/isolation.rs"]
mod isolation;
#[path = "contract/lineage.rs"]
mod lineage;
#[path = "contract/load.rs"]
mod load;
#[path = "contract/one_record.rs"]
mod one_record;
#[path = "contract/postgres.rs"]
mod postgres;
#[path = "contract/random.rs"]
mod random;
#[path = "contract/reads.rs"]
mod reads;
#[path = "contract/references.rs"]
mod references;
#[path = "contract/statistics.rs"]
mod statistics;
#[path = "contract/trees.rs"]
mod trees;
#[path = "contract/values.rs"]
mod values;
#[path = "contract/writes.rs"]
mod writes;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ::postgres::{Client, NoTls};
use harness::postgres::Server;
use tempfile::TempDir;
use vitrine_store::postgres::{PgClient, PostgresStore};
use vitrine_store::sqlite::SqliteStore;
use vitrine_store::{
    Action, Bounds, Condition, Follow, Kind, Refusal, Row, Settings, Store, StoreError, Stored, UnknownIds, Write,
    WriteRequest, Written,
};

/// One server for all tests that leave it running; each home has a database of its own.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// A day in the year 2026, in milliseconds.
pub(crate) const NOW: i64 = 1_795_000_000_000;

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const BOUNDS: Bounds = Bounds { price_digits: 2, now: NOW };

/// A home with an empty store.
pub(crate) struct Home {
    pub(crate) store: Arc<dyn Store>,
    /// Set if a source follows the home's own log of changes.
    pub(crate) followed: Option<Arc<dyn Follow>>,
    /// The directory of the file, or the address of the database.
    pub(crate) place: Place,
}

pub(crate) enum Place {
    Dir(TempDir),
    Url(String),
}

/// Runs a test on every home, empty and with these references.
pub(crate) fn on_every_home_with(unknown_ids: UnknownIds, test: impl Fn(&Home)) {
    for open in [Home::sqlite, Home::postgres] {
        let home = open(unknown_ids);
        // The output of a test that fails names its home.
        println!("home: {}", home.store.stream());
        test(&home);
    }
}

/// Runs a test on every home.
pub(crate) fn on_every_home(test: impl Fn(&Home)) {
    on_every_home_with(UnknownIds::Take, test);
}

/// The address of an empty database.
pub(crate) fn database() -> String {
    SERVER.create_database(&format!("store_{}", DATABASES.fetch_add(1, Ordering::Relaxed)))
}

/// The store in this database.
pub(crate) fn store_in(url: &str, settings: Settings) -> PostgresStore {
    let url = url.to_owned();
    let connect = move |_| {
        let client = Client::connect(&url, NoTls).map_err(|error| error.to_string())?;
        // A box of a client leads to the client, as a connection of the program does.
        Ok(Box::new(Box::new(client)) as PgClient)
    };
    PostgresStore::open(settings, Arc::new(connect), "postgres").unwrap()
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
        let settings = Settings { path: dir.path().join("store.db"), unknown_ids, ..Settings::default() };
        let store = Arc::new(SqliteStore::open(settings).unwrap());
        Home { store: store.clone(), followed: Some(store), place: Place::Dir(dir) }
    }

    pub(crate) fn postgres(unknown_ids: UnknownIds) -> Home {
        let url = database();
        let settings = Settings { manage: true, unknown_ids, ..Settings::default() };
        Home { store: Arc::new(store_in(&url, settings)), followed: None, place: Place::Url(url) }
    }

    /// The directory of the SQLite file.
    pub(crate) fn dir(&self) -> &std::path::Path {
        match &self.place {
            Place::Dir(dir) => dir.path(),
            Place::Url(url) => panic!("{url} is no directory"),
        }
    }

    /// The address of the database.
    pub(crate) fn url(&self) -> &str {
        match &self.place {
            Place::Url(url) => url,
            Place::Dir(dir) => panic!("{dir:?} is no database"),
        }
    }

    pub(crate) fn write(&self, writes: Vec<Write>) -> Result<Written, StoreError> {
        wait(self.store.write(WriteRequest { writes, repeatable: None, now: NOW }))
    }

    /// As [`Home::write`], again and again while the home is unavailable: on a busy machine a tool holds a lock for longer
    /// than a write waits.
    #[track_caller]
    pub(crate) fn write_at_last(&self, write: impl Fn() -> Write) -> Result<Written, StoreError> {
        harness::wait_for(PATIENCE, "the home is available", || match self.write(vec![write()]) {
            Err(StoreError::Unavailable(_)) => None,
            done => Some(done),
        })
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
