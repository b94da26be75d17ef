//! Partitions whose first records are neither in the archive nor in the topic.

use std::collections::BTreeMap;

use super::named::named;
use crate::kafka::assignments::PartitionId;

/// For each such partition the offset at which it begins, since the start of the process.
#[derive(Default)]
pub(super) struct Beginnings(BTreeMap<PartitionId, i64>);

impl Beginnings {
    /// Notes that a partition begins at this offset.
    pub(super) fn add(&mut self, id: &PartitionId, first: i64) {
        self.0.insert(id.clone(), first);
    }

    /// All partitions in one sentence, for the status; none without any.
    pub(super) fn in_words(&self) -> Option<String> {
        let named = named(&self.0, |id, first| format!("{id} begins at {first}"))?;
        Some(format!("{named}: the records before are neither in the archive nor in the topic"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_that_begin_late_are_named() {
        let id = |partition| PartitionId { topic: "views".into(), partition };
        let mut beginnings = Beginnings::default();
        assert_eq!(beginnings.in_words(), None);
        beginnings.add(&id(1), 30);
        let expected = "views/1 begins at 30: the records before are neither in the archive nor in the topic";
        assert_eq!(beginnings.in_words().as_deref(), Some(expected));
        (2..13).for_each(|partition| beginnings.add(&id(partition), 7));
        let words = beginnings.in_words().unwrap();
        assert!(words.contains("views/10 begins at 7, and 2 more partitions: "), "{words}");
    }
}
