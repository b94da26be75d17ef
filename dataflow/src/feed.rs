//! The interface between the worker loop and a source: a [`Feed`], polled between two steps, and its [`Position`]s.

pub(crate) mod position;
pub(crate) mod waker;

use std::sync::Arc;

use crate::dictionary::Dictionary;
use crate::inputs::Inputs;
use crate::time::Time;

pub use position::{Position, StreamFingerprint};
pub use waker::Waker;

/// The progress of one call of [`Feed::feed`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedProgress {
    /// Records moved into the inputs, rejected records included.
    pub records: usize,
    /// Records that are known to be unread, here or upstream. While there are many, ticks grow (see
    /// [`crate::tick_scheduler`]).
    pub waiting: usize,
    /// While the source catches up: the time that its records have reached, by the clock of the system that wrote them.
    /// Ticks do not run ahead of it, so that `as_of` is right in answers given meanwhile. It is 0 while the time is not
    /// known yet: then ticks wait, and nothing is answered before the first tick with a known time. `None` when the
    /// source is live.
    pub reached: Option<Time>,
}

impl FeedProgress {
    /// The value for a source that catches up with records without times: it does not hold ticks back.
    pub const UNDATED: Time = Time::MAX - 1;
}

/// A source as the worker loop sees it. It lives in the thread of one worker.
pub trait Feed {
    /// Moves at most about `budget` of the records that have arrived into the inputs. Never blocks.
    /// The records of one call become visible in one tick. A transaction that must become visible as a whole is fed in
    /// one call, even beyond the budget.
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress;

    /// Adds the positions after everything fed so far to `out`.
    fn positions(&self, out: &mut Vec<Position>);
}

/// The place of a worker in the cluster, from which its feeds are opened.
#[derive(Clone)]
pub struct WorkerContext {
    /// This worker's number, from 0.
    pub index: usize,
    /// The number of workers in all processes.
    pub peers: usize,
    /// Ends this worker's wait when records have arrived.
    pub waker: Waker,
    /// The dictionary of ids and keys.
    pub dictionary: Arc<Dictionary>,
}

/// Opens the feeds of a worker, once, in the worker's own thread.
pub type OpenFeeds = Arc<dyn Fn(WorkerContext) -> Vec<Box<dyn Feed>> + Send + Sync>;
