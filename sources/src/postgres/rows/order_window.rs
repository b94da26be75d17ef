//! Which orders are kept at a time.

use dataflow::rules::AHEAD_MS;
use dataflow::time::Millis;

/// Which times are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderWindow {
    pub(crate) now: Millis,
    pub(crate) kept_ms: Millis,
}

impl OrderWindow {
    /// Orders are kept that are later than this.
    pub(crate) fn cutoff(self) -> Millis {
        self.now.saturating_sub(self.kept_ms)
    }

    /// Orders that are later than this do not count yet.
    pub(crate) fn latest(self) -> Millis {
        self.now.saturating_add(AHEAD_MS)
    }
}
