//! The past of streams and tables, for a replay: what counts at which step.
//!
//! ```text
//! a partition, a file of events ─▶ decode ─▶ PartitionReplay: service time, hold what is beyond the step ─▶ Inputs
//! orders, lines, catalogue ──────▶ Tables: each row from its time until it leaves the window ──▶ Inputs
//! ```
//! # The service time of a record
//! Live, a record counts from when it is read. In a replay it counts from its *service time*: the latest of the times of
//! the records before it in its partition and its own, which is the time its event states, but not after the time of the
//! record. A step `S` holds exactly the records whose service time is `S` or earlier. So a record that came late counts
//! when it came, as it did live, and the lists of a step hang on the records of the partitions alone: neither on the
//! number of workers, nor on how many records are read together, nor on the machine.
//!
//! Service times never fall within a partition. A record beyond the last step counts at none, and holds up nothing: one
//! wrong clock does not end a partition. After it a record counts if its own record was dated by the last step; the
//! others came later, or nobody can say when, and are passed over unread. How many that were is told.
//!
//! A refused record has no time. It is told unless it is passed over. The bounds of a time (see
//! [`TimeBounds`](events::TimeBounds)) are taken around the record's own time: in its day it was the present.
//!
//! # The time of an order
//! An order counts from the first step at or after its `created_at`, until it has left the window; so do its lines. Tables
//! hold what is there now: a row that has been deleted cannot be replayed, and one that was changed counts as it is now.
//! The catalogue has no times: it counts as it is now, at every step.

mod partition;
mod tables;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dataflow::time::{Millis, Time};

use events::DeadLetter;

pub(crate) use partition::PartitionReplay;
pub use tables::{Tables, TablesPast};

/// Takes refused records, at once.
pub type Refused = Arc<dyn Fn(DeadLetter) + Send + Sync>;

/// What a replay asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The first step: orders that have left the window by then are not read.
    pub from: Time,
    /// The last step: nothing beyond it is read.
    pub until: Time,
    /// How long an order counts.
    pub window_ms: Millis,
}

impl Asked {
    /// Whether an order of this time counts at any step.
    pub(crate) fn counts(&self, created_at: Millis) -> bool {
        created_at <= self.until && created_at.saturating_add(self.window_ms) > self.from
    }
}

/// How far the reading has come, for whoever shows it: units are records of a topic or bytes of a file.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    all: AtomicU64,
    passed_over: Mutex<Vec<String>>,
}

impl Progress {
    /// What has been read.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// What there is to read.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    /// What was passed over as it lies after the last step, in words: a line for each partition that has such records.
    ///
    /// # Panics
    /// Never: no holder of the lock can.
    #[must_use]
    pub fn passed_over(&self) -> Vec<String> {
        let mut lines = self.passed_over.lock().expect("no holder of this lock can panic").clone();
        lines.sort_unstable();
        lines
    }

    pub(crate) fn passes_over(&self, line: String) {
        self.passed_over.lock().expect("no holder of this lock can panic").push(line);
    }

    pub(crate) fn more(&self, units: u64) {
        self.all.fetch_add(units, Ordering::Relaxed);
    }

    pub(crate) fn went(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }
}
