//! UsersToErase that an archived topic records are followed: what was before them is gone, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use archive::erase::{UsersToErase, erase};
use archive::status::SharedStatus;
use archive::store::Store as _;
use archive::verify::{survey, verify};
use archive::{Archiver, FileError, Now, ObjectName, Settings, Share};

use crate::memory_log::{MemoryLog, START_MS};
use crate::memory_store::MemoryStore;

const MINUTE_MS: u64 = 60_000;
const USERS: u64 = 5;

/// When user 3 asks to be forgotten.
const ERASED_AT: u64 = START_MS + 200 * MINUTE_MS;

/// A view in every minute, and the erasure of one user. One record in seven is an hour late.
fn records() -> Vec<(u64, String)> {
    let view = |minute: u64| {
        let recorded = START_MS + minute * MINUTE_MS;
        let at = if minute.is_multiple_of(7) { recorded - 60 * MINUTE_MS } else { recorded };
        let user = minute % USERS;
        (recorded, format!(r#"{{"event_type":"view","user_id":"user-{user}","product_id":"p","timestamp":{at}}}"#))
    };
    let mut records: Vec<(u64, String)> = (0..400).map(view).collect();
    records.insert(201, (ERASED_AT + 1, events::erasure_json("user-3", ERASED_AT, "m")));
    records
}

/// Whether a record is of the erased user and of a time up to the erasure, by its text.
fn is_gone((recorded, text): &(u64, String)) -> bool {
    let late = (recorded - START_MS).is_multiple_of(7 * MINUTE_MS);
    let at = if late { recorded - 60 * MINUTE_MS } else { *recorded };
    text.contains("\"user-3\"") && at <= ERASED_AT && !text.contains("UserErased")
}

#[test]
fn what_was_before_a_recorded_erasure_is_removed() {
    let (store, records) = (Arc::new(MemoryStore::default()), records());
    let log = MemoryLog::of(std::slice::from_ref(&records));
    let settings = Settings { file_bytes_max: 4000, rate_mb_max: 0, ..Settings::default() };
    let mut archiver = Archiver::new(settings, Share::ALL, store.clone(), log, SharedStatus::default());
    for second in 0..200 {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: START_MS + 400 * MINUTE_MS });
    }
    assert!(archiver.flush(|| true));

    let survey = survey(&*store).expect("the store works");
    let erasures = UsersToErase::recorded(&*store, &survey, "views").expect("the files can be read");
    assert_eq!(erasures.users(), 1);
    let expected: Vec<&String> = records.iter().filter(|record| !is_gone(record)).map(|(_, text)| text).collect();
    let erased = erase(&*store, &survey, &erasures, |_| ()).expect("the store works");
    assert_eq!(erased.records as usize, records.len() - expected.len());
    assert!(erased.records > 40, "{erased:?}");

    let mut left = Vec::new();
    for object in store.list("").expect("the store works") {
        let name = ObjectName::parse(&object.name).expect("a name of the archive");
        let bytes = store.get(&object.name).expect("the store works");
        let read = archive::read(name.format, bytes, |row| {
            left.push((row.offset, String::from_utf8_lossy(row.raw.unwrap_or_default()).into_owned()));
            Ok::<(), FileError>(())
        });
        read.expect("the file is sound");
    }
    left.sort();
    assert_eq!(left.iter().map(|(_, text)| text).collect::<Vec<_>>(), expected);
    for (id, report) in verify(&*store, &survey, |_| ()).expect("the store works") {
        assert_eq!((report.problems, report.notes), (vec![], vec![]), "{id}");
    }
}
