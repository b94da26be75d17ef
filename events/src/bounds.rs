//! Which time of an event counts, and how far from the present it may be.

use dataflow::rules::AHEAD_MS;
use dataflow::time::Millis;

use crate::time::FIELD;
use crate::{EventKind, Malformed, RecordTime};

/// How far from the present an event's time may be. All in milliseconds.
///
/// The present of an event is the time of its record: the same record must be refused or accepted whenever it is read,
/// also by a second instance or after a restart. `now`, the reader's own present, is used instead if the record has no
/// time, or a time further ahead of the reader than the tolerance: then the clock that set it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBounds {
    /// The reader's present, since the epoch.
    pub now: Millis,
    /// How far after the present a time may be: the tolerated error of client clocks.
    pub future_max: Millis,
    /// How far before the present a time may be.
    pub past_max: Millis,
}

impl TimeBounds {
    /// Five minutes.
    pub const FUTURE_MAX_DEFAULT: Millis = AHEAD_MS;
    /// Ten years of 365.25 days.
    pub const PAST_MAX_DEFAULT: Millis = 3_652 * 86_400_000 + 43_200_000;

    /// The default bounds around a present, in milliseconds since the epoch.
    pub fn around(now: Millis) -> Self {
        TimeBounds { now, future_max: Self::FUTURE_MAX_DEFAULT, past_max: Self::PAST_MAX_DEFAULT }
    }

    /// The time that counts, from the one the event states and the one of its record.
    ///
    /// The stated time is checked before it is clamped: a time from the far future is an error and does not become the
    /// record's time. The time of a removal may be after the reader's present, too: it covers a view, and the wall clock, which
    /// dates records, may have been set back since that view.
    pub(crate) fn settle(
        &self,
        kind: EventKind,
        stated: Option<Millis>,
        record_time: Option<RecordTime>,
    ) -> Result<Millis, Malformed> {
        let recorded = record_time.map(RecordTime::at);
        let time = stated.or(recorded).ok_or(Malformed::MissingField(FIELD))?;
        let ahead_of = |present: Millis| present.saturating_add(self.future_max);
        let present = recorded.filter(|time| *time <= ahead_of(self.now)).unwrap_or(self.now);
        let (at, latest) = match record_time {
            Some(record_time) if !kind.keeps_its_time() => (time.min(record_time.latest()), ahead_of(present)),
            _ => (time, ahead_of(present.max(self.now))),
        };
        if time > latest || at < present.saturating_sub(self.past_max) {
            return Err(self.at_fault(stated, recorded));
        }
        Ok(at)
    }

