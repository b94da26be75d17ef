//! The offsets that were read again, of partitions whose topic was made anew or whose end was cut off.

use std::collections::BTreeMap;
use std::ops::Range;

use super::named::named;
use crate::kafka::assignments::PartitionId;
use crate::kafka::fingerprint::Evidence;

/// For each partition the offsets that it had before and has again, since the start of the process.
#[derive(Default)]
pub(super) struct ReadAgain(BTreeMap<PartitionId, Range<i64>>);

impl ReadAgain {
    /// Notes a partition that is read again from its first record; returns the offsets, if there are any.
    pub(super) fn add(&mut self, id: &PartitionId, evidence: &Evidence) -> Option<Range<i64>> {
        let Evidence { next, ends, .. } = evidence;
        let again = ends.low..(*next).min(ends.high);
        if again.is_empty() {
            return None;
        }
        let known = self.0.entry(id.clone()).or_insert_with(|| again.clone());
        *known = known.start.min(again.start)..known.end.max(again.end);
        Some(again)
    }

    /// All partitions in one sentence, for the status; none without any.
    pub(super) fn in_words(&self) -> Option<String> {
        let ranges = named(&self.0, |id, again| format!("{id} from {} to {}", again.start, again.end - 1))?;
        Some(format!(
            "offsets that were read again since the start: {ranges}; if the topic was made anew, its records are new, and if \
             its end was cut off, they were read twice"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::fingerprint::{Ends, Reread};

    #[test]
    fn the_offsets_that_may_have_been_read_twice_are_named() {
        let evidence = |next, low, high| {
            let (reread, ends) = (Reread::Different, Ends { low, high });
            Evidence { next, ends, low_before: 0, reread, failed: false, returned: false }
        };
        let id = |partition| PartitionId { topic: "views".into(), partition };
        let mut again = ReadAgain::default();
        assert_eq!(again.add(&id(0), &evidence(50, 0, 0)), None, "it is empty");
        assert_eq!(again.in_words(), None);
        assert_eq!(again.add(&id(0), &evidence(50, 0, 20)), Some(0..20));
        assert_eq!(again.add(&id(0), &evidence(30, 5, 40)), Some(5..30));
        let words = again.in_words().unwrap();
        assert!(words.contains(": views/0 from 0 to 29; if the topic"), "{words}");
        for partition in 1..13 {
            assert_eq!(again.add(&id(partition), &evidence(3, 0, 9)), Some(0..3));
        }
        let words = again.in_words().unwrap();
        assert!(words.contains("views/9 from 0 to 2, and 3 more partitions"), "{words}");
    }
}
