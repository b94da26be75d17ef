//! The shop's CSV files, loaded into the store whenever they have changed and come to rest.
//!
//! ```text
//! product_catalog.csv, orders.csv ─▶ at rest ─▶ Follow::load ─▶ the difference, one transaction ─▶ log of changes
//! ```
//! A file that is missing or empty is waited for. A file that cannot be loaded, such as one with a bad line, leaves the rows as they
//! are until it can.

use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use dataflow::source_status::State;
use store::{Bounds, Follow, ImportReport, LoadRequest, Millis, ShopFile};
use thiserror::Error;

use crate::file_position::FilePosition;
use crate::file_tail::{FileSpan, FileTail, TailChange};

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 18;

/// How long a file must have been unchanged before it is loaded.
const REST: Duration = Duration::from_millis(250);

/// The pause before a file is tried again that could not be read, or that the store could not take.
const PAUSE: Duration = Duration::from_secs(10);

/// The files of one directory.
pub(super) struct ShopFiles {
    files: Vec<ShopFileTail>,
}

struct ShopFileTail {
    file: ShopFile,
    tail: FileTail,
    /// The state that was reported last; none before the file was looked at.
    state: Option<State>,
    /// The state of the file that could not be loaded, and when it is tried again; none if it must change first.
    failed: Option<(String, Option<Instant>)>,
}

/// Why a file is not loaded.
#[derive(Debug, Error)]
enum LoadFailure {
    /// It has lines that are no rows.
    #[error("{0}")]
    OfContent(String),
    /// It cannot be read now, or the store cannot take it now.
    #[error("{0}")]
    Now(String),
}

/// The number of parts of the source: the store itself, and each file.
pub(super) const PARTS: usize = 1 + ShopFile::ALL.len();

impl ShopFiles {
    /// The files of a directory; none without one.
    pub(super) fn new(dir: Option<&Path>) -> ShopFiles {
        let of = |dir: &Path| {
            ShopFile::ALL.map(|file| ShopFileTail {
                file,
                tail: FileTail::new(dir.join(name(file))),
                state: None,
                failed: None,
            })
        };
        ShopFiles { files: dir.into_iter().flat_map(of).collect() }
    }

    /// Whether each file was loaded, or cannot be.
    pub(super) fn are_tried(&self) -> bool {
        self.files.iter().all(|file| file.state.is_some())
    }

    /// Loads the files that have changed and are at rest. Returns the states that have changed, by part of the source. They hold
    /// once the store's changes up to now are fed.
    pub(super) fn turn(&mut self, store: &dyn Follow, now: Millis) -> Vec<(usize, State)> {
        let mut states = Vec::new();
        for at in 0..self.files.len() {
            let (state, is_loaded) = self.files[at].turn(store, now);
            if is_loaded {
                // Rows of another file may refer to those that are new.
                self.files.iter_mut().for_each(|file| file.failed = None);
            }
            if let Some(state) = state.filter(|state| self.files[at].state.as_ref() != Some(state)) {
                if let State::Retrying(reason) = &state {
                    tracing::warn!(reason, "a file is not loaded into the store, and its rows stay as they are");
                }
                self.files[at].state = Some(state.clone());
                states.push((at + 1, state));
            }
        }
        states
    }
}

impl ShopFileTail {
    /// The state now, if it is known, and whether the file was loaded by this call.
    fn turn(&mut self, store: &dyn Follow, now: Millis) -> (Option<State>, bool) {
        let span = match self.tail.look() {
            Err(error) => return (Some(self.retrying(&error.to_string())), false),
            Ok(TailChange::Missing) => return (Some(self.absent("gone")), false),
            Ok(TailChange::Same) => return (Some(State::Live), false),
            Ok(TailChange::Grown(span) | TailChange::Replaced(span)) => span,
        };
        let stamp = span.stamp();
        let is_too_early = |(failed, again): &(String, Option<Instant>)| {
            *failed == stamp && again.is_none_or(|again| Instant::now() < again)
        };
        if self.failed.as_ref().is_some_and(is_too_early) || self.tail.rests_for() < REST {
            return (None, false);
        }
        if span.to() == 0 {
            return (Some(self.absent("empty")), false);
        }
        match self.load(&span, store, now) {
            Ok(()) => {
                self.failed = None;
                (Some(State::Live), true)
            }
            Err(failure) => {
                let again = matches!(failure, LoadFailure::Now(_)).then(|| Instant::now() + PAUSE);
                self.failed = Some((stamp, again));
                (Some(self.retrying(&failure.to_string())), false)
            }
        }
    }

