//! The state of a copier, for the status page, readiness and metrics.

use std::sync::{Arc, Mutex, PoisonError};

use dataflow::time::Time;

use super::waiting::WaitingLists;

/// The state of a copier at one moment. Counts of what happened are since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyStatus {
    /// What is wrong now, in words; none if everything works. It is tried again for ever.
    pub trouble: Option<String>,
    /// Whether the copy was compared with the lists, and follows them.
    pub follows: bool,
    /// Lists that have changed and are not durable in the copy.
    pub waiting: usize,
    /// The time of the longest waiting change; none if no change waits. While the copy does not follow the lists: the time as of
    /// which it was right last, or before the first comparison the time at which the copier started.
    pub behind_since: Option<Time>,
    /// Lists in the copy, of this process.
    pub lists: usize,
    /// Lists that were written.
    pub written: u64,
    /// Lists that were removed.
    pub removed: u64,
    /// Comparisons that were completed.
    pub comparisons: u64,
    /// Lists that a comparison found to differ, after the first one.
    pub corrected: u64,
    /// Failed attempts to reach, read or write the destination.
    pub failures: u64,
    /// Names in the destination that are not those of lists, at the last comparison. They are left alone.
    pub foreign: u64,
    /// Lists with rows that cannot be copied now, because an id in them has a zero byte. While the copy does not follow the
    /// lists: as of the time at which it followed them last.
    pub unwritable: u64,
    /// The time of the last comparison.
    pub compared_as_of: Time,
}

impl CopyStatus {
    /// How long the copy has lacked a change at `now`, in milliseconds. It grows by itself, also while the copier waits for the
    /// service.
    #[must_use]
    pub fn behind_ms(&self, now: Time) -> u64 {
        self.behind_since.map_or(0, |since| now.saturating_sub(since))
    }
}

/// The state, written by the copier and read by anybody. What waits is looked up when the state is read.
#[derive(Clone)]
pub struct SharedCopyStatus {
    waiting: Arc<WaitingLists>,
    /// `waiting` is not set here, and `behind_since` has the time as of which the copy was right last.
    status: Arc<Mutex<CopyStatus>>,
}

impl SharedCopyStatus {
    /// The state of a copier that starts at the time `start`, and for which the lists in `waiting` wait.
    #[must_use]
    pub fn new(waiting: Arc<WaitingLists>, start: Time) -> Self {
        let status = CopyStatus { behind_since: Some(start), ..CopyStatus::default() };
        SharedCopyStatus { waiting, status: Arc::new(Mutex::new(status)) }
    }

    /// A copy of the state.
    #[must_use]
    pub fn get(&self) -> CopyStatus {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (waiting, first) = self.waiting.waiting();
        status.waiting = waiting;
        if status.follows {
            status.behind_since = first;
        }
        status
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut CopyStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
