//! Is a partition still the same one? The fingerprint of a record that was read, and what follows from its rereading.

use std::hash::Hasher;
use std::ops::Range;

use dataflow::feed::StreamFingerprint;
use kafka_batch::Record;
use siphasher::sip::SipHasher13;

/// The fingerprint of a record: of its key, payload and timestamp. It is the same in every process and release, because it
/// is kept.
///
/// Topic ids would distinguish a topic from a later one of the same name, but the binding does not give them.
pub fn fingerprint(record: &Record<'_>) -> StreamFingerprint {
    let mut hasher = SipHasher13::new();
    for part in [record.key, record.payload] {
        hasher.write(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        hasher.write(part.unwrap_or_default());
    }
    hasher.write(&record.timestamp.to_millis().unwrap_or(-1).to_le_bytes());
    StreamFingerprint { at: record.offset, hash: hasher.finish() }
}

/// The result of reading a remembered record again.
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
    /// Compares a remembered record with the first record at its offset or after; none: the partition ends before one.
    ///
    /// If that record comes after the offset, or there is none, another topic has a marker or an aborted record in its
    /// place: committed records leave a partition with all records before them, or by compaction. If compaction has removed
    /// the remembered record, the partition is read again without need.
    #[must_use]
    pub fn compare(remembered: &StreamFingerprint, found: Option<&StreamFingerprint>) -> Self {
        if found == Some(remembered) { Reread::Same } else { Reread::Different }
    }
}

/// A partition's ends on the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The first offset.
    pub low: i64,
    /// The offset after the last committed record.
    pub high: i64,
}

/// What is known about a partition when it is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// The offset that is read next, known before the ends were asked for.
    pub(super) next: i64,
    pub(super) ends: Ends,
    /// The first offset at the look before: in one topic it never goes back.
    pub(super) low_before: i64,
    pub(super) reread: Reread,
    /// Reading has failed since the look before.
    pub(super) failed: bool,
    /// The partition was missing for a while.
    pub(super) returned: bool,
}

/// The state of a partition, judged from the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Reading continues.
    Sound,
    /// The partition is sound, but its reading must start again at the same position.
    Interrupted,
    /// The topic was deleted and recreated, or its end was cut off: it is read again from its first record.
    Replaced,
    /// Records were deleted before they were read.
    Expired {
        /// The offsets that will never be read.
        lost: Range<i64>,
    },
}

impl Evidence {
    /// Reading on at the old offset in another topic's partition would skip records without any error. So wherever the
    /// identity is in doubt the partition is read again: repeated views and events with an identity change nothing.
    pub(super) fn judge(&self) -> Judgement {
        let Evidence { next, ends, .. } = *self;
        if ends.high < next || ends.low < self.low_before || self.reread == Reread::Different {
            return Judgement::Replaced;
        }
        if ends.low > next {
            return Judgement::Expired { lost: next..ends.low };
        }
        match (self.returned, self.reread, self.failed) {
            (true, Reread::Same, _) | (false, _, true) => Judgement::Interrupted,
            (true, ..) => Judgement::Replaced,
            (false, _, false) => Judgement::Sound,
        }
    }

    /// The offset at which reading starts.
    pub(super) fn start(&self, judgement: &Judgement) -> i64 {
        match judgement {
            Judgement::Sound | Judgement::Interrupted => self.next,
            Judgement::Replaced | Judgement::Expired { .. } => self.ends.low,
        }
    }

