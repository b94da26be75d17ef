//! Partitions in a sentence of the status.

use std::collections::BTreeMap;

use crate::kafka::assignments::PartitionId;

/// The most partitions that are named.
const NAMED_MAX: usize = 10;

/// The first ten partitions in these words, and the number of the others; none without any.
pub(super) fn named<T>(partitions: &BTreeMap<PartitionId, T>, words: fn(&PartitionId, &T) -> String) -> Option<String> {
    let mut named: Vec<String> = partitions.iter().take(NAMED_MAX).map(|(id, of)| words(id, of)).collect();
    let others = partitions.len().saturating_sub(NAMED_MAX);
    if others > 0 {
        named.push(format!("and {others} more partitions"));
    }
    (!named.is_empty()).then(|| named.join(", "))
}
