//! The archiver is killed at any request to its store, faults come and go, files are merged: afterwards every record of the
//! log is in the archive once, byte by byte, and reading had gone on without a gap after each kill.
//!
//! The oracle is the list of records from which the log is made. The reader shares with the archiver only the decoding of
//! files; what is left after two hundred kills is also read by DuckDB and pyarrow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use archive::chain::Survey;
use archive::compact::compact;
use archive::erase::{UsersToErase, erase};
use archive::status::SharedStatus;
use archive::store::{Dir, Store as _};
use archive::verify::verify;
use archive::{Archiver, FileError, Format, Now, Settings, Share};
use harness::Dice;
use proptest::prelude::*;

use crate::memory_log::{self, MemoryLog, Written};
use crate::memory_store::MemoryStore;

fn settings(format: Format) -> Settings {
    Settings {
        to: Some("unused".into()),
        format,
        // Small files, so that there are many.
        file_bytes_max: 4000,
        age_max: Duration::from_secs(20),
        memory_bytes_max: 200_000,
        rate_mb_max: 0,
        ..Settings::default()
    }
}

/// One history: kills, faults and merges from a seed.
struct History {
    dice: Dice,
    log: MemoryLog,
    store: Arc<MemoryStore>,
    settings: Settings,
    now: Duration,
}

impl History {
    fn new(seed: u64, format: Format) -> History {
        let mut dice = Dice::new(seed);
        let log = MemoryLog::new(&mut dice, 3);
        History { dice, log, store: Arc::new(MemoryStore::default()), settings: settings(format), now: Duration::ZERO }
    }

    /// An archiver from its start to its kill, or for some turns.
    fn life(&mut self, turns: u64) {
        let mut archiver = self.archiver(&SharedStatus::default());
        for _ in 0..turns {
            self.now += Duration::from_millis(self.dice.below(4000));
            self.log.grow(&mut self.dice);
            archiver.turn(Now { since_start: self.now, wall_ms: memory_log::START_MS + self.now.as_millis() as u64 });
            if self.store.is_killed() {
                break;
            }
        }
        if !self.store.is_killed() && self.dice.below(3) == 0 {
            archiver.flush(|| true);
        }
        self.store.revive();
    }

    fn archiver(&self, status: &SharedStatus) -> Archiver<MemoryLog> {
        Archiver::new(self.settings.clone(), Share::ALL, self.store.clone(), self.log.clone(), status.clone())
    }

    /// Reads on without faults until everything is durable.
    fn finish(&mut self) {
        self.store.heal();
        self.log.complete();
        let mut archiver = self.archiver(&SharedStatus::default());
        for _ in 0..2000 {
            self.now += Duration::from_secs(1);
            archiver.turn(Now { since_start: self.now, wall_ms: memory_log::START_MS });
        }
        assert!(archiver.flush(|| true), "a store without faults takes everything");
    }

    /// What the archive holds, by partition and offset.
    fn archived(&self) -> BTreeMap<(i32, i64), Written> {
        let mut found = BTreeMap::new();
        for object in self.store.list("views/").expect("the store works") {
            let name = archive::ObjectName::parse(&object.name).expect("only names of the archive");
            let bytes = self.store.get(&object.name).expect("the store works");
            let read = archive::read(name.format, bytes, |row| {
                let hour = row.record_time.map(|time| archive::Hour::of(time.unsigned_abs()));
                assert!(hour.is_none_or(|hour| hour == name.hour), "rows are in the file of their hour");
                let written = Written { key: row.key.map(<[u8]>::to_vec), payload: row.raw.map(<[u8]>::to_vec) };
                let before = found.insert((name.id.partition, row.offset), written);
                assert!(before.is_none(), "offset {} of partition {} is there twice", row.offset, name.id.partition);
                Ok::<(), FileError>(())
            });
            read.expect("every file can be read");
        }
        found
    }

    fn assert_whole(&self) {
        let survey = Survey::of(self.store.list("").expect("the store works"));
        for (id, chain) in &survey.chains {
            assert_eq!((chain.missing(), chain.overlaps()), (vec![], vec![]), "{id}");
        }
    }
}

