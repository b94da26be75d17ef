//! Fingerprints of the tables' definitions at their last reading, as a checkpoint keeps them. A later process detects by them
//! that a statement has changed values without a row in the log, and that it has to read orders that the earlier one did not keep.
//!
//! Each table's fingerprint is a position of a stream of its own, `postgres-tables`, with the table as its partition. How long
//! orders are kept is the position of one more partition. Its `next` means nothing.

use dataflow::feed::{Position, StreamFingerprint};

use dataflow::time::Millis;

use crate::postgres::names::SourceTable;

/// The stream whose positions hold the fingerprints.
const STREAM: &str = "postgres-tables";

/// The partition after those of the tables.
const KEPT: i32 = SourceTable::ALL.len() as i32;

/// What is known of the tables at their last reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// A fingerprint for each table, in the order of `SourceTable`; none of a table whose log is not followed.
    pub(crate) tables: [Option<u64>; 3],
    /// The rows have all orders of this time back from the present; none if no log is followed.
    pub(crate) kept_ms: Option<Millis>,
}

impl Definitions {
    /// What the positions of a checkpoint say, which `find` looks up by stream and partition.
    pub fn restored<'a>(find: impl Fn(&str, i32) -> Option<&'a Position>) -> Definitions {
        let hash = |partition| Some(find(STREAM, partition)?.fingerprint?.hash);
        Definitions { tables: SourceTable::ALL.map(|which| hash(which as i32)), kept_ms: hash(KEPT) }
    }

    /// The same, for a process that keeps orders for `kept_ms`: it removes those that are older.
    #[must_use]
    pub(crate) fn keeping(self, kept_ms: Millis) -> Definitions {
        Definitions { kept_ms: self.kept_ms.map(|before| before.min(kept_ms)), ..self }
    }

    /// Adds the positions that hold it.
    pub(crate) fn positions(&self, out: &mut Vec<Position>) {
        let tables = SourceTable::ALL.map(|which| (which as i32, self.tables[which as usize]));
        for (partition, hash) in tables.into_iter().chain([(KEPT, self.kept_ms)]) {
            if let Some(hash) = hash {
                let fingerprint = Some(StreamFingerprint { at: 0, hash });
                out.push(Position { fingerprint, ..Position::new(STREAM, partition, 0) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_hold_the_fingerprints() {
        let definitions = Definitions { tables: [Some(7), None, Some(u64::MAX)], kept_ms: Some(Millis::MAX) };
        let mut positions = Vec::new();
        definitions.positions(&mut positions);
        let find = |stream: &str, partition| {
            positions.iter().find(|position| &*position.stream == stream && position.partition == partition)
        };
        assert_eq!((positions.len(), Definitions::restored(find)), (3, definitions));
        let kept = |kept_ms| definitions.keeping(5).keeping(kept_ms).kept_ms;
        assert_eq!((kept(3), kept(9), Definitions::default().keeping(5).kept_ms), (Some(3), Some(5), None));
    }
}
