//! Fingerprints of the tables' definitions at their last reading, as a checkpoint keeps them. A later process detects by them
//! that a statement has changed values without a row in the log.
//!
//! Each table's fingerprint is a position of a stream of its own, `postgres-tables`, with the table as its partition. Its
//! `next` means nothing.

use dataflow::feed::{Position, StreamFingerprint};

use crate::postgres::names::SourceTable;

/// The stream whose positions hold the fingerprints.
const STREAM: &str = "postgres-tables";

/// A fingerprint for each table, in the order of `SourceTable`; none of a table whose log is not followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Definitions(pub(crate) [Option<u64>; 3]);

impl Definitions {
    /// The fingerprints among the positions of a checkpoint, which `find` looks up by stream and partition.
    pub fn restored<'a>(find: impl Fn(&str, i32) -> Option<&'a Position>) -> Definitions {
        Definitions(SourceTable::ALL.map(|which| Some(find(STREAM, which as i32)?.fingerprint?.hash)))
    }

    /// Adds the positions that hold the fingerprints.
    pub(crate) fn positions(&self, out: &mut Vec<Position>) {
        for which in SourceTable::ALL {
            if let Some(hash) = self.0[which as usize] {
                let (stream, partition) = (STREAM.into(), which as i32);
                out.push(Position { stream, partition, next: 0, fingerprint: Some(StreamFingerprint { at: 0, hash }) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_hold_the_fingerprints() {
        let definitions = Definitions([Some(7), None, Some(u64::MAX)]);
        let mut positions = Vec::new();
        definitions.positions(&mut positions);
        let find = |stream: &str, partition| {
            positions.iter().find(|position| &*position.stream == stream && position.partition == partition)
        };
        assert_eq!((positions.len(), Definitions::restored(find)), (2, definitions));
    }
}