/// A history of that many lives, whose archive is whole at its end.
fn run(seed: u64, format: Format, lives: u64) -> History {
    let mut history = History::new(seed, format);
    for _ in 0..lives {
        let steps = history.dice.below(25);
        history.store.kill_after(steps, history.dice.roll());
        history.store.fail_one_in(history.dice.below(6));
        if history.dice.below(4) == 0 {
            // A merge that a kill may interrupt anywhere.
            let _ = compact(&*history.store, &history.settings);
            history.store.revive();
        } else {
            let turns = history.dice.below(40);
            history.life(turns);
        }
        history.store.heal();
        history.assert_whole();
    }
    history.finish();
    history.store.heal();
    compact(&*history.store, &history.settings).expect("nothing fails");
    let (expected, found) = (history.log.written(), history.archived());
    assert!(found == expected, "{} records of {}", found.len(), expected.len());
    let survey = Survey::of(history.store.list("").expect("the store works"));
    for (id, report) in verify(&*history.store, &survey, |_| ()).expect("the store works") {
        assert_eq!((report.problems, report.notes), (vec![], vec![]), "{id}");
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_there_once_after_any_kills(seed: u64, json: bool) {
        run(seed, if json { Format::Json } else { Format::Parquet }, 25);
    }
}

#[test]
fn two_hundred_kills_lose_and_double_nothing_that_other_readers_see() {
    for format in [Format::Parquet, Format::Json] {
        let history = run(7, format, 200);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = Dir::new(dir.path());
        for object in history.store.list("").expect("the store works") {
            let bytes = history.store.get(&object.name).expect("the store works");
            place.put(&object.name, bytes).expect("the directory can be written");
        }
        let shown = if format == Format::Parquet { crate::formats::hex } else { crate::formats::text };
        let row = |((partition, offset), written): (&(i32, i64), &Written)| {
            ((i64::from(*partition), *offset), [written.key.as_ref(), written.payload.as_ref()].map(shown))
        };
        let expected: BTreeMap<_, _> = history.log.written().iter().map(row).collect();
        let readers = crate::formats::read_back(dir.path(), format);
        assert_eq!(readers.keys().collect::<Vec<_>>(), ["duckdb", "pyarrow"]);
        for (reader, rows) in readers {
            let found = rows.into_iter().map(|(place, row)| (place, [row[3].clone(), row[8].clone()]));
            assert!(found.eq(expected.clone()), "{reader} finds other records");
        }
    }
}

#[test]
fn a_store_that_is_away_stops_the_reading_and_bounds_the_memory() {
    let history = History::new(3, Format::Parquet);
    history.log.complete();
    let status = SharedStatus::default();
    let mut archiver = history.archiver(&status);
    archiver.turn(Now { since_start: Duration::ZERO, wall_ms: memory_log::START_MS });
    history.store.fail_one_in(1);
    for second in 1..200 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS });
    }
    let seen = status.get();
    assert!(seen.trouble.as_ref().is_some_and(|trouble| trouble.contains("cannot write views/")), "{seen:?}");
    assert!(seen.failures > 3 && seen.records == 0, "{seen:?}");
    assert!(seen.memory_bytes <= 400_000, "{seen:?}");
    history.store.heal();
    for second in 200..1200 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS });
    }
    assert!(archiver.flush(|| true));
    let seen = status.get();
    assert!(!seen.trouble.is_some_and(|trouble| trouble.contains("cannot write")));
    assert_eq!(seen.records, history.log.written().len() as u64);
    assert!(history.archived() == history.log.written());
}

#[test]
fn reading_goes_on_while_segments_wait_and_memory_is_left() {
    let mut history = History::new(3, Format::Parquet);
    history.settings.memory_bytes_max = 64 << 20;
    history.log.complete();
    let status = SharedStatus::default();
    let mut archiver = history.archiver(&status);
    archiver.turn(Now { since_start: Duration::ZERO, wall_ms: memory_log::START_MS });
    history.store.fail_one_in(1);
    for second in 1..400 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS });
    }
    let seen = status.get();
    assert!(seen.records == 0 && seen.memory_bytes > 0, "{seen:?}");
    assert!(seen.partitions.values().all(|partition| partition.next == partition.end), "{seen:?}");
    // What the topic deletes now is in memory.
    let before = history.log.written();
    history.log.truncate(0);
    history.store.heal();
    for second in 400..800 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS });
    }
    assert!(archiver.flush(|| true));
    assert_eq!((status.get().lost, status.get().records), (0, before.len() as u64));
    assert!(history.archived() == before);
}

/// Hours of turns with a store that is away; returns what is wrong at the end of each.
fn troubles_of_an_absence(history: &History, from_the_start: bool, hours: u64) -> Vec<String> {
    let status = SharedStatus::default();
    let mut archiver = history.archiver(&status);
    let mut turn = |ms: u64| {
        archiver.turn(Now { since_start: Duration::from_millis(ms), wall_ms: memory_log::END_MS + ms });
        status.get().trouble.unwrap_or_default()
    };
    if !from_the_start {
        turn(0);
    }
    history.store.fail_one_in(1);
    (1..=hours * 60).map(|minute| turn(minute * 60_000)).skip(59).step_by(60).collect()
}

#[test]
fn a_loss_is_warned_of_before_the_topic_deletes_anything() {
    for from_the_start in [true, false] {
        let mut history = History::new(29, Format::Parquet);
        history.log.complete();
        history.log.retention = Some(Duration::from_secs(10 * 3600));
        let troubles = troubles_of_an_absence(&history, from_the_start, 8);
        let warned: Vec<bool> = troubles.iter().map(|trouble| trouble.contains("will soon")).collect();
        // The records are as old as the absence, or older.
        assert!(warned[5..].iter().all(|warned| *warned), "{troubles:?}");
        assert!(!from_the_start || warned[..4].iter().all(|warned| !warned), "{troubles:?}");
        assert!(troubles.iter().all(|trouble| trouble.contains("503")), "{troubles:?}");
    }
}

