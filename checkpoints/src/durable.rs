//! What a source may be told of a checkpoint, and not before it is there.
//!
//! Positions leave a series only as [`Pending`], when it has written its part, and become [`Durable`] only when all parts
//! are there. Nobody else can make either, so whoever takes a `Durable` is never told too early.

use dataflow::feed::Position;
use dataflow::time::Time;

/// What a checkpoint makes durable once all its parts are there.
#[derive(Debug)]
pub struct Pending {
    pub(crate) tick: Time,
    /// Whether there is no other part.
    pub(crate) is_whole: bool,
    pub(crate) positions: Vec<Position>,
}

/// Where all sources would go on from a checkpoint that is there: they may forget what lies before.
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

    /// Where a stream of one partition would go on.
    #[must_use]
    pub fn next(&self, stream: &str) -> Option<i64> {
        self.positions.iter().find(|position| &*position.stream == stream).map(|position| position.next)
    }
}
