//! How far answers may go, as far as that is noted where it outlives the process.

use crate::time::Time;

/// Says which ticks may show, so that no later process answers with less than was answered before.
pub trait Lease: Send + Sync {
    /// Whether states as of `tick` may be shown, and whether it is noted that the sources have caught up, if they have.
    /// Where that is not so yet, it is being brought about: the leader of the workers asks again. It must not block.
    fn covers(&self, tick: Time, caught_up: bool) -> bool;
}
