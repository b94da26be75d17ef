//! The state of a copier, for the status page, readiness and metrics.

use std::sync::{Arc, Mutex, PoisonError};

use dataflow::time::Time;

/// The state of a copier at one moment. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyStatus {
    /// What is wrong now, in words; none if everything works. It is tried again for ever.
    pub trouble: Option<String>,
    /// Whether the copy was compared with the lists, and follows them.
    pub follows: bool,
    /// Lists that have changed and wait.
    pub waiting: usize,
    /// The time from the longest waiting change to the newest state of the lists, in milliseconds. While the copy does not
    /// follow the lists: since it was right last, and 0 before the first comparison.
    pub behind_ms: u64,
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
    /// Lists that cannot be copied, because an id in them has a zero byte.
    pub unwritable: u64,
    /// The time of the last comparison.
    pub compared_as_of: Time,
}

/// The state, written by the copier and read by anybody.
#[derive(Clone, Debug, Default)]
pub struct SharedCopyStatus(Arc<Mutex<CopyStatus>>);

impl SharedCopyStatus {
    /// A copy of the state.
    #[must_use]
    pub fn get(&self) -> CopyStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut CopyStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
