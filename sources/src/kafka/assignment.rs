//! Which worker reads which partition, and what changes when the topics do.

use std::collections::{BTreeMap, BTreeSet};

use super::assignments::PartitionId;

/// The worker that reads a partition: the same one for the same partition of every topic, in every process.
pub(super) fn owner(partition: i32, peers: usize) -> usize {
    usize::try_from(partition).expect("Kafka numbers partitions from 0") % peers
}

/// What differs between the partitions that are read and those that are there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes {
    /// There, and never read before.
    pub(super) new: Vec<PartitionId>,
    /// There again after an absence.
    pub(super) returned: Vec<PartitionId>,
    /// Read, and not there any more.
    pub(super) gone: Vec<PartitionId>,
}

/// Compares what is `present` with what is `known`: whether each partition that was ever read is absent at the moment.
pub(super) fn changes(known: &BTreeMap<PartitionId, bool>, present: &BTreeSet<PartitionId>) -> Changes {
    let gone = known.iter().filter(|(id, absent)| !**absent && !present.contains(id)).map(|(id, _)| id.clone());
    let (mut new, mut returned) = (Vec::new(), Vec::new());
    for id in present {
        match known.get(id) {
            None => new.push(id.clone()),
            Some(true) => returned.push(id.clone()),
            Some(false) => {}
        }
    }
    Changes { new, returned, gone: gone.collect() }
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
        assert_eq!(owner(1, 4), 1, "workers without a partition are no trouble");
    }

    #[test]
    fn changes_are_told_apart() {
        let known = BTreeMap::from([(id("a", 0), false), (id("a", 1), false), (id("b", 0), true), (id("c", 0), true)]);
        let present = BTreeSet::from([id("a", 0), id("a", 2), id("b", 0)]);
        let expected = Changes { new: vec![id("a", 2)], returned: vec![id("b", 0)], gone: vec![id("a", 1)] };
        assert_eq!(changes(&known, &present), expected);
    }
}
