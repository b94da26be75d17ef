//! `compact`, `erase` and the start of an archiver at the same time: each runs as a whole between two requests of another one. No
//! record is lost or doubled, and nothing is left of an erased user, also when a `compact` was killed.
//!
//! The store has no lock, as a bucket has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::time::Duration;

use archive::chain::Survey;
use archive::compact::{Merged, compact};
use archive::erase::{Erased, UsersToErase, erase};
use archive::status::SharedStatus;
use archive::store::{Dir, Store};
use archive::verify::{survey, verify};
use archive::{Archiver, FileError, Now, ObjectName, Settings, Share};

use crate::memory_log::{MemoryLog, START_MS};
use crate::memory_store::MemoryStore;
use crate::steps::{Moment, Steps};

const USERS: u64 = 5;
const RECORDS: u64 = 600;

/// A view in every four seconds of forty minutes, by five users. One in twenty is dated an hour earlier.
fn records() -> Vec<(u64, String)> {
    let view = |n: u64| {
        let recorded = START_MS + 3_600_000 + n * 4_000 - if n % 20 == 7 { 3_600_000 } else { 0 };
        (recorded, format!(r#"{{"event_type":"view","user_id":"user-{}","product_id":"p{n}"}}"#, n % USERS))
    };
    (0..RECORDS).map(view).collect()
}

fn archiver(store: &Arc<MemoryStore>) -> Archiver<MemoryLog> {
    let settings = Settings { age_max: Duration::from_secs(2), rate_mb_max: 0, ..Settings::default() };
    let log = MemoryLog::of(&[records()]);
    Archiver::new(settings, Share::ALL, store.clone(), log, SharedStatus::default())
}

/// An archive with small segments of one hour, of which some have parts.
fn archive() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    let mut archiver = archiver(&store);
    for second in 0..200 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: START_MS });
    }
    assert!(archiver.flush(|| true));
    let names = names(&*store);
    let parts = names.iter().filter(|name| name.contains(".part.")).count();
    assert!(parts > 1 && names.len() > parts + 3, "{names:?}");
    store
}

/// What an archiver does at its start.
fn start(store: &Arc<MemoryStore>) {
    archiver(store).turn(Now { since_start: Duration::ZERO, wall_ms: START_MS });
}

fn erase_now(store: &dyn Store, user: &str) -> Erased {
    let survey = survey(store).expect("the store works");
    erase(store, &survey, &UsersToErase::of(user), |_| ()).expect("nothing stays in its way")
}

fn compact_now(store: &dyn Store) -> Merged {
    compact(store, &Settings::default()).expect("nothing stays in its way")
}

fn names(store: &dyn Store) -> BTreeSet<String> {
    store.list("").expect("the store works").into_iter().map(|object| object.name).collect()
}

/// The rows of these files.
fn rows(store: &dyn Store, names: impl IntoIterator<Item = String>) -> Vec<(i64, String)> {
    let mut rows = Vec::new();
    for text in names {
        let name = ObjectName::parse(&text).expect("a name of the archive");
        let read = archive::read(name.format, store.get(&text).expect("it is there"), |row| {
            rows.push((row.offset, String::from_utf8_lossy(row.raw.unwrap_or_default()).into_owned()));
            Ok::<(), FileError>(())
        });
        read.expect("the file is sound");
    }
    rows.sort();
    rows
}

/// The rows that count, by the names alone. Each is there once, and the files state as many.
fn counting(store: &dyn Store) -> Vec<(i64, String)> {
    let survey = survey(store).expect("the store works");
    for report in verify(store, &survey, |_| ()).expect("the store works").into_values() {
        assert_eq!(report.problems, Vec::<String>::new());
    }
    let segments = survey.chains.values().flat_map(|chain| &chain.segments);
    rows(store, segments.flat_map(|segment| &segment.files).map(|file| file.name.to_string()))
}

/// What is to be left.
fn without(users: &[&str]) -> Vec<(i64, String)> {
    let is_left = |text: &str| !users.iter().any(|user| text.contains(&format!("\"{user}\"")));
    let records = (0..).zip(records()).map(|(offset, (_, text))| (offset, text));
    records.filter(|(_, text)| is_left(text)).collect()
}

