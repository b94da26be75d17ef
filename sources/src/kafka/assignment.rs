//! Which worker reads which partition, and what changes when the topics do.

use std::collections::{BTreeMap, BTreeSet};

use super::assignments::PartitionId;

/// The worker that reads a partition: the same one for the same partition of every topic, in every process.
pub(super) fn owner(partition: i32, peers: usize) -> usize {
    usize::try_from(partition).expect("Kafka numbers partitions from 0") % peers
}

/// The differences between the partitions that are read and those that are present.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartitionChanges {
    /// Present, and never read before.
    pub(super) new: Vec<PartitionId>,
    /// Present again after an absence.
    pub(super) returned: Vec<PartitionId>,
    /// Read, and absent now.
    pub(super) gone: Vec<PartitionId>,
}

/// Compares the partitions that are `present` with the `known` ones, which were ever read; the value says whether each is
/// absent at the moment.
pub(super) fn changes(known: &BTreeMap<PartitionId, bool>, present: &BTreeSet<PartitionId>) -> PartitionChanges {
    let gone = known.iter().filter(|(id, absent)| !**absent && !present.contains(id)).map(|(id, _)| id.clone());
    let (mut new, mut returned) = (Vec::new(), Vec::new());
    for id in present {
        match known.get(id) {
            None => new.push(id.clone()),
            Some(true) => returned.push(id.clone()),
            Some(false) => {}
        }
    }
    PartitionChanges { new, returned, gone: gone.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(topic: &str, partition: i32) -> PartitionId {
        PartitionId { topic: topic.into(), partition }
    }

    #[test]
    fn partitions_are_dealt_out_in_turn() {
        let dealt: Vec<usize> = (0..5).map(|partition| owner(partition, 2)).collect();
        assert_eq!(dealt, [0, 1, 0, 1, 0]);
        assert_eq!(owner(1, 4), 1, "workers may be without a partition");
    }

    #[test]
    fn new_returned_and_gone_partitions_differ() {
        let known = BTreeMap::from([(id("a", 0), false), (id("a", 1), false), (id("b", 0), true), (id("c", 0), true)]);
        let present = BTreeSet::from([id("a", 0), id("a", 2), id("b", 0)]);
        let expected = PartitionChanges { new: vec![id("a", 2)], returned: vec![id("b", 0)], gone: vec![id("a", 1)] };
        assert_eq!(changes(&known, &present), expected);
    }
}
