//! The published state of one worker, and reading the rows of a key from it as of a time.

use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, Navigable};

use crate::feed::position::Position;
use crate::graph::{self, Index, Indexes};
use crate::time::{Diff, Time};
use crate::trace::arranged::ValBatch;

/// Batches of the published indexes.
pub(crate) struct IndexBatches;

impl graph::Family for IndexBatches {
    type Of<I: Index> = Vec<ValBatch<I::Key, I::Row, Diff>>;
}

/// The batches of all indexes of a worker at one moment.
pub struct Snapshot {
    /// The indexes.
    pub(crate) indexes: Indexes<IndexBatches>,
    /// Times before this one are complete.
    pub(crate) upper: Time,
    /// Times before this one can no longer be distinguished.
    pub(crate) since: Time,
    /// The positions from which this worker's sources continue, after all records fed before `upper`.
    pub(crate) positions: Arc<[Position]>,
}

impl Snapshot {
    /// The snapshot before the first tick has closed.
    pub(crate) fn empty() -> Self {
        Snapshot { indexes: Indexes::make(&mut NoBatches), upper: 0, since: 0, positions: Arc::new([]) }
    }
}

/// No batches of any index.
struct NoBatches;

impl graph::Make<IndexBatches> for NoBatches {
    fn make<I: Index>(&mut self) -> Vec<ValBatch<I::Key, I::Row, Diff>> {
        Vec::new()
    }
}

/// Reads the values of `key` that are present as of `time` into `rows` (cleared first), ordered by value.
///
/// Uses one cursor for each batch, and allocates nothing beyond `rows`.
pub(crate) fn values<K, V>(batches: &[ValBatch<K, V, Diff>], key: &K, time: Time, rows: &mut Vec<(V, Diff)>)
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
{
    rows.clear();
    let mut holders = 0;
    for batch in batches {
        let mut cursor = batch.cursor();
        cursor.seek_key(batch, key);
        if cursor.get_key(batch) != Some(key) {
            continue;
        }
        holders += 1;
        while let Some(value) = cursor.get_val(batch) {
            let mut copies: Diff = 0;
            cursor.map_times(batch, |at, diff| copies += if *at <= time { *diff } else { 0 });
            if copies != 0 {
                rows.push((value.clone(), copies));
            }
            cursor.step_val(batch);
        }
    }
    if holders > 1 {
        consolidate(rows);
    }
    rows.retain(|(_, copies)| *copies > 0);
}

/// All rows of an index as of `time` with their keys, in ascending order.
pub(crate) fn all_rows<K, V>(batches: &[ValBatch<K, V, Diff>], time: Time) -> Vec<(K, V)>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
{
    let mut rows: Vec<((K, V), Diff)> = Vec::new();
    for batch in batches {
        let mut cursor = batch.cursor();
        while let Some(key) = cursor.get_key(batch) {
            while let Some(value) = cursor.get_val(batch) {
                let mut copies: Diff = 0;
                cursor.map_times(batch, |at, diff| copies += if *at <= time { *diff } else { 0 });
                rows.push(((key.clone(), value.clone()), copies));
                cursor.step_val(batch);
            }
            cursor.step_key(batch);
        }
    }
    consolidate(&mut rows);
    rows.into_iter().filter(|(_, copies)| *copies > 0).map(|(row, _)| row).collect()
}

/// The keys of an index in ascending order, each once, whether or not they have rows.
pub(crate) fn keys<K: Ord + Clone + 'static, V: Ord + Clone + 'static>(batches: &[ValBatch<K, V, Diff>]) -> Vec<K> {
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