/// The rows of a user in all files, also in those that count for nothing.
fn anywhere(store: &dyn Store, user: &str) -> usize {
    rows(store, names(store)).iter().filter(|(_, text)| text.contains(&format!("\"{user}\""))).count()
}

/// The moments of a `compact`: before its first write, before and after that of its closing file, and before its first removal.
/// Each with whether a name is of the request, given the names that there were before.
type IsOf = fn(&BTreeSet<String>, &str) -> bool;
const MOMENTS: [((Moment, &str), IsOf); 4] = [
    ((Moment::Before, "write"), |_, _| true),
    ((Moment::Before, "write"), |before, name| !before.contains(name) && !name.contains(".part.")),
    ((Moment::After, "write"), |before, name| !before.contains(name) && !name.contains(".part.")),
    ((Moment::Before, "remove"), |_, _| true),
];

/// Merges an archive, with a step at each of these moments; gives the archive afterwards.
fn merged_with(step: fn(&Arc<MemoryStore>)) -> Vec<Arc<MemoryStore>> {
    let run = |(moment, is_of): ((Moment, &'static str), IsOf)| {
        let store = archive();
        let (before, inner) = (names(&*store), store.clone());
        let steps = Steps::of(&store).at(moment, move |name| is_of(&before, name), move |_| step(&inner));
        assert!(compact_now(&steps).files > 0);
        assert_eq!(steps.left(), 0, "{moment:?}");
        store
    };
    MOMENTS.into_iter().map(run).collect()
}

/// The archive is merged, and nothing is left beside that.
fn assert_merged(store: &dyn Store) {
    let survey = survey(store).expect("the store works");
    for chain in survey.chains.values() {
        assert!(chain.segments.len() == 1 && chain.doubles.is_empty() && chain.unfinished.is_empty(), "{chain:?}");
    }
}

#[test]
fn an_archiver_that_starts_while_files_are_merged_removes_none_of_them() {
    for store in merged_with(start) {
        assert_eq!(counting(&*store), without(&[]));
        assert_merged(&*store);
    }
}

#[test]
fn an_erasure_while_files_are_merged_leaves_nothing_of_the_user() {
    let erase_step = |store: &Arc<MemoryStore>| {
        assert!(erase_now(&**store, "user-3").records > 0);
        assert_eq!(counting(&**store), without(&["user-3"]));
    };
    for store in merged_with(erase_step) {
        assert_eq!((counting(&*store), anywhere(&*store, "user-3")), (without(&["user-3"]), 0));
        assert_merged(&*store);
    }
}

#[test]
fn files_that_are_merged_during_an_erasure_are_found_again() {
    for moment in [(Moment::Before, "read"), (Moment::After, "read"), (Moment::Before, "write")] {
        let store = archive();
        let steps = Steps::of(&store).at(moment, |_| true, |store| assert!(compact_now(store).files > 0));
        assert!(erase_now(&steps, "user-3").records > 0);
        assert_eq!((steps.left(), anywhere(&*store, "user-3")), (0, 0));
        assert_eq!(counting(&*store), without(&["user-3"]));
    }
}

#[test]
fn a_list_of_erasures_is_read_though_its_files_are_merged() {
    let store = Arc::new(MemoryStore::default());
    let view = |n: u64| (START_MS + n * 4_000, events::erasure_json(&format!("user-{n}"), START_MS, "m"));
    let settings = Settings { age_max: Duration::from_secs(2), rate_mb_max: 0, ..Settings::default() };
    let log = MemoryLog::of(&[(0..300).map(view).collect()]);
    let mut archiver = Archiver::new(settings, Share::ALL, store.clone(), log, SharedStatus::default());
    for second in 0..200 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: START_MS });
    }
    assert!(archiver.flush(|| true));
    let before = Survey::of(store.list("").expect("the store works"));
    assert!(compact_now(&*store).files > 1);
    let erasures = UsersToErase::recorded(&*store, &before, "views").expect("the archive is listed again");
    assert_eq!(erasures.users(), 300);
}

