//! The list of an archive that is read once, made again when a file of it is gone: `compact` has merged it with others.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use sources::kafka::upstream::PartitionId;

use super::segments;
use crate::chain::{Segment, Survey};
use crate::store::{Store, StoreError};

/// The list of an archive, shared by all that read its partitions.
pub(super) struct SharedList {
    store: Arc<dyn Store>,
    latest: Mutex<Listed>,
}

/// What one listing has found.
#[derive(Clone)]
pub(super) struct Listed {
    /// How many lists were made before it.
    number: u64,
    pub(super) survey: Arc<Survey>,
}

impl SharedList {
    /// Makes the first list.
    pub(super) fn open(store: Arc<dyn Store>) -> Result<SharedList, StoreError> {
        let survey = Arc::new(Survey::of(store.list("")?));
        Ok(SharedList { store, latest: Mutex::new(Listed { number: 0, survey }) })
    }

    pub(super) fn latest(&self) -> Listed {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A later list than `seen`. Whoever asks while another makes it waits for that list.
    fn after(&self, seen: &Listed) -> Result<Listed, StoreError> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.number <= seen.number {
            *latest = Listed { number: latest.number + 1, survey: Arc::new(Survey::of(self.store.list("")?)) };
        }
        Ok(latest.clone())
    }
}

/// The list by which one partition is read.
pub(super) struct ListOfPartition {
    id: PartitionId,
    shared: Arc<SharedList>,
    seen: Listed,
}

impl ListOfPartition {
    pub(super) fn new(id: PartitionId, shared: Arc<SharedList>) -> ListOfPartition {
        let seen = shared.latest();
        ListOfPartition { id, shared, seen }
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
        segments(&self.seen.survey, &self.id)
    }

    /// Makes the list again.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) fn renew(&mut self) -> Result<(), StoreError> {
        self.seen = self.shared.after(&self.seen)?;
        Ok(())
    }

    /// Makes the list again; whether this file still counts.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) fn still_has(&mut self, name: &str) -> Result<bool, StoreError> {
        self.renew()?;
        let chain = self.seen.survey.chains.get(&self.id);
        let mut files = chain.iter().flat_map(|chain| &chain.segments).flat_map(|segment| &segment.files);
        Ok(files.any(|file| file.name.to_string() == name))
    }
}

/// The first of these offsets that is in no segment of `now` and was in one `before`.
pub(super) fn first_gone(before: &[Segment], now: &[Segment], offsets: &Range<i64>) -> Option<i64> {
    let gaps_before = gaps(before, offsets);
    gaps(now, offsets).into_iter().find_map(|gap| {
        let known = gaps_before.iter().find(|known| known.contains(&gap.start));
        let first = known.map_or(gap.start, |known| known.end);
        (first < gap.end).then_some(first)
    })
}

/// The offsets that no segment has.
fn gaps(segments: &[Segment], offsets: &Range<i64>) -> Vec<Range<i64>> {
    let (mut gaps, mut next) = (Vec::new(), offsets.start);
    for segment in segments {
        let before = next..segment.first.min(offsets.end);
        gaps.extend(Some(before).filter(|gap| !gap.is_empty()));
        next = next.max(segment.last + 1);
    }
    gaps.extend(Some(next..offsets.end).filter(|gap| !gap.is_empty()));
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(ranges: &[(i64, i64)]) -> Vec<Segment> {
        ranges.iter().map(|(first, last)| Segment { first: *first, last: *last, files: vec![] }).collect()
    }

    #[test]
    fn offsets_that_were_there_and_are_not_any_more_are_found() {
        let before = segments(&[(0, 9), (10, 19), (30, 39)]);
        let gone = |ranges: &[(i64, i64)], offsets| first_gone(&before, &segments(ranges), &offsets);
        assert_eq!(gone(&[(0, 19), (30, 39)], 0..40), None, "merged");
        assert_eq!(gone(&[(0, 39)], 0..40), None, "the gap is filled");
        assert_eq!(gone(&[(10, 19), (30, 39)], 0..40), Some(0));
        assert_eq!(gone(&[(10, 19), (30, 39)], 10..40), None, "nothing of it is left to read");
        assert_eq!(gone(&[(0, 9), (30, 39)], 0..40), Some(10));
        assert_eq!(gone(&[(0, 19)], 0..40), Some(30));
        assert_eq!(gone(&[], 25..40), Some(30));
    }
}