    /// Decides which of the two times is reported as wrong. If an event of the reader's past is further after its
    /// record than any time may lie back, then its own clock works and the clock of its record does not.
    fn at_fault(&self, stated: Option<Millis>, recorded: Option<Millis>) -> Malformed {
        let plausible = stated.is_some_and(|stated| stated <= self.now.saturating_add(self.future_max));
        let far_behind = |recorded: Millis| stated > Some(recorded.saturating_add(self.past_max));
        match recorded {
            Some(_) if stated.is_none() => Malformed::RecordTimeOutOfBounds,
            Some(recorded) if plausible && far_behind(recorded) => Malformed::RecordTimeOutOfBounds,
            _ => Malformed::TimeOutOfBounds(FIELD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;
    const OUT_OF_BOUNDS: Malformed = Malformed::TimeOutOfBounds(FIELD);
    const RECORD: Malformed = Malformed::RecordTimeOutOfBounds;

    impl TimeBounds {
        fn settle_at(
            &self,
            kind: EventKind,
            stated: Option<Millis>,
            record: Option<Millis>,
        ) -> Result<Millis, Malformed> {
            self.settle(kind, stated, record.map(RecordTime::from))
        }
    }

    #[test]
    fn view_is_not_later_than_its_record_and_removal_may_be() {
        let bounds = TimeBounds::around(NOW);
        for kind in [EventKind::View, EventKind::Click, EventKind::AddToCart, EventKind::Purchase] {
            assert_eq!(bounds.settle_at(kind, Some(NOW + 9), Some(NOW + 4)), Ok(NOW + 4));
            assert_eq!(bounds.settle_at(kind, Some(NOW - 9), Some(NOW + 4)), Ok(NOW - 9));
            assert_eq!(bounds.settle_at(kind, Some(NOW + 9), None), Ok(NOW + 9));
        }
        assert_eq!(bounds.settle_at(EventKind::Removal, Some(NOW + 9), Some(NOW + 4)), Ok(NOW + 9));
    }

    #[test]
    fn missing_time_is_the_records() {
        let bounds = TimeBounds::around(NOW);
        for kind in [EventKind::View, EventKind::Removal] {
            assert_eq!(bounds.settle_at(kind, None, Some(NOW - 3)), Ok(NOW - 3));
            assert_eq!(bounds.settle_at(kind, None, None), Err(Malformed::MissingField(FIELD)));
        }
    }

    #[test]
    fn bounds_hold_to_the_millisecond() {
        let bounds = TimeBounds { now: NOW, future_max: 1000, past_max: 5000 };
        for kind in [EventKind::View, EventKind::Removal] {
            assert_eq!(bounds.settle_at(kind, Some(NOW + 1000), None), Ok(NOW + 1000));
            assert_eq!(bounds.settle_at(kind, Some(NOW + 1001), None), Err(OUT_OF_BOUNDS));
            assert_eq!(bounds.settle_at(kind, Some(NOW + 1001), Some(NOW)), Err(OUT_OF_BOUNDS));
            assert_eq!(bounds.settle_at(kind, Some(NOW - 5000), Some(NOW)), Ok(NOW - 5000));
            assert_eq!(bounds.settle_at(kind, Some(NOW - 5001), Some(NOW)), Err(OUT_OF_BOUNDS));
            assert_eq!(bounds.settle_at(kind, None, Some(NOW + 1001)), Err(RECORD));
        }
        assert_eq!(
            bounds.settle_at(EventKind::View, Some(NOW - 6000), Some(NOW - 999)),
            Err(OUT_OF_BOUNDS),
            "its record's past"
        );
        assert_eq!(
            bounds.settle_at(EventKind::View, Some(NOW), Some(NOW - 5001)),
            Err(RECORD),
            "its record is too old for it"
        );
        let unbounded = TimeBounds { now: 5, future_max: u64::MAX, past_max: u64::MAX };
        assert_eq!(unbounded.settle_at(EventKind::View, Some(u64::MAX), None), Ok(u64::MAX));
        assert_eq!(unbounded.settle_at(EventKind::View, Some(0), None), Ok(0));
    }

    #[test]
    fn a_record_is_judged_alike_whenever_it_is_read() {
        let (minute, hour) = (60_000, 3_600_000);
        let read =
            |kind, stated, record_time, later| TimeBounds::around(NOW + later).settle_at(kind, stated, record_time);
        for (stated, record_time, expected) in [
            // A phone that is an hour fast, one that is forgiven, one that was offline.
            (Some(NOW + hour), NOW, Err(OUT_OF_BOUNDS)),
            (Some(NOW + 4 * minute), NOW, Ok(NOW)),
            (Some(NOW - 9 * hour), NOW, Ok(NOW - 9 * hour)),
            // A producer whose clock is a little fast, and so is the phone.
            (Some(NOW + 8 * minute), NOW + 4 * minute, Ok(NOW + 4 * minute)),
            (Some(NOW + 10 * minute), NOW + 4 * minute, Err(OUT_OF_BOUNDS)),
            // Clocks of 1970, at the producer and at the phone.
            (Some(NOW), 9000, Err(RECORD)),
            (Some(0), NOW, Err(OUT_OF_BOUNDS)),
            (None, NOW, Ok(NOW)),
        ] {
            for later in [0, 2 * hour, 20 * TimeBounds::PAST_MAX_DEFAULT] {
                assert_eq!(
                    read(EventKind::View, stated, Some(record_time), later),
                    expected,
                    "{stated:?}, {record_time}"
                );
            }
        }
        // A removal by a service clock that is ahead of the wall clock, read by that same clock or later.
        for later in [hour, 2 * hour, 20 * TimeBounds::PAST_MAX_DEFAULT] {
            assert_eq!(read(EventKind::Removal, Some(NOW + hour), Some(NOW), later), Ok(NOW + hour));
        }
        // The reader's clock alone decides that an event is refused for its record's time and not for its stated time.
        assert_eq!(read(EventKind::View, None, Some(NOW + hour), 0), Err(RECORD));
        assert_eq!(read(EventKind::View, Some(NOW - hour), Some(NOW + hour), 0), Ok(NOW - hour));
    }

    #[test]
    fn a_record_dated_to_the_second_leaves_its_events_their_milliseconds() {
        let bounds = TimeBounds::around(NOW);
        let record = RecordTime::of((NOW / 1000 - 1).cast_signed());
        let second = NOW - 1000;
        for (stated, at) in
            [(second - 1, second - 1), (second, second), (second + 999, second + 999), (NOW, second + 999)]
        {
            assert_eq!(bounds.settle(EventKind::View, Some(stated), record), Ok(at));
        }
        assert_eq!(bounds.settle(EventKind::View, None, record), Ok(second));
        assert_eq!(bounds.settle(EventKind::Removal, Some(NOW + 5), record), Ok(NOW + 5));
    }

    #[test]
    fn default_bounds_are_five_minutes_and_ten_years() {
        let bounds = TimeBounds::around(NOW);
        assert_eq!((bounds.now, bounds.future_max, bounds.past_max), (NOW, 300_000, 315_576_000_000));
    }
}
