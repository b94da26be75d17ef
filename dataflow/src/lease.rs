//! How far answers may go, as far as that is noted where it outlives the process.

use crate::time::Time;

/// What the states that are shown hold of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// A source was never reached, and is not waited for.
    Partial,
    /// Something of every source.
    Begun,
    /// Everything that there was at the start.
    CaughtUp,
}

/// Says which ticks may show, so that no later process answers with less than was answered before.
pub trait TimestampLease: Send + Sync {
    /// Whether states as of `tick` may be shown, and whether it is noted how much of the sources they hold.
    /// Where that is not so yet, it is being brought about: the leader of the workers asks again. It must not block.
    fn covers(&self, tick: Time, extent: Extent) -> bool;
}
