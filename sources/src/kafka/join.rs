//! Where the archive ends and the topic continues: the two must meet without a gap or an overlap.
//!
//! ```text
//! archive   start ──────────────── end
//! topic                     low ────│──────────── high
//! read      from ═══ archive ══════▶│═══ topic ══▶
//! ```

use std::ops::Range;

use super::assignments::PartitionId;
use super::fingerprint::Ends;
use super::past::{Past, PastError, PastOffsets};

/// The offset after which a partition was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The offset that comes next.
    pub(super) next: i64,
    /// Whether a record of the topic that was read before is still there. If not, it is read from the archive as far as the
    /// archive goes.
    pub(super) is_confirmed: bool,
}

/// From where a partition is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// The offsets to read from the archive first, if any.
    pub(super) archived: Option<Range<i64>>,
    /// Offsets among them that the archive lacks, and the topic as well.
    pub(super) lacking: Vec<Range<i64>>,
    /// The offset at which the topic follows.
    pub(super) in_topic: i64,
}

impl Joined {
    /// The topic alone, from this offset on.
    pub(super) fn topic(in_topic: i64) -> Joined {
        Joined { archived: None, lacking: vec![], in_topic }
    }

    /// The first offset that is read.
    pub(super) fn first(&self) -> i64 {
        self.archived.as_ref().map_or(self.in_topic, |archived| archived.start)
    }

    /// The offsets from `next` on that are passed over. Those after the archive's last are not among them: they are when reading
    /// has come there, as the archive may have grown by then.
    pub(super) fn lost_after(&self, next: i64) -> Vec<Range<i64>> {
        let before = Some(next..self.first()).filter(|before| !before.is_empty());
        before.into_iter().chain(self.lacking.iter().cloned()).collect()
    }

    /// Names the first offset of a partition that is read from its beginning, with an archive, if records before it are gone.
    /// Returns that offset.
    pub(super) fn warn_of_beginning(&self, id: &PartitionId) -> Option<i64> {
        let first = Some(self.first()).filter(|first| *first > 0)?;
        tracing::warn!("{id} begins at {first}: the records before are neither in the archive nor in the topic");
        Some(first)
    }
}

/// Why a partition cannot be read from the archive on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The archive cannot be read.
    #[error("{partition} begins in the archive, which cannot be read: {reason}")]
    Archive {
        /// The topic and the partition.
        partition: String,
        /// The reason of the archive.
        reason: String,
    },
    /// The archive is being listed: it is asked again.
    #[error("{partition} begins in the archive, which is being listed")]
    Listing {
        /// The topic and the partition.
        partition: String,
    },
    /// Records are gone: the topic has deleted them, and the archive does not have them.
    #[error(
        "the offsets {from} to {to} of {partition} are neither in the archive nor in the topic: bring the files of the \
         archive that have them, or set archive.gaps = \"skip\" to go on without them"
    )]
    Gap {
        /// The topic and the partition.
        partition: String,
        /// The first offset that is missing.
        from: i64,
        /// The last one.
        to: i64,
    },
    /// The topic is another one, or has lost its end.
    #[error(
        "{partition} ends at offset {high}, and the archive has it up to offset {archived}: the topic was made anew, or its \
         end was cut off. To read what it holds now, move the directory of the topic out of the archive"
    )]
    Longer {
        /// The topic and the partition.
        partition: String,
        /// The end of the topic.
        high: i64,
        /// The last offset of the archive.
        archived: i64,
    },
}

