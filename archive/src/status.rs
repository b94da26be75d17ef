//! The state of the archiver, for readiness, metrics and the status page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sources::kafka::upstream::PartitionId;

/// The state of the archiver at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What is wrong now, in words; none if everything works. It is tried again for ever.
    pub trouble: Option<String>,
    /// By topic and partition.
    pub partitions: BTreeMap<PartitionId, PartitionStatus>,
    /// Records that became durable since the start.
    pub records: u64,
    /// Files that became durable since the start.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Failed requests to the store since the start.
    pub failures: u64,
    /// Offsets that their topic had deleted before they were read, since the start.
    pub lost: u64,
    /// Memory for files that are not written yet.
    pub memory_bytes: u64,
    /// Files in the tree that are not of the archive, as of the start.
    pub foreign: u64,
}

/// The state of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The offset after the last durable one.
    pub durable: i64,
    /// The offset that is read next.
    pub next: i64,
    /// The end of the partition when it was last looked up.
    pub end: i64,
    /// The first offset that the partition still had then.
    pub low: i64,
    /// Whether the topic has deleted records since the start.
    pub is_shrinking: bool,
}

impl PartitionStatus {
    /// Offsets that are in the topic and not durable in the archive.
    #[must_use]
    pub fn lag(&self) -> i64 {
        (self.end - self.durable.max(self.low)).max(0)
    }

    /// Whether the topic deletes records and has few left before the first that is not durable: fewer than a tenth of all.
    #[must_use]
    pub fn is_close_to_loss(&self) -> bool {
        self.is_shrinking && self.lag() > 0 && self.durable - self.low < (self.end - self.low) / 10
    }
}

/// The state, written by the archiver and read by anybody.
#[derive(Clone, Debug, Default)]
pub struct SharedStatus(Arc<Mutex<Status>>);

impl SharedStatus {
    /// A copy of the state.
    #[must_use]
    pub fn get(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
