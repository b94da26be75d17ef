//! A topic that was deleted and created again under its name: its records are never mixed with those of the topic before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use archive::chain::Survey;
use archive::status::{PartitionStatus, SharedStatus, Status};
use archive::store::Store as _;
use archive::{Archiver, FileError, Now, ObjectName, Settings, Share};
use harness::Dice;

use crate::memory_log::{END_MS, MemoryLog, START_MS, Written};
use crate::memory_store::MemoryStore;

const RECORDS: i64 = 300;

/// A log of one partition with 300 records.
fn log() -> MemoryLog {
    let view = |n: i64| format!(r#"{{"user_id":{n},"product_id":1,"event_type":"view"}}"#);
    MemoryLog::of(&[(0..RECORDS).map(|n| (START_MS, view(n))).collect()])
}

/// An archiver with a turn a second, and its state.
struct Turns {
    archiver: Archiver<MemoryLog>,
    status: SharedStatus,
    second: u64,
}

impl Turns {
    fn of(log: &MemoryLog, store: &Arc<MemoryStore>) -> Turns {
        let settings = Settings { age_max: Duration::from_secs(5), rate_mb_max: 0, ..Settings::default() };
        let status = SharedStatus::default();
        let archiver = Archiver::new(settings, Share::ALL, store.clone(), log.clone(), status.clone());
        Turns { archiver, status, second: 0 }
    }

    fn some(&mut self, turns: u64) -> Status {
        for _ in 0..turns {
            self.archiver.turn(Now { since_start: Duration::from_secs(self.second), wall_ms: END_MS });
            self.second += 1;
        }
        self.status.get()
    }
}

fn partition(status: &Status) -> PartitionStatus {
    *status.partitions.values().next().expect("a partition")
}

#[track_caller]
fn expect_withheld(status: &Status, lag: i64) {
    let trouble = status.trouble.as_deref().unwrap_or_default();
    assert!(trouble.contains("views/0 cannot be archived: ") && trouble.contains("made anew"), "{trouble}");
    assert!(trouble.contains("move the directory views of the archive away"), "{trouble}");
    assert_eq!(partition(status).lag(), lag);
}

/// The bytes of all records in the archive, by offset.
fn archived(store: &MemoryStore) -> BTreeMap<i64, Vec<u8>> {
    let mut found = BTreeMap::new();
    for object in store.list("views/").expect("the store works") {
        let name = ObjectName::parse(&object.name).expect("only names of the archive");
        let bytes = store.get(&object.name).expect("the store works");
        archive::read(name.format, bytes, |row| {
            let before = found.insert(row.offset, row.raw.unwrap_or_default().to_vec());
            assert!(before.is_none(), "offset {} is there twice", row.offset);
            Ok::<(), FileError>(())
        })
        .expect("every file can be read");
    }
    found
}

/// The bytes of all records in the log, by offset.
fn written(log: &MemoryLog) -> BTreeMap<i64, Vec<u8>> {
    let bytes = |((_, offset), written): ((i32, i64), Written)| (offset, written.payload.unwrap_or_default());
    log.written().into_iter().map(bytes).collect()
}

/// An archive with all records of a log.
fn whole(log: &MemoryLog) -> (Arc<MemoryStore>, Turns) {
    let store = Arc::new(MemoryStore::default());
    let mut turns = Turns::of(log, &store);
    assert_eq!(partition(&turns.some(100)).durable, RECORDS);
    assert!(archived(&store) == written(log));
    (store, turns)
}

fn move_away(store: &MemoryStore) {
    for object in store.list("views/").expect("the store works") {
        store.remove(&object.name).expect("the store works");
    }
}

#[test]
fn a_topic_that_outgrows_the_old_one_is_still_not_archived() {
    let log = log();
    let (store, mut turns) = whole(&log);
    let before = archived(&store);
    for records in [100, 250, RECORDS, 450] {
        log.recreate(0, records);
        expect_withheld(&turns.some(60), records);
    }
    // Another process finds the same, though it has never seen the topic shorter.
    let mut turns = Turns::of(&log, &store);
    expect_withheld(&turns.some(100), 450);
    assert!(archived(&store) == before);
}

#[test]
fn a_topic_that_was_away_and_has_more_records_than_before_is_compared() {
    let log = log();
    let (store, mut turns) = whole(&log);
    let before = archived(&store);
    log.delete();
    turns.some(20);
    log.recreate(0, 900);
    expect_withheld(&turns.some(60), 900);
    assert!(archived(&store) == before);
}

#[test]
fn it_is_archived_from_its_first_record_when_the_old_files_are_moved_away() {
    for first_records in [50, 450] {
        let log = log();
        let (store, mut turns) = whole(&log);
        log.recreate(0, 50);
        expect_withheld(&turns.some(60), 50);
        log.recreate(0, first_records);
        turns.some(60);
        move_away(&store);
        let status = turns.some(180);
        assert!(!partition(&status).is_withheld);
        assert_eq!((partition(&status).durable, partition(&status).lag()), (first_records, 0));
        assert!(archived(&store) == written(&log));
        log.recreate(0, 500);
        assert_eq!(partition(&turns.some(60)).durable, 500, "it is the same topic, which has grown");
        assert!(archived(&store) == written(&log));
    }
}

#[test]
fn files_that_stay_keep_the_new_topic_out() {
    let log = log();
    let store = Arc::new(MemoryStore::default());
    let mut turns = Turns::of(&log, &store);
    log.hide(0, 100);
    turns.some(60);
    log.complete();
    turns.some(60);
    let names: Vec<String> =
        store.list("views/").expect("the store works").into_iter().map(|object| object.name).collect();
    assert!(names.len() > 1, "{names:?}");
    log.recreate(0, 450);
    log.hide(0, 400);
    expect_withheld(&turns.some(30), 50);
    log.complete();
    for name in &names[1..] {
        store.remove(name).expect("the store works");
    }
    expect_withheld(&turns.some(200), 450);
    let survey = Survey::of(store.list("").expect("the store works"));
    assert_eq!(survey.chains.values().map(|chain| chain.segments.len()).sum::<usize>(), 1);
}

#[test]
fn a_topic_whose_end_was_not_visible_for_a_while_is_read_on() {
    let log = log();
    let (store, mut turns) = whole(&log);
    log.hide(0, 40);
    expect_withheld(&turns.some(30), RECORDS - 40);
    log.complete();
    let status = turns.some(60);
    assert!(!partition(&status).is_withheld);
    log.append_and_lose(0, 0);
    let status = turns.some(60);
    assert_eq!((partition(&status).durable, status.lost), (RECORDS + 20, 0));
    assert_eq!(archived(&store).len(), 320);
}

#[test]
fn restarts_do_not_doubt_the_same_topic() {
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let log = MemoryLog::new(&mut dice, 2);
        let store = Arc::new(MemoryStore::default());
        for _ in 0..6 {
            (0..8).for_each(|_| log.grow(&mut dice));
            let mut turns = Turns::of(&log, &store);
            let status = turns.some(40);
            assert!(status.partitions.values().all(|partition| !partition.is_withheld), "{status:?}");
            turns.archiver.flush(|| true);
        }
        assert!(store.list("views/").expect("the store works").len() > 2);
    }
}

#[test]
fn partitions_and_foreign_files_are_shown_before_and_after_the_first_list() {
    let log = log();
    let store = Arc::new(MemoryStore::default());
    for name in ["readme.md", "other/x.txt", "views/notes.txt"] {
        store.put(name, "mine".into()).expect("the store works");
    }
    store.fail_one_in(1);
    let mut turns = Turns::of(&log, &store);
    let status = turns.some(10);
    assert!(status.trouble.as_ref().is_some_and(|trouble| trouble.contains("503")), "{status:?}");
    assert_eq!((partition(&status).end, partition(&status).lag(), status.foreign), (RECORDS, RECORDS, 0));
    store.heal();
    let status = turns.some(100);
    assert_eq!((partition(&status).lag(), status.foreign, status.partitions.len()), (0, 3, 1));
}