/// From where a partition with these ends is read. Without a position kept from before, it is read from the first record that
/// the archive or the topic has.
pub(super) fn join(
    past: Option<&dyn Past>,
    id: &PartitionId,
    kept: Option<Kept>,
    ends: Ends,
) -> Result<Joined, JoinError> {
    let (partition, Ends { low, high }) = (id.to_string(), ends);
    let confirmed = kept.filter(|kept| kept.is_confirmed).map(|kept| kept.next);
    let topic = Joined::topic(confirmed.unwrap_or(low).max(low));
    let Some(past) = past.filter(|_| confirmed.is_none_or(|next| next < low)) else { return Ok(topic) };
    let archived = past.offsets(id, low);
    let archived = archived.map_err(|error| match error {
        PastError::Listing => JoinError::Listing { partition: partition.clone() },
        PastError::Unreadable(reason) => JoinError::Archive { partition: partition.clone(), reason },
    })?;
    let Some(PastOffsets { range: archived, missing }) = archived else { return Ok(topic) };
    if archived.end > high {
        return Err(JoinError::Longer { partition, high, archived: archived.end - 1 });
    }
    if kept.is_none() && archived.start > low {
        // The topic has older records than the archive.
        return Ok(topic);
    }
    let first = kept.map_or(archived.start, |kept| kept.next);
    let (inside, beyond): (Vec<_>, Vec<_>) =
        missing.into_iter().filter(|gap| gap.end > first).partition(|gap| gap.end <= low);
    // What the archive lacks and the topic has is read from the topic, and so is all that follows.
    let end = beyond.first().map_or(archived.end, |gap| gap.start);
    let outside = [first..archived.start.min(low), end.max(first)..low];
    let lacking: Vec<_> = inside.into_iter().map(|gap| gap.start.max(first)..gap.end).collect();
    if let Some(gap) = lacking.iter().cloned().chain(outside).find(|gap| !gap.is_empty() && !past.allows_gaps()) {
        return Err(JoinError::Gap { partition, from: gap.start, to: gap.end - 1 });
    }
    if archived.start > first.max(low) {
        return Ok(topic);
    }
    let read = first.max(archived.start)..end;
    Ok(match read.is_empty() {
        true => Joined::topic(end.max(low)),
        false => Joined { in_topic: end.max(low), archived: Some(read), lacking },
    })
}

#[cfg(test)]
mod tests {
    use dataflow::feed::Waker;

    use super::super::past::PastRecords;
    use super::*;

    /// An archive that has these offsets of every partition.
    struct Having(Result<Option<PastOffsets>, PastError>, bool);

    impl Past for Having {
        fn offsets(&self, _: &PartitionId, _: i64) -> Result<Option<PastOffsets>, PastError> {
            self.0.clone()
        }

        fn allows_gaps(&self) -> bool {
            self.1
        }

        fn open(&self, _: &PartitionId, _: Range<i64>, _: &Waker) -> Box<dyn PastRecords> {
            unreachable!("only offsets are compared")
        }
    }

    fn id() -> PartitionId {
        PartitionId { topic: "views".into(), partition: 3 }
    }

    fn joined(range: Range<i64>, kept: Option<Kept>, (low, high): (i64, i64), gaps: bool) -> Result<Joined, JoinError> {
        let archived = PastOffsets { range, missing: vec![] };
        join(Some(&Having(Ok(Some(archived)), gaps)), &id(), kept, Ends { low, high })
    }

    fn both(archived: Range<i64>, in_topic: i64) -> Result<Joined, JoinError> {
        Ok(Joined { archived: Some(archived), lacking: vec![], in_topic })
    }

    fn gap(from: i64, to: i64) -> Result<Joined, JoinError> {
        Err(JoinError::Gap { partition: "views/3".into(), from, to })
    }

    fn topic(in_topic: i64) -> Result<Joined, JoinError> {
        Ok(Joined::topic(in_topic))
    }

    const fn kept(next: i64, is_confirmed: bool) -> Option<Kept> {
        Some(Kept { next, is_confirmed })
    }

    #[test]
    fn a_first_start_reads_the_archive_and_goes_on_where_it_ends() {
        assert_eq!(joined(0..50, None, (30, 90), false), both(0..50, 50));
        assert_eq!(joined(0..50, None, (50, 50), false), both(0..50, 50));
        assert_eq!(joined(7..50, None, (30, 90), false), both(7..50, 50));
        assert_eq!(joined(0..50, None, (0, 90), false), both(0..50, 50));
        assert_eq!(joined(40..50, None, (30, 90), false), topic(30), "the topic has older records");
    }

    #[test]
    fn offsets_that_are_nowhere_are_named_or_passed_over() {
        assert_eq!(joined(0..50, None, (60, 90), false), gap(50, 59));
        assert_eq!(joined(0..50, None, (60, 90), true), both(0..50, 60));
        assert_eq!(joined(20..50, kept(10, false), (30, 90), false), gap(10, 19));
        assert_eq!(joined(20..50, kept(10, false), (30, 90), true), both(20..50, 50));
        assert_eq!(joined(0..20, kept(25, true), (30, 90), false), gap(25, 29));
        assert_eq!(joined(0..20, kept(25, true), (30, 90), true), topic(30));
        assert_eq!(joined(40..50, kept(10, true), (30, 90), false), gap(10, 29));
    }

