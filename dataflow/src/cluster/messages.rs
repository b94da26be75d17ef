//! The control messages that processes send each other beside rows.

use serde::{Deserialize, Serialize};

use crate::feed::position::Position;
use crate::time::Time;

/// The leader closes a tick. All other workers close theirs when they receive this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TickMessage {
    /// The tick that is closed: it is the window's edge.
    pub(crate) now: Time,
    /// Whether the tick is closed for a cut.
    pub(crate) cut: bool,
    /// Whether all workers end; then no tick is closed.
    pub(crate) end: bool,
    /// Whether no tick is closed because the lease does not cover the next tick yet. The leader is well.
    pub(crate) held: bool,
    /// A process whose sources are not live, if there is one.
    pub(crate) waits_for: Option<usize>,
    /// Whether the sources of all processes had caught up when the tick closed.
    pub(crate) caught_up: bool,
    /// The first tick with a known time; 0 before that tick.
    pub(crate) first: Time,
    /// By kind of input, up to which time the sources of all processes are heard, if one is away (see
    /// [`crate::freshness`]).
    pub(crate) heard: [Option<Time>; 2],
}

/// A worker of another process reports the progress of its sources to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProgressMessage {
    pub(crate) worker: usize,
    /// Records that the worker's process has fed in the tick of the report.
    pub(crate) fed: usize,
    /// See [`crate::feed::FeedProgress::waiting`].
    pub(crate) waiting: usize,
    /// See [`crate::feed::FeedProgress::reached`].
    pub(crate) reached: Option<Time>,
    /// Whether the sources of the worker's process are live.
    pub(crate) live: bool,
    /// By kind of input, whether the sources that provide it are heard.
    pub(crate) heard: [bool; 2],
}

/// The positions from which a worker's sources continue after a tick.
pub(crate) type PositionsMessage = (usize, Vec<Position>);