#[test]
fn two_erasures_at_once_undo_nothing_of_each_other() {
    for moment in [(Moment::After, "read"), (Moment::Before, "write"), (Moment::After, "write")] {
        let store = archive();
        let steps = Steps::of(&store).at(moment, |_| true, |store| assert!(erase_now(store, "user-1").records > 0));
        assert!(erase_now(&steps, "user-3").records > 0);
        assert_eq!((steps.left(), counting(&*store)), (0, without(&["user-1", "user-3"])));
    }
}

#[test]
fn an_erasure_also_treats_what_a_killed_merging_has_left() {
    let mut left = BTreeMap::new();
    for kill in 0..60 {
        let store = archive();
        store.kill_after(kill / 2, kill);
        let is_killed = compact(&*store, &Settings::default()).is_err();
        store.revive();
        assert_eq!(counting(&*store), without(&[]), "{kill}");
        let chain = survey(&*store).expect("the store works").chains.pop_first().expect("a partition").1;
        *left.entry((chain.unfinished.is_empty(), chain.doubles.is_empty())).or_insert(0) += 1;
        start(&store);
        erase_now(&*store, "user-3");
        assert_eq!((counting(&*store), anywhere(&*store, "user-3")), (without(&["user-3"]), 0), "{kill}");
        compact_now(&*store);
        assert_eq!(counting(&*store), without(&["user-3"]), "{kill}");
        assert_merged(&*store);
        if !is_killed {
            break;
        }
    }
    assert!(left.contains_key(&(false, true)) && left.contains_key(&(true, false)), "{left:?}");
}

#[test]
fn a_merged_segment_that_was_not_compared_before_a_kill_is_made_anew() {
    // An erasure ends between the reading of a `compact` and its writing. Then the `compact` is killed.
    let store = archive();
    let (before, inner) = (names(&*store), store.clone());
    let is_closing = move |name: &str| !before.contains(name) && !name.contains(".part.");
    let steps = Steps::of(&store)
        .at((Moment::Before, "write"), |_| true, |store| assert!(erase_now(store, "user-3").records > 0))
        .at((Moment::After, "write"), is_closing, move |_| inner.fail_one_in(1));
    compact(&steps, &Settings::default()).expect_err("the store is away");
    store.heal();
    assert!(steps.left() == 0 && anywhere(&*store, "user-3") > 0, "the merged files are as they were read");
    compact_now(&*store);
    assert_eq!((counting(&*store), anywhere(&*store, "user-3")), (without(&["user-3"]), 0));
    assert_merged(&*store);
}

#[test]
fn commands_hold_the_lock_of_a_directory_and_end_what_a_killed_one_was_writing() {
    let (memory, dir) = (archive(), tempfile::tempdir().expect("a directory"));
    let store = Arc::new(Dir::new(dir.path()));
    let copied = names(&*memory);
    for name in &copied {
        store.put(name, memory.get(name).expect("it is there")).expect("the directory can be written");
    }
    let place = |name: &str| format!("views/date=2026-11-29/hour=06/{name}.parquet.unfinished");
    let (of_a_command, of_an_archiver) = (place("0-0-50"), place("0-900-950"));
    for name in [&of_a_command, &of_an_archiver] {
        store.put(name, "half".into()).expect("the directory can be written");
    }
    let lock = dir.path().join(".vitrine-lock");
    let commands: [fn(&dyn Store); 2] =
        [|store| assert!(erase_now(store, "user-3").records > 0), |store| assert!(compact_now(store).files > 0)];
    for command in commands {
        let lock = lock.clone();
        let is_locked = move |_: &Dir| {
            let tried = File::open(&lock).expect("the lock is there").try_lock();
            assert!(matches!(tried, Err(TryLockError::WouldBlock)), "{tried:?}");
        };
        let steps = Steps::of(&store).at((Moment::Before, "read"), |_| true, is_locked);
        command(&steps);
        assert_eq!(steps.left(), 0);
        File::open(dir.path().join(".vitrine-lock")).expect("it stays").try_lock().expect("nobody holds it");
        let left = names(&*store);
        assert!(!left.contains(&of_a_command) && left.contains(&of_an_archiver), "{left:?}");
    }
    store.remove(&of_an_archiver).expect("the directory can be written");
    assert_eq!((counting(&*store), anywhere(&*store, "user-3")), (without(&["user-3"]), 0));
    assert!(survey(&*store).expect("it can be listed").foreign.is_empty());
}