    fn load(&mut self, span: &FileSpan, store: &dyn Follow, now: Millis) -> Result<(), LoadFailure> {
        let bounds = Bounds { price_digits: store.price_digits(), now };
        let request = LoadRequest { file: self.file, stamp: span.stamp(), bounds };
        let mut text = BufReader::with_capacity(BUFFER_BYTES, span.whole());
        let file = name(self.file);
        let loaded = store.load(&request, &mut text).map_err(|error| LoadFailure::Now(error.to_string()))?;
        match loaded {
            Some(report) if !report.written => return Err(LoadFailure::OfContent(report.faults_in_words())),
            Some(ImportReport { rows, ignored_columns, .. }) => {
                tracing::info!(file, rows, ?ignored_columns, "a file is loaded into the store");
            }
            None => tracing::info!(file, "a file is as it was loaded before"),
        }
        let end = FilePosition { offset: span.to(), skipping: false };
        self.tail.read(span, end, true).map_err(|error| LoadFailure::Now(error.to_string()))
    }

    /// The state without a file to load.
    fn absent(&self, how: &str) -> State {
        match self.tail.was_read() {
            true => self.retrying(&format!("the file is {how}; its rows stay")),
            false => State::Live,
        }
    }

    fn retrying(&self, reason: &str) -> State {
        State::Retrying(format!("{}: {reason}", self.tail.path().display()))
    }
}

/// Its name in the directory.
fn name(file: ShopFile) -> &'static str {
    match file {
        ShopFile::Products => "product_catalog.csv",
        ShopFile::Purchases => "orders.csv",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use store::sqlite::{self, SqliteStore};
    use store::{Kind, Row, Settings, Store};
    use tempfile::TempDir;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    const NOW: Millis = 1_795_000_000_000;

    fn open() -> (TempDir, Arc<SqliteStore>) {
        let dir = tempfile::tempdir().unwrap();
        let store = sqlite::open(Settings { path: dir.path().join("store.db"), ..Settings::default() }).unwrap();
        (dir, store)
    }

    /// The next state of a part of the source.
    fn next(files: &mut ShopFiles, store: &SqliteStore, part: usize) -> State {
        harness::wait_for(SOON, "the state changes", || {
            files.turn(store, NOW).into_iter().find(|(at, _)| *at == part).map(|(_, state)| state)
        })
    }

    fn products(store: &SqliteStore) -> Vec<String> {
        let mut ids = Vec::new();
        let see = &mut |row: Row| {
            ids.push(row.id().to_owned());
            true
        };
        store.export(Kind::Products, see).unwrap();
        ids
    }

    /// Puts a file in place in one step.
    fn replace(dir: &TempDir, text: &str) {
        harness::replace_file(dir.path().join("product_catalog.csv"), text);
    }

    fn reason(state: State) -> String {
        match state {
            State::Retrying(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_loaded_whenever_it_has_changed_and_its_faults_are_named() {
        let (dir, store) = open();
        replace(&dir, "product_id,category\nlamp,light\n");
        fs::write(dir.path().join("orders.csv"), "").unwrap();
        let mut files = ShopFiles::new(Some(dir.path()));
        assert!(!files.are_tried());
        assert_eq!(next(&mut files, &store, 1), State::Live);
        assert_eq!(products(&store), ["lamp"]);
        harness::wait_until(SOON, "an empty file is waited for", || {
            files.turn(&*store, NOW);
            files.are_tried()
        });

        replace(&dir, "product_id,price\nbulb,1\nchair,1e3\n");
        let named = reason(next(&mut files, &store, 1));
        assert!(named.contains("product_catalog.csv: 1 of 2 lines are bad; line 3: `price`"), "{named}");
        assert!(!named.contains("1e3"), "no values: {named}");
        assert_eq!(products(&store), ["lamp"]);
        replace(&dir, "product_id,price\nbulb,1\nchair,1\n");
        assert_eq!(next(&mut files, &store, 1), State::Live);
        assert_eq!(products(&store), ["bulb", "chair"]);

        replace(&dir, "");
        assert!(reason(next(&mut files, &store, 1)).ends_with("the file is empty; its rows stay"));
        fs::remove_file(dir.path().join("product_catalog.csv")).unwrap();
        assert!(reason(next(&mut files, &store, 1)).ends_with("the file is gone; its rows stay"));
        assert_eq!(products(&store), ["bulb", "chair"]);
    }

    #[test]
    fn a_restart_reads_no_file_that_has_not_changed() {
        let (dir, store) = open();
        replace(&dir, "product_id\nlamp\n");
        for _ in 0..2 {
            let mut files = ShopFiles::new(Some(dir.path()));
            assert_eq!(next(&mut files, &store, 1), State::Live);
            assert_eq!(store.follow().unwrap().read_all(0, &mut |_| {}).unwrap(), 1, "one change");
        }
        assert!(ShopFiles::new(None).are_tried(), "without a directory there is nothing to wait for");
    }
}
