//! The time of the shop, and the service clock of a process: the shop's time with a skew, which never goes back and
//! never runs ahead of what is noted on the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataflow::time::{Millis, ServiceClock, Time};

/// When everything begins: late enough that milliseconds are taken for such.
pub(crate) const BEGINNING: Millis = 1_700_000_000_000;

/// A process's clock; clones are the same clock.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn new(now: Millis) -> Self {
        Clock(Arc::new(AtomicU64::new(now)))
    }

    /// The machine's clock says so: time goes on to there, but not beyond `until`, and never back.
    pub(crate) fn advance(&self, wall: Millis, until: Millis) {
        self.0.fetch_max(wall.min(until), Ordering::Relaxed);
    }
}

impl ServiceClock for Clock {
    fn now(&self) -> Time {
        self.0.load(Ordering::Relaxed)
    }
}
