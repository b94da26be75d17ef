//! Is this partition still the one we read? What the last record looked like, and what follows when it looks different.

use std::hash::Hasher;
use std::ops::Range;

use dataflow::feed::StreamFingerprint;
use rdkafka::Message;
use siphasher::sip::SipHasher13;

/// One record as it was read: enough to know it again.
///
/// Topic ids would tell a topic from a later one of the same name, but the binding does not show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Where it was.
    pub offset: i64,
    /// Of key, payload and timestamp; the same in every process and release, because it is kept.
    hash: u64,
}

impl From<Fingerprint> for StreamFingerprint {
    fn from(record: Fingerprint) -> StreamFingerprint {
        StreamFingerprint { at: record.offset, hash: record.hash }
    }
}

impl From<StreamFingerprint> for Fingerprint {
    fn from(fingerprint: StreamFingerprint) -> Fingerprint {
        Fingerprint { offset: fingerprint.at, hash: fingerprint.hash }
    }
}

impl Fingerprint {
    /// Of a record.
    pub fn of(message: &impl Message) -> Self {
        let mut hasher = SipHasher13::new();
        for part in [message.key(), message.payload()] {
            hasher.write(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
            hasher.write(part.unwrap_or_default());
        }
        hasher.write(&message.timestamp().to_millis().unwrap_or(-1).to_le_bytes());
        Fingerprint { offset: message.offset(), hash: hasher.finish() }
    }
}

/// What was found at the offset of a remembered record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reread {
    /// Nothing was remembered, or the broker did not answer in time.
    Unknown,
    /// The record, unchanged.
    Same,
    /// Another record, or none.
    Different,
}

impl Reread {
    /// Compares what was remembered with the first record at its offset or after; none: the partition has ended without.
    ///
    /// Where that comes after, or none does, another topic has a marker or an aborted record in its place: what was
    /// committed leaves a partition with all before it, or by compaction. Where that has taken the record the partition is
    /// read again without need, which is harmless.
    #[must_use]
    pub fn compare(remembered: &Fingerprint, found: Option<&Fingerprint>) -> Self {
        if found == Some(remembered) { Reread::Same } else { Reread::Different }
    }
}

/// A partition's ends upstream: its first offset, and the one after its last committed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The first offset.
    pub low: i64,
    /// The one after the last committed record.
    pub high: i64,
}

/// What is known about a partition when it is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// The offset that is read next, known before the ends were asked for.
    pub(super) next: i64,
    pub(super) ends: Ends,
    /// The first offset as it was seen before: in one topic it never goes back.
    pub(super) low_before: i64,
    pub(super) reread: Reread,
    /// Reading it has failed since it was last judged.
    pub(super) failed: bool,
    /// It was not there for a while.
    pub(super) returned: bool,
}

/// What is to be thought of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Reading goes on.
    Sound,
    /// It is sound, but reading must be started again where it was.
    Interrupted,
    /// The topic was deleted and made anew, or its end was cut off: it is read again from its first record.
    Replaced,
    /// Records were deleted before we read them.
    Expired {
        /// The offsets we shall never see.
        lost: Range<i64>,
    },
}

impl Sight {
    /// Reading on at the old offset in another topic's partition would skip records without any error, so wherever
    /// identity is in doubt the partition is read again: that is harmless, repeated records change nothing.
    pub(super) fn judge(&self) -> Finding {
        let Sight { next, ends, .. } = *self;
        if ends.high < next || ends.low < self.low_before || self.reread == Reread::Different {
            return Finding::Replaced;
        }
        if ends.low > next {
            return Finding::Expired { lost: next..ends.low };
        }
        match (self.returned, self.reread, self.failed) {
            (true, Reread::Same, _) | (false, _, true) => Finding::Interrupted,
            (true, ..) => Finding::Replaced,
            (false, _, false) => Finding::Sound,
        }
    }

    /// Where reading starts, given what was found.
    pub(super) fn start(&self, finding: &Finding) -> i64 {
        match finding {
            Finding::Sound | Finding::Interrupted => self.next,
            Finding::Replaced | Finding::Expired { .. } => self.ends.low,
        }
    }

