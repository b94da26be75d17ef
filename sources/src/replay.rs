//! Streams and tables for a replay: which record and row counts at which step.
//!
//! ```text
//! a partition, a file of events ─▶ events ─▶ PartitionReplay: service time, a record beyond the step waits ─▶ Inputs
//! orders, lines, catalogue ──────▶ ReplayTables: each row from its time until it is held no longer ────────▶ Inputs
//! ```
//! # The service time of a record
//! In live operation a record counts from the moment it is read. In a replay it counts from its *service time*: the latest of
//! its own time and the times of the records before it in its partition. Its own time is the time of its event: the time that
//! the event states, but, unless it is a removal, not after the time of the record. So no step has an event that happened after
//! it. A step `S` has exactly the records whose service time is `S` or earlier. So a record that came late counts when it came,
//! as it did live. The lists of a step depend only on the records of the partitions, not on the number of workers, the sizes of
//! batches, or the machine.
//!
//! Service times never fall within a partition. A record beyond the last step counts at no step and delays nothing: one
//! wrong clock does not end a partition. A record after it counts if its own record is dated at or before the last step;
//! the others came later, or at an unknown time, and are skipped unread. Their number is reported.
//!
//! A refused record has no time. Its dead letter is written unless it is skipped. The bounds of times (see
//! [`TimeBounds`](events::TimeBounds)) are taken around the record's own time: in its day that was the present.
//!
//! # Erased users
//! Erasures are applied first, whatever their time: what an erased user did at or before the time of the erasure counts at no step.
//! Orders stay in the tables, as they do live, so that a purchase event that names such an order does not count either.
//!
//! # The time of an order
//! An order is in the tables from the first step at or after its `created_at` until it is held no longer; so are its lines. It
//! counts if its status does. A table has only its present rows: a deleted row cannot be replayed, and a changed row counts as it
//! is now. The catalogue has no times: it counts as it is now, at every step.

mod erased;
mod partition;
mod tables;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dataflow::time::{Millis, Time};

use events::DeadLetter;

pub use erased::ReplayErasures;
pub(crate) use partition::PartitionReplay;
pub use tables::{ReplayTables, TablesReplay};

/// Takes the dead letters of refused records.
pub type LetterHandler = Arc<dyn Fn(DeadLetter) + Send + Sync>;

/// The steps of a replay, and how long orders are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayBounds {
    /// The first step. Orders that are held no longer by then are not read.
    pub from: Time,
    /// The last step. Records beyond it are not read.
    pub until: Time,
    /// How long an order is in the tables from its time on.
    pub kept_ms: Millis,
}

impl ReplayBounds {
    /// Whether an order of this time is in the tables at any step.
    pub(crate) fn holds(&self, created_at: Millis) -> bool {
        created_at <= self.until && created_at.saturating_add(self.kept_ms) > self.from
    }
}

/// The progress of reading, in records of a topic or bytes of a file.
#[derive(Debug, Default)]
pub struct ReplayProgress {
    done: AtomicU64,
    total: AtomicU64,
    skipped: Mutex<Vec<String>>,
}

impl ReplayProgress {
    /// How much has been read.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How much there is to read.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// The records that were skipped because they are after the last step, in words: one line for each such partition.
    ///
    /// # Panics
    /// Never: no holder of the lock can.
    #[must_use]
    pub fn skipped(&self) -> Vec<String> {
        let mut lines = self.skipped.lock().expect("no holder of this lock can panic").clone();
        lines.sort_unstable();
        lines
    }

    pub(crate) fn note_skipped(&self, line: String) {
        self.skipped.lock().expect("no holder of this lock can panic").push(line);
    }

    pub(crate) fn add_total(&self, units: u64) {
        self.total.fetch_add(units, Ordering::Relaxed);
    }

    pub(crate) fn add_done(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }
}
