//! Files end with their size, with their age and with their hour.

use std::sync::Arc;
use std::time::Duration;

use archive::status::{SharedStatus, Status};
use archive::store::Store as _;
use archive::{Archiver, Now, Settings, Share};

use crate::memory_log::{END_MS, MemoryLog, START_MS};
use crate::memory_store::MemoryStore;

/// Neither size nor age ends a file.
fn endless() -> Settings {
    Settings { age_max: Duration::from_secs(86_400), rate_mb_max: 0, ..Settings::default() }
}

/// The names of the files that an archiver has written after so many seconds, and its state. The records of the log are so many
/// milliseconds apart.
fn archived(settings: Settings, (records, apart_ms): (u64, u64), seconds: u64) -> (Vec<String>, Status) {
    let view = |n: u64| {
        (START_MS + n * apart_ms, format!(r#"{{"user_id":"user-{n}","product_id":"product-{n}","event_type":"view"}}"#))
    };
    let log = MemoryLog::of(&[(0..records).map(view).collect()]);
    let (store, status) = (Arc::new(MemoryStore::default()), SharedStatus::default());
    let mut archiver = Archiver::new(settings, Share::ALL, store.clone(), log, status.clone());
    for second in 0..=seconds {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: END_MS });
    }
    let names = store.list("").expect("the store works").into_iter().map(|object| object.name);
    (names.collect(), status.get())
}

#[test]
fn a_file_ends_with_its_age() {
    let settings = Settings { age_max: Duration::from_secs(20), ..endless() };
    assert_eq!(archived(settings.clone(), (100, 1000), 15).0, Vec::<String>::new());
    let (names, status) = archived(settings, (100, 1000), 90);
    assert!(!names.is_empty() && status.records == 100, "{names:?}, {status:?}");
}

#[test]
fn a_file_ends_with_its_size() {
    assert_eq!(archived(endless(), (3000, 1000), 300).0, Vec::<String>::new());
    let (names, status) = archived(Settings { file_bytes_max: 4000, ..endless() }, (3000, 1000), 300);
    assert!(names.len() > 1 && status.records > 0, "{names:?}, {status:?}");
}

#[test]
fn a_file_ends_with_its_hour() {
    let (names, status) = archived(endless(), (24, 600_000), 90);
    let expected =
        ["05/0-0-5", "06/0-6-11", "07/0-12-17"].map(|end| format!("views/date=2026-11-29/hour={end}.parquet"));
    assert_eq!((names.as_slice(), status.records), (&expected[..], 18), "the last hour may go on");
}
