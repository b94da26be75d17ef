//! When a record was appended to its stream, in whatever unit its producer or broker wrote it.

use dataflow::time::Millis;

/// Below this a time is in seconds: read as milliseconds it would lie before March 1973.
const LEAST_MILLIS: u64 = 100_000_000_000;

/// From here on a time is in microseconds, of September 2001 or later: as milliseconds it would be the year 33658. Dates of
/// the year 9999, which stand for "never", are milliseconds still.
const LEAST_MICROS: u64 = 1_000_000_000_000_000;

/// From here on a time is in nanoseconds, of September 2001 or later.
const LEAST_NANOS: u64 = 1_000_000_000_000_000_000;

/// The time of a record, as exact as its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTime {
    at: Millis,
    latest: Millis,
}

impl RecordTime {
    /// From a number that should be milliseconds since the epoch. Some connectors write seconds, microseconds or nanoseconds
    /// in their place: the size shows the unit. Zero and negative numbers stand for no time.
    #[must_use]
    pub fn of(number: i64) -> Option<RecordTime> {
        let number = u64::try_from(number).ok().filter(|number| *number > 0)?;
        Some(match number {
            ..LEAST_MILLIS => RecordTime { at: number * 1000, latest: number * 1000 + 999 },
            LEAST_MILLIS..LEAST_MICROS => RecordTime::from(number),
            LEAST_MICROS..LEAST_NANOS => RecordTime::from(number / 1000),
            _ => RecordTime::from(number / 1_000_000),
        })
    }

    /// The earliest time it can stand for, in milliseconds since the epoch.
    #[must_use]
    pub fn at(self) -> Millis {
        self.at
    }

    /// The latest time it can stand for: with seconds, the end of the second. The time that its event states is not
    /// reduced to the beginning of the second, so that two views of one second keep their order.
    #[must_use]
    pub fn latest(self) -> Millis {
        self.latest
    }
}

impl From<Millis> for RecordTime {
    fn from(at: Millis) -> Self {
        RecordTime { at, latest: at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_told_by_the_size() {
        for (number, at, latest) in [
            (1_731_000_000, 1_731_000_000_000, 1_731_000_000_999),
            (1, 1000, 1999),
            (99_999_999_999, 99_999_999_999_000, 99_999_999_999_999),
            (100_000_000_000, 100_000_000_000, 100_000_000_000),
            (1_731_000_000_123, 1_731_000_000_123, 1_731_000_000_123),
            (253_402_300_799_000, 253_402_300_799_000, 253_402_300_799_000),
            (1_731_000_000_123_456, 1_731_000_000_123, 1_731_000_000_123),
            (1_731_000_000_123_456_789, 1_731_000_000_123, 1_731_000_000_123),
            (i64::MAX, 9_223_372_036_854, 9_223_372_036_854),
        ] {
            assert_eq!(RecordTime::of(number), Some(RecordTime { at, latest }), "{number}");
        }
    }

    #[test]
    fn zero_and_less_is_no_time() {
        for number in [0, -1, -1_731_000_000, i64::MIN] {
            assert_eq!(RecordTime::of(number), None, "{number}");
        }
    }
}
