//! The messages that processes send each other beside rows.

use serde::{Deserialize, Serialize};

use crate::feed::position::Position;
use crate::time::Time;

/// The leader closes a tick. All other workers close theirs when they hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TickMessage {
    /// The tick that is closed: the window's edge stands there.
    pub(crate) now: Time,
    /// Whether it is closed for a cut.
    pub(crate) cut: bool,
    /// Whether this is the end of all workers; then no tick is closed.
    pub(crate) end: bool,
    /// Whether no tick is closed because the lease does not cover the next one yet. The leader is well.
    pub(crate) held: bool,
    /// A process whose sources are not live, if there is one.
    pub(crate) waits_for: Option<usize>,
    /// Whether the sources of all processes had caught up by then.
    pub(crate) caught_up: bool,
    /// The first tick whose time says something; 0 before.
    pub(crate) first: Time,
    /// By part, up to which time the sources of all processes are heard, if one is away (see [`crate::freshness`]).
    pub(crate) heard: [Option<Time>; 2],
}

/// A worker of another process tells the leader how its sources are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProgressMessage {
    pub(crate) worker: usize,
    /// Records that the worker's process has fed in the tick that the report is of.
    pub(crate) fed: usize,
    /// See [`crate::feed::FeedProgress::waiting`].
    pub(crate) waiting: usize,
    /// See [`crate::feed::FeedProgress::reached`].
    pub(crate) reached: Option<Time>,
    /// Whether the sources of the worker's process are live.
    pub(crate) live: bool,
    /// Whether those that give a part are heard, by part.
    pub(crate) heard: [bool; 2],
}

/// Where a worker's sources would go on after a tick.
pub(crate) type PositionsMessage = (usize, Vec<Position>);
