//! The offsets that were deleted before they were read, and that no archive has.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::named::named;
use crate::kafka::assignments::PartitionId;

/// The most ranges of a partition that are remembered.
const RANGES_MAX: usize = 16;

/// The lost offsets of each such partition since the start of the process.
#[derive(Default)]
pub(super) struct Losses(BTreeMap<PartitionId, Lost>);

/// What a partition has lost.
#[derive(Default)]
struct Lost {
    /// The ranges that were lost last.
    last: VecDeque<Range<i64>>,
    /// All offsets.
    count: u64,
}

impl Lost {
    fn in_words(id: &PartitionId, Lost { last, count }: &Lost) -> String {
        // `add` makes a partition's entry with its first range.
        let newest = last.front().cloned().unwrap_or_default();
        let before = count - (newest.end - newest.start).unsigned_abs();
        let before = if before > 0 { format!(" and {before} before that") } else { String::new() };
        format!("{id} from {} to {}{before}", newest.start, newest.end - 1)
    }
}

impl Losses {
    /// Notes that these offsets are lost; returns whether that was not known.
    pub(super) fn add(&mut self, id: &PartitionId, lost: Range<i64>) -> bool {
        let Lost { last, count } = self.0.entry(id.clone()).or_default();
        if last.iter().any(|known| known.start <= lost.start && lost.end <= known.end) {
            return false;
        }
        *count += (lost.end - lost.start).unsigned_abs();
        last.push_front(lost);
        last.truncate(RANGES_MAX);
        true
    }

    /// All partitions in one sentence, for the status; none without any.
    pub(super) fn in_words(&self) -> Option<String> {
        let ranges = named(&self.0, Lost::in_words)?;
        Some(format!("offsets that were deleted before they were read: {ranges}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_that_were_lost_are_named() {
        let id = |partition| PartitionId { topic: "views".into(), partition };
        let mut losses = Losses::default();
        assert_eq!(losses.in_words(), None);
        assert!(losses.add(&id(0), 150..190));
        assert!(!losses.add(&id(0), 160..190), "reading the archive had failed, and began again");
        let expected = "offsets that were deleted before they were read: views/0 from 150 to 189";
        assert_eq!(losses.in_words().as_deref(), Some(expected));
        assert!(losses.add(&id(0), 200..205));
        assert_eq!(losses.in_words().unwrap(), expected.replace("150 to 189", "200 to 204 and 40 before that"));
        assert!((1..13).all(|partition| losses.add(&id(partition), 3..4)));
        let words = losses.in_words().unwrap();
        assert!(words.ends_with("views/9 from 3 to 3, and 3 more partitions"), "{words}");
    }
}
