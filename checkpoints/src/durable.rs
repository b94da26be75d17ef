//! The positions that a source may be told, and only after the checkpoint is durable.
//!
//! Positions leave a series only as [`Pending`], when it has written its part, and become [`Durable`] only when all
//! parts are present. No other module can create either, so a function that takes a `Durable` is never called too
//! early.

use dataflow::feed::Position;
use dataflow::time::Time;

/// The positions that become durable once all parts of a checkpoint are present.
#[derive(Debug)]
pub struct Pending {
    pub(crate) tick: Time,
    /// Whether the checkpoint has no other part.
    pub(crate) is_whole: bool,
    pub(crate) positions: Vec<Position>,
}

/// The positions from which all sources would continue after a complete checkpoint: sources may discard all records
/// before.
#[derive(Debug)]
pub struct Durable {
    positions: Vec<Position>,
}

impl Pending {
    pub(crate) fn all_there(self) -> Durable {
        Durable { positions: self.positions }
    }
}

impl Durable {
    /// The position of every partition of every stream.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// The position from which a stream of one partition would continue.
    #[must_use]
    pub fn next(&self, stream: &str) -> Option<i64> {
        self.positions.iter().find(|position| &*position.stream == stream).map(|position| position.next)
    }
}
