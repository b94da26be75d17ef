//! The lease: how new the states that answers show may be, as far as this is noted durably, beyond the life of the
//! process.

use crate::time::Time;

/// How much of the sources the visible states hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// A source was never reached, and ticks do not wait for it.
    Partial,
    /// Records of every source.
    Begun,
    /// Everything that the sources held at the start.
    CaughtUp,
}

/// Decides which ticks may show, so that no later process answers with an older state than was answered before.
pub trait TimestampLease: Send + Sync {
    /// Whether states as of `tick` may show, and whether it is noted durably how much of the sources they hold. If not,
    /// the lease starts to extend itself, and the leader of the workers asks again. This function must not block.
    fn covers(&self, tick: Time, extent: Extent) -> bool;
}
