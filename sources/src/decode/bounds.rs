//! Which time of an event counts, and how far from the present it may be.

use dataflow::rules::AHEAD_MS;
use dataflow::time::Millis;

use super::time::FIELD;
use super::{Kind, Malformed};

/// How far from the present an event's time may be. All in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBounds {
    /// The present, since the epoch.
    pub now: Millis,
    /// How far after `now` a time may be: the client clocks' error that is forgiven.
    pub future_max: Millis,
    /// How far before `now` a time may be.
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
    /// The stated time is judged before it is clamped: a time from the far future is wrong, and not the record's.
    pub(super) fn settle(
        &self,
        kind: Kind,
        stated: Option<Millis>,
        record_time: Option<Millis>,
    ) -> Result<Millis, Malformed> {
        let time = stated.or(record_time).ok_or(Malformed::MissingField { field: FIELD })?;
        let at = match record_time {
            Some(record_time) if kind != Kind::Removal => time.min(record_time),
            _ => time,
        };
        if time > self.now.saturating_add(self.future_max) || at < self.now.saturating_sub(self.past_max) {
            return Err(Malformed::TimeOutOfBounds { field: FIELD });
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;
    const OUT_OF_BOUNDS: Malformed = Malformed::TimeOutOfBounds { field: FIELD };

    #[test]
    fn view_is_not_later_than_its_record_and_removal_may_be() {
        let bounds = TimeBounds::around(NOW);
        for kind in [Kind::View, Kind::Click, Kind::AddToCart, Kind::Purchase] {
            assert_eq!(bounds.settle(kind, Some(NOW + 9), Some(NOW + 4)), Ok(NOW + 4));
            assert_eq!(bounds.settle(kind, Some(NOW - 9), Some(NOW + 4)), Ok(NOW - 9));
            assert_eq!(bounds.settle(kind, Some(NOW + 9), None), Ok(NOW + 9));
        }
        assert_eq!(bounds.settle(Kind::Removal, Some(NOW + 9), Some(NOW + 4)), Ok(NOW + 9));
    }

    #[test]
    fn missing_time_is_the_records() {
        let bounds = TimeBounds::around(NOW);
        for kind in [Kind::View, Kind::Removal] {
            assert_eq!(bounds.settle(kind, None, Some(NOW - 3)), Ok(NOW - 3));
            assert_eq!(bounds.settle(kind, None, None), Err(Malformed::MissingField { field: FIELD }));
        }
    }

    #[test]
    fn bounds_hold_to_the_millisecond() {
        let bounds = TimeBounds { now: NOW, future_max: 1000, past_max: 5000 };
        for kind in [Kind::View, Kind::Removal] {
            assert_eq!(bounds.settle(kind, Some(NOW + 1000), None), Ok(NOW + 1000));
            assert_eq!(bounds.settle(kind, Some(NOW + 1001), None), Err(OUT_OF_BOUNDS));
            assert_eq!(bounds.settle(kind, Some(NOW + 1001), Some(NOW)), Err(OUT_OF_BOUNDS));
            assert_eq!(bounds.settle(kind, Some(NOW - 5000), Some(NOW)), Ok(NOW - 5000));
            assert_eq!(bounds.settle(kind, Some(NOW - 5001), Some(NOW)), Err(OUT_OF_BOUNDS));
            assert_eq!(bounds.settle(kind, None, Some(NOW - 5001)), Err(OUT_OF_BOUNDS));
            assert_eq!(bounds.settle(kind, None, Some(NOW + 1001)), Err(OUT_OF_BOUNDS));
        }
        assert_eq!(bounds.settle(Kind::View, Some(NOW), Some(NOW - 5001)), Err(OUT_OF_BOUNDS));
        let unbounded = TimeBounds { now: 5, future_max: u64::MAX, past_max: u64::MAX };
        assert_eq!(unbounded.settle(Kind::View, Some(u64::MAX), None), Ok(u64::MAX));
        assert_eq!(unbounded.settle(Kind::View, Some(0), None), Ok(0));
    }

    #[test]
    fn default_bounds_are_five_minutes_and_ten_years() {
        let bounds = TimeBounds::around(NOW);
        assert_eq!((bounds.now, bounds.future_max, bounds.past_max), (NOW, 300_000, 315_576_000_000));
    }
}
