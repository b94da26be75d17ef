//! The published state of one worker.

use std::sync::Arc;

use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, Navigable};

use crate::feed::position::Position;
use crate::graph::{self, Index, Indexes};
use crate::time::Time;
use crate::trace::arranged::{Storable, ValBatch};

/// Batches of the published indexes.
pub struct IndexBatches;

impl graph::Family for IndexBatches {
    type Of<I: Index> = Vec<ValBatch<I::Key, I::Stored, I::Count>>;
}

/// The batches of all indexes of a worker at one moment.
pub struct Snapshot {
    /// The indexes.
    pub(crate) indexes: Indexes<IndexBatches>,
    /// Times before this one are complete.
    pub(crate) upper: Time,
    /// Times before this one can no longer be distinguished.
    pub(crate) since: Time,
    /// The end of the newest batch of the rule book that has updates; 0 if there never was a merchandising rule. It is
    /// equal in two states with the same rules.
    pub(crate) rules_version: Time,
    /// The positions from which this worker's sources continue, after all records fed before `upper`.
    pub(crate) positions: Arc<[Position]>,
}

impl Snapshot {
    /// The snapshot before the first tick has closed.
    pub(crate) fn empty() -> Self {
        Snapshot {
            indexes: Indexes::make(&mut NoBatches),
            upper: 0,
            since: 0,
            rules_version: 0,
            positions: Arc::new([]),
        }
    }
}

/// No batches of any index.
struct NoBatches;

impl graph::Make<IndexBatches> for NoBatches {
    fn make<I: Index>(&mut self) -> Vec<ValBatch<I::Key, I::Stored, I::Count>> {
        Vec::new()
    }
}

/// The keys of an index in ascending order, each once, whether or not they have rows.
pub(crate) fn keys<K, V, R>(batches: &[ValBatch<K, V, R>]) -> Vec<K>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    let mut keys = Vec::new();
    for batch in batches {
        let mut cursor = batch.cursor();
        while let Some(key) = cursor.get_key(batch) {
            keys.push(key.clone());
            cursor.step_key(batch);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The end of the newest batch of an index that has updates; 0 if there is none.
pub(crate) fn newest_end<K, V, R>(batches: &[ValBatch<K, V, R>]) -> Time
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    let batches = batches.iter().filter(|batch| !batch.is_empty());
    batches.map(|batch| batch.upper().as_option().copied().unwrap_or(Time::MAX)).max().unwrap_or_default()
}

/// The times after `since` at which an index changes, in order.
pub(crate) fn later_times<K, V, R>(batches: &[ValBatch<K, V, R>], since: Time) -> Vec<Time>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    let mut times = Vec::new();
    for batch in batches.iter().filter(|batch| batch.upper().as_option().is_none_or(|upper| *upper > since)) {
        let mut cursor = batch.cursor();
        while cursor.get_key(batch).is_some() {
            while cursor.get_val(batch).is_some() {
                cursor.map_times(batch, |at, _| {
                    if *at > since && times.last() != Some(at) {
                        times.push(*at);
                    }
                });
                cursor.step_val(batch);
            }
            cursor.step_key(batch);
        }
    }
    times.sort_unstable();
    times.dedup();
    times
}

/// The number of updates of an index, and the number of its batches.
pub(crate) fn size<B: BatchReader>(batches: &[B]) -> IndexSize {
    IndexSize { updates: batches.iter().map(BatchReader::len).sum(), batches: batches.len() }
}

/// The size of a published index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexSize {
    /// The number of updates; after merging, the number of rows.
    pub updates: usize,
    /// The number of batches.
    pub batches: usize,
}
