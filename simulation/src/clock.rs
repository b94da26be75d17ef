//! The time of the shop, and the service clock of a process: the shop's time with a skew. The service clock never goes
//! back and never runs ahead of the watermark on the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataflow::time::{Millis, ServiceClock, Time};

/// The time at which every run begins: late enough to be recognised as milliseconds.
pub(crate) const BEGINNING: Millis = 1_700_000_000_000;

/// A process's clock; clones are the same clock.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn new(now: Millis) -> Self {
        Clock(Arc::new(AtomicU64::new(now)))
    }

    /// The clock of the machine shows `now`: time advances to it, but not beyond `until`, and never back.
    pub(crate) fn advance(&self, wall: Millis, until: Millis) {
        self.0.fetch_max(wall.min(until), Ordering::Relaxed);
    }
}

impl ServiceClock for Clock {
    fn now(&self) -> Time {
        self.0.load(Ordering::Relaxed)
    }
}
