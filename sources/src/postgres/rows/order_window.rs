//! Which orders count at a time.

use dataflow::rules::AHEAD_MS;
use dataflow::time::Millis;

/// Which times count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderWindow {
    pub(crate) now: Millis,
    pub(crate) window_ms: Millis,
}

impl OrderWindow {
    /// Orders count that are later than this.
    pub(crate) fn cutoff(self) -> Millis {
        self.now.saturating_sub(self.window_ms)
    }

    /// Orders that are later than this do not count yet.
    pub(crate) fn latest(self) -> Millis {
        self.now.saturating_add(AHEAD_MS)
    }
}
