//! What the worker loop asks of a source: a [`Feed`], polled between two steps, and its [`Position`]s.

pub(crate) mod position;
pub(crate) mod waker;

use std::sync::Arc;

use crate::dictionary::Dictionary;
use crate::inputs::Inputs;
use crate::time::Time;

pub use position::{Position, StreamFingerprint};
pub use waker::Waker;

/// What one call of [`Feed::feed`] moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedProgress {
    /// Records moved into the inputs, those that were refused included.
    pub records: usize,
    /// Records known to be waiting, here or upstream. While many are, ticks grow (see [`crate::tick_scheduler`]).
    pub waiting: usize,
    /// While the source catches up: the time its records have come to, by the clock of whoever wrote them. Ticks do not
    /// run ahead of it, so that what is answered meanwhile is dated honestly. 0 while that is not known yet: ticks wait, and
    /// nothing is answered before the first one that has a time. None when it is live.
    pub reached: Option<Time>,
}

impl FeedProgress {
    /// What a source has reached that catches up with something that has no dates: it does not hold ticks back.
    pub const UNDATED: Time = Time::MAX - 1;
}

/// A source as the worker loop sees it. It lives in one worker's thread.
pub trait Feed {
    /// Moves at most about `budget` records that have arrived into the inputs, and never blocks.
    ///
    /// What one call feeds becomes visible in one tick. A transaction that must show whole is fed in one call, even
    /// beyond the budget.
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress;

    /// Adds the positions after everything fed so far to `out`.
    fn positions(&self, out: &mut Vec<Position>);
}

/// One worker's place in the cluster, from which its feeds are opened.
#[derive(Clone)]
pub struct WorkerContext {
    /// This worker's number, from 0.
    pub index: usize,
    /// How many workers there are in all processes.
    pub peers: usize,
    /// Ends this worker's wait when something has arrived.
    pub waker: Waker,
    /// From ids to keys.
    pub dictionary: Arc<Dictionary>,
}

/// Opens a worker's feeds, once, in the worker's own thread.
pub type OpenFeeds = Arc<dyn Fn(WorkerContext) -> Vec<Box<dyn Feed>> + Send + Sync>;