    /// Where another process goes on. A proof vouches for what lies before it; behind it another topic may have been read
    /// that nobody had found out yet, or the end may have been cut off and written anew. So that part is read again, and
    /// everything where nothing is vouched for.
    pub(super) fn resume(&self, finding: &Finding, fingerprint: Option<Fingerprint>) -> i64 {
        let vouched_for = fingerprint.map_or(self.ends.low, |fingerprint| self.ends.low.max(fingerprint.offset + 1));
        self.start(finding).min(vouched_for)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::*;

    fn print(key: Option<&[u8]>, payload: &[u8], timestamp: i64, offset: i64) -> Fingerprint {
        let (key, payload) = (key.map(<[u8]>::to_vec), Some(payload.to_vec()));
        let timestamp = Timestamp::CreateTime(timestamp);
        Fingerprint::of(&OwnedMessage::new(payload, key, "views".into(), timestamp, 0, offset, None))
    }

    #[test]
    fn every_part_of_a_record_is_in_its_fingerprint() {
        let one = print(Some(b"a"), b"bc", 7, 5);
        assert_eq!(Reread::compare(&one, Some(&print(Some(b"a"), b"bc", 7, 5))), Reread::Same);
        for other in [
            print(Some(b"ab"), b"c", 7, 5),
            print(None, b"abc", 7, 5),
            print(Some(b"a"), b"bd", 7, 5),
            print(Some(b"a"), b"bc", 8, 5),
            // A marker stands where it was.
            print(Some(b"a"), b"bc", 7, 6),
        ] {
            assert_eq!(Reread::compare(&one, Some(&other)), Reread::Different);
        }
        assert_eq!(Reread::compare(&one, None), Reread::Different);
    }

    fn sight(next: i64, low: i64, high: i64) -> Sight {
        let ends = Ends { low, high };
        Sight { next, ends, low_before: 0, reread: Reread::Unknown, failed: false, returned: false }
    }

    fn judged(sight: Sight) -> (Finding, i64) {
        let finding = sight.judge();
        let start = sight.start(&finding);
        (finding, start)
    }

    #[test]
    fn within_its_ends_a_partition_is_sound() {
        for (next, low, high) in [(0, 0, 0), (5, 0, 5), (5, 5, 9), (7, 3, 9)] {
            assert_eq!(judged(sight(next, low, high)), (Finding::Sound, next));
        }
        assert_eq!(judged(Sight { reread: Reread::Same, ..sight(5, 0, 9) }), (Finding::Sound, 5));
    }

    #[test]
    fn a_position_beyond_the_end_means_another_topic() {
        assert_eq!(judged(sight(6, 0, 5)), (Finding::Replaced, 0));
        assert_eq!(judged(sight(6, 2, 2)), (Finding::Replaced, 2));
    }

    #[test]
    fn another_record_at_the_same_offset_means_another_topic() {
        assert_eq!(judged(Sight { reread: Reread::Different, ..sight(5, 1, 9) }), (Finding::Replaced, 1));
    }

    #[test]
    fn records_that_are_there_again_mean_another_topic() {
        let before = sight(5, 3, 9);
        assert_eq!(judged(Sight { low_before: 3, ..before }), (Finding::Sound, 5));
        assert_eq!(judged(Sight { low_before: 4, ..before }), (Finding::Replaced, 3));
    }

    #[test]
    fn expired_records_are_named() {
        assert_eq!(judged(sight(5, 8, 9)), (Finding::Expired { lost: 5..8 }, 8));
    }

    #[test]
    fn a_failure_within_the_ends_starts_again_where_it_was() {
        assert_eq!(judged(Sight { failed: true, ..sight(5, 0, 9) }), (Finding::Interrupted, 5));
        assert_eq!(judged(Sight { failed: true, ..sight(5, 8, 9) }), (Finding::Expired { lost: 5..8 }, 8));
    }

    #[test]
    fn what_nothing_vouches_for_is_read_again() {
        let fingerprint = |at| Some(print(None, b"a", 1, at));
        let resumed = |sight: Sight, fingerprint| sight.resume(&sight.judge(), fingerprint);
        let same = Sight { reread: Reread::Same, ..sight(7, 2, 9) };
        assert_eq!((resumed(same, fingerprint(6)), resumed(same, fingerprint(3)), resumed(same, None)), (7, 4, 2));
        let expired = Sight { reread: Reread::Unknown, ..sight(7, 5, 9) };
        assert_eq!(resumed(expired, fingerprint(3)), 5);
        assert_eq!(resumed(Sight { reread: Reread::Different, ..same }, fingerprint(3)), 2);
    }

    #[test]
    fn a_topic_that_comes_back_must_prove_itself() {
        let back = Sight { returned: true, ..sight(5, 0, 9) };
        assert_eq!(judged(Sight { reread: Reread::Same, ..back }), (Finding::Interrupted, 5));
        for reread in [Reread::Unknown, Reread::Different] {
            assert_eq!(judged(Sight { reread, ..back }), (Finding::Replaced, 0));
        }
    }
}
