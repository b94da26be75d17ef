//! Partitions share the limit of bytes per second.

use std::sync::Arc;
use std::time::Duration;

use archive::status::SharedStatus;
use archive::{Archiver, Now, Settings, Share};

use crate::memory_log::{END_MS, MemoryLog, START_MS};
use crate::memory_store::MemoryStore;

#[test]
fn a_partition_with_a_backlog_leaves_the_others_their_share() {
    const PARTITIONS: usize = 3;
    const RECORD_BYTES: usize = 10_000;
    let noise = "x".repeat(RECORD_BYTES);
    let view =
        |n: u64| (START_MS + n, format!(r#"{{"user_id":{n},"product_id":1,"event_type":"view","noise":"{noise}"}}"#));
    let partition: Vec<_> = (0..1000).map(view).collect();
    let log = MemoryLog::of(&vec![partition; PARTITIONS]);
    let settings = Settings { rate_mb_max: 1, ..Settings::default() };
    let (store, status) = (Arc::new(MemoryStore::default()), SharedStatus::default());
    let mut archiver = Archiver::new(settings, Share::ALL, store, log, status.clone());
    for turn in 0..40 {
        archiver.turn(Now { since_start: Duration::from_millis(turn * 250), wall_ms: END_MS });
    }
    // At the limit, ten seconds are enough for one of them.
    let read: Vec<i64> = status.get().partitions.values().map(|partition| partition.next).collect();
    assert_eq!(read.len(), PARTITIONS);
    assert!(read.iter().all(|read| (100..1000).contains(read)), "{read:?}");
}