    #[test]
    fn what_the_archive_lacks_in_between_is_read_from_the_topic_or_named() {
        let lacking = |kept, low, gaps| {
            let archived = PastOffsets { range: 0..50, missing: vec![10..15, 30..35] };
            join(Some(&Having(Ok(Some(archived)), gaps)), &id(), kept, Ends { low, high: 90 })
        };
        assert_eq!(lacking(None, 5, false), both(0..10, 10));
        assert_eq!(lacking(None, 12, false), gap(10, 11));
        assert_eq!(lacking(None, 12, true), both(0..10, 12));
        assert_eq!(lacking(None, 20, false), gap(10, 14));
        let passed_over = Joined { archived: Some(0..30), lacking: std::iter::once(10..15).collect(), in_topic: 30 };
        assert_eq!(lacking(None, 20, true), Ok(passed_over));
        assert_eq!(lacking(kept(15, true), 20, false), both(15..30, 30));
        assert_eq!(lacking(kept(35, true), 40, false), both(35..50, 50));
        assert_eq!(lacking(kept(32, true), 40, false), gap(32, 34));
        assert_eq!(lacking(kept(32, true), 34, false), gap(32, 33));
    }

    #[test]
    fn the_offsets_that_are_passed_over_are_known_when_reading_comes_there() {
        let lost = |range, missing: Option<Range<i64>>, next, low| {
            let archived = PastOffsets { range, missing: missing.into_iter().collect() };
            let joined =
                join(Some(&Having(Ok(Some(archived)), true)), &id(), kept(next, true), Ends { low, high: 300 });
            let lost = joined.unwrap().lost_after(next);
            lost.into_iter().map(|lost| (lost.start, lost.end)).collect::<Vec<_>>()
        };
        assert_eq!(lost(0..150, None, 50, 190), vec![], "the archive may have them when it has been read");
        assert_eq!(lost(0..150, None, 150, 190), [(150, 190)]);
        assert_eq!(lost(60..250, Some(150..190), 50, 190), [(50, 60), (150, 190)]);
        assert_eq!(lost(0..250, Some(150..190), 170, 200), [(170, 190)]);
        assert_eq!(lost(0..250, None, 170, 200), vec![]);
    }

    #[test]
    fn an_archive_beyond_the_end_of_the_topic_is_of_another_topic() {
        let longer = Err(JoinError::Longer { partition: "views/3".into(), high: 40, archived: 49 });
        assert_eq!(joined(0..50, None, (30, 40), true), longer);
    }

    #[test]
    fn a_kept_position_goes_on_in_the_archive_if_the_topic_has_deleted_its_records() {
        assert_eq!(joined(0..50, kept(20, true), (30, 90), false), both(20..50, 50));
        assert_eq!(joined(0..50, kept(40, true), (30, 90), false), topic(40), "the topic has them");
        // Read from the archive before, as no record of the topic was.
        assert_eq!(joined(0..50, kept(40, false), (30, 90), false), both(40..50, 50));
        assert_eq!(
            joined(0..50, kept(60, false), (30, 90), false),
            topic(50),
            "no record confirms what is after the archive"
        );
        assert_eq!(joined(0..20, kept(60, false), (30, 90), false), topic(30));
        assert_eq!(joined(40..50, kept(35, false), (30, 90), false), topic(30));
    }

    #[test]
    fn without_an_archive_the_topic_is_read_from_its_first_record_or_the_position() {
        let (id, ends) = (id(), Ends { low: 30, high: 90 });
        for past in [None, Some(&Having(Ok(None), false) as &dyn Past)] {
            assert_eq!(join(past, &id, None, ends), topic(30));
            assert_eq!(join(past, &id, kept(40, true), ends), topic(40));
            assert_eq!(join(past, &id, kept(40, false), ends), topic(30));
            assert_eq!(join(past, &id, kept(20, true), ends), topic(30));
        }
        let listing = Having(Err(PastError::Listing), true);
        let waits = Err(JoinError::Listing { partition: "views/3".into() });
        assert_eq!(join(Some(&listing), &id, None, ends), waits);
        let unread = Having(Err(PastError::Unreadable("503".into())), true);
        let reason = join(Some(&unread), &id, None, ends).unwrap_err().to_string();
        assert!(reason.contains("views/3") && reason.ends_with("503"), "{reason}");
        assert_eq!(join(Some(&unread), &id, kept(40, true), ends), topic(40), "the archive is not needed");
    }
}