#[test]
fn a_user_is_erased_also_by_a_run_that_ends_what_another_began() {
    let mut history = History::new(17, Format::Parquet);
    history.log.complete();
    history.finish();
    let mut expected = history.log.written();
    expected.retain(|_, written| !memory_log::is_of(written, "42"));
    let removed = (history.log.written().len() - expected.len()) as u64;
    let survey = Survey::of(history.store.list("").expect("the store works"));
    let mut records = 0;
    for kill in 0.. {
        history.store.kill_after(kill % 4, kill);
        let erased = erase(&*history.store, &survey, &UsersToErase::of("42"), |_| ());
        history.store.heal();
        if let Ok(erased) = erased {
            records += erased.records;
            break;
        }
    }
    assert!(removed > 0 && records <= removed);
    assert!(history.archived() == expected);
    for (id, report) in verify(&*history.store, &survey, |_| ()).expect("the store works") {
        assert_eq!((report.problems, report.notes), (vec![], vec![]), "{id}");
    }
    assert_eq!(erase(&*history.store, &survey, &UsersToErase::of("42"), |_| ()).expect("the store works").files, 0);
}

#[test]
fn a_foreign_file_is_left_and_counted() {
    let history = History::new(5, Format::Parquet);
    history.store.put("views/notes.txt", "mine".into()).expect("the store works");
    history.log.complete();
    let status = SharedStatus::default();
    let mut archiver = history.archiver(&status);
    archiver.turn(Now { since_start: Duration::ZERO, wall_ms: memory_log::START_MS });
    assert_eq!(status.get().foreign, 1);
    history.store.put("views/date=2026-11-29/hour=05/0-1-2.csv", "mine".into()).expect("the store works");
    for second in 1..300 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS });
    }
    assert!(archiver.flush(|| true));
    compact(&*history.store, &history.settings).expect("the store works");
    let survey = Survey::of(history.store.list("").expect("the store works"));
    erase(&*history.store, &survey, &UsersToErase::of("42"), |_| ()).expect("the store works");
    assert_eq!(survey.foreign, ["views/date=2026-11-29/hour=05/0-1-2.csv", "views/notes.txt"]);
    for name in &survey.foreign {
        assert_eq!(history.store.get(name).expect("it is still there"), "mine");
    }
}

#[test]
fn segments_with_late_records_are_merged() {
    let mut history = History::new(31, Format::Parquet);
    history.settings.age_max = Duration::from_secs(2);
    history.log.complete();
    history.finish();
    let files = |history: &History| history.store.list("").expect("the store works").len();
    let parts = |history: &History| {
        let objects = history.store.list("").expect("the store works");
        objects.iter().filter(|object| object.name.contains(".part.")).count()
    };
    let (before, parts_before) = (files(&history), parts(&history));
    assert!(parts_before > 0, "no record was late");
    history.settings.file_bytes_max = 1 << 20;
    compact(&*history.store, &history.settings).expect("the store works");
    assert!(files(&history) < before && parts(&history) <= parts_before, "{} of {before}", files(&history));
    assert!(history.archived() == history.log.written());
    history.assert_whole();
    assert_eq!(compact(&*history.store, &history.settings).expect("the store works").files, 0, "all is merged");
}

#[test]
fn records_deleted_before_they_were_read_are_counted_and_the_topic_goes_on() {
    let mut history = History::new(11, Format::Parquet);
    history.log.complete();
    let gone = history.log.truncate(0);
    let mut held = history.log.written();
    let status = SharedStatus::default();
    history.finish();
    assert!(history.archived() == held, "a first start begins with what is left");
    // Later records that are deleted while no archiver runs are missing, and named.
    let lost = history.log.append_and_lose(0, 50);
    held.extend(history.log.written().into_iter().filter(|((_, offset), _)| *offset > gone));
    let mut archiver = history.archiver(&status);
    for second in 1..100 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS });
    }
    assert!(archiver.flush(|| true));
    assert_eq!(status.get().lost, lost);
    assert!(history.archived() == held);
    let survey = Survey::of(history.store.list("").expect("the store works"));
    let reports = verify(&*history.store, &survey, |_| ()).expect("the store works");
    let problems: Vec<String> = reports.into_values().flat_map(|report| report.problems).collect();
    assert!(problems.len() == 1 && problems[0].contains("are missing"), "{problems:?}");
}

#[test]
fn a_topic_that_was_made_anew_is_not_mixed_with_the_old_one() {
    let mut history = History::new(13, Format::Parquet);
    history.log.complete();
    history.finish();
    let before = history.archived();
    history.log.recreate(1, 5);
    let status = SharedStatus::default();
    let mut archiver = history.archiver(&status);
    for second in 1..30 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS });
    }
    assert!(status.get().trouble.is_some_and(|trouble| trouble.contains("made anew")), "{:?}", status.get());
    assert!(history.archived() == before);
}