    /// The offset at which another process resumes: the kept one, if the record is still there that was read last. Otherwise
    /// the records after the one that confirms the stream may be of another topic that was not noticed yet, or the end may have
    /// been cut off and written again. So that part is read again, and everything if no record confirms the stream.
    pub(super) fn resume(&self, judgement: &Judgement, fingerprint: Option<StreamFingerprint>, last: Reread) -> i64 {
        let start = self.start(judgement);
        if fingerprint.is_some() && last == Reread::Same {
            return start;
        }
        let confirmed = fingerprint.map_or(self.ends.low, |fingerprint| self.ends.low.max(fingerprint.at + 1));
        start.min(confirmed)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;

    use super::*;

    fn record(key: Option<&[u8]>, payload: &[u8], timestamp: i64, offset: i64) -> StreamFingerprint {
        let timestamp = Timestamp::CreateTime(timestamp);
        fingerprint(&Record { offset, timestamp, key, payload: Some(payload) })
    }

    #[test]
    fn every_part_of_a_record_is_in_its_fingerprint() {
        let one = record(Some(b"a"), b"bc", 7, 5);
        assert_eq!(Reread::compare(&one, Some(&record(Some(b"a"), b"bc", 7, 5))), Reread::Same);
        for other in [
            record(Some(b"ab"), b"c", 7, 5),
            record(None, b"abc", 7, 5),
            record(Some(b"a"), b"bd", 7, 5),
            record(Some(b"a"), b"bc", 8, 5),
            // A marker stands where it was.
            record(Some(b"a"), b"bc", 7, 6),
        ] {
            assert_eq!(Reread::compare(&one, Some(&other)), Reread::Different);
        }
        assert_eq!(Reread::compare(&one, None), Reread::Different);
    }

    fn evidence(next: i64, low: i64, high: i64) -> Evidence {
        let ends = Ends { low, high };
        Evidence { next, ends, low_before: 0, reread: Reread::Unknown, failed: false, returned: false }
    }

    fn judged(evidence: Evidence) -> (Judgement, i64) {
        let judgement = evidence.judge();
        let start = evidence.start(&judgement);
        (judgement, start)
    }

    #[test]
    fn within_its_ends_a_partition_is_sound() {
        for (next, low, high) in [(0, 0, 0), (5, 0, 5), (5, 5, 9), (7, 3, 9)] {
            assert_eq!(judged(evidence(next, low, high)), (Judgement::Sound, next));
        }
        assert_eq!(judged(Evidence { reread: Reread::Same, ..evidence(5, 0, 9) }), (Judgement::Sound, 5));
    }

    #[test]
    fn a_position_beyond_the_end_means_another_topic() {
        assert_eq!(judged(evidence(6, 0, 5)), (Judgement::Replaced, 0));
        assert_eq!(judged(evidence(6, 2, 2)), (Judgement::Replaced, 2));
    }

    #[test]
    fn another_record_at_the_same_offset_means_another_topic() {
        assert_eq!(judged(Evidence { reread: Reread::Different, ..evidence(5, 1, 9) }), (Judgement::Replaced, 1));
    }

    #[test]
    fn records_that_are_there_again_mean_another_topic() {
        let before = evidence(5, 3, 9);
        assert_eq!(judged(Evidence { low_before: 3, ..before }), (Judgement::Sound, 5));
        assert_eq!(judged(Evidence { low_before: 4, ..before }), (Judgement::Replaced, 3));
    }

    #[test]
    fn expired_records_are_named() {
        assert_eq!(judged(evidence(5, 8, 9)), (Judgement::Expired { lost: 5..8 }, 8));
    }

    #[test]
    fn a_failure_within_the_ends_starts_again_at_the_same_position() {
        assert_eq!(judged(Evidence { failed: true, ..evidence(5, 0, 9) }), (Judgement::Interrupted, 5));
        assert_eq!(judged(Evidence { failed: true, ..evidence(5, 8, 9) }), (Judgement::Expired { lost: 5..8 }, 8));
    }

    #[test]
    fn records_that_no_fingerprint_confirms_are_read_again() {
        let at = |at| Some(record(None, b"a", 1, at));
        let resumed =
            |evidence: Evidence, fingerprint| evidence.resume(&evidence.judge(), fingerprint, Reread::Unknown);
        let same = Evidence { reread: Reread::Same, ..evidence(7, 2, 9) };
        assert_eq!((resumed(same, at(6)), resumed(same, at(3)), resumed(same, None)), (7, 4, 2));
        let expired = Evidence { reread: Reread::Unknown, ..evidence(7, 5, 9) };
        assert_eq!(resumed(expired, at(3)), 5);
        assert_eq!(resumed(Evidence { reread: Reread::Different, ..same }, at(3)), 2);
    }

    #[test]
    fn nothing_is_read_again_if_the_record_that_was_read_last_is_still_there() {
        let confirmed = Some(record(None, b"a", 1, 3));
        let same = Evidence { reread: Reread::Same, ..evidence(7, 2, 9) };
        let resumed = |evidence: Evidence, confirmed, last| evidence.resume(&evidence.judge(), confirmed, last);
        for (last, next) in [(Reread::Same, 7), (Reread::Different, 4), (Reread::Unknown, 4)] {
            assert_eq!(resumed(same, confirmed, last), next);
        }
        // The record that confirms the stream was deleted, or is another one.
        assert_eq!(resumed(Evidence { reread: Reread::Unknown, ..evidence(7, 5, 9) }, confirmed, Reread::Same), 7);
        assert_eq!(resumed(Evidence { reread: Reread::Different, ..same }, confirmed, Reread::Same), 2);
        assert_eq!(resumed(same, None, Reread::Same), 2);
    }

    #[test]
    fn a_topic_that_comes_back_must_have_the_same_record() {
        let back = Evidence { returned: true, ..evidence(5, 0, 9) };
        assert_eq!(judged(Evidence { reread: Reread::Same, ..back }), (Judgement::Interrupted, 5));
        for reread in [Reread::Unknown, Reread::Different] {
            assert_eq!(judged(Evidence { reread, ..back }), (Judgement::Replaced, 0));
        }
    }
}
