//! A time as the server writes it, in whole milliseconds since the epoch, rounded down.
//!
//! The session asks for ISO dates in UTC; times that are stored without a zone are in the zone of the settings. Times before
//! the epoch become 0, which is older than any window. Times beyond all bounds become the largest number and never count.

use chrono::NaiveDate;

use crate::postgres::values::zone::Zone;

/// Numbers below this are seconds, all others milliseconds: the same bound as for events.
const LEAST_MILLIS: u64 = 100_000_000_000;

const FAR: u64 = i64::MAX as u64;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Types by their numbers, which PostgreSQL never changes.
const DATE: u32 = 1082;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const INT8: u32 = 20;
const INT4: u32 = 23;

/// Numbers from here on are types that the database defines itself.
const OWN_TYPES: u32 = 16384;

/// The kinds of columns that hold a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeKind {
    Timestamptz,
    /// In the zone of the layout.
    Timestamp,
    /// Midnight in the zone of the layout.
    Date,
    /// Whole seconds or milliseconds since the epoch, told apart by size.
    Number,
}

impl TimeKind {
    pub(crate) fn of(kind: &str) -> Option<TimeKind> {
        match kind {
            "timestamp with time zone" => Some(TimeKind::Timestamptz),
            "timestamp without time zone" => Some(TimeKind::Timestamp),
            "date" => Some(TimeKind::Date),
            "bigint" | "integer" => Some(TimeKind::Number),
            _ => None,
        }
    }

    /// Whether the column stores local times.
    pub(crate) fn is_local(self) -> bool {
        matches!(self, TimeKind::Timestamp | TimeKind::Date)
    }
}

/// How a column writes its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// A time in UTC.
    Instant,
    /// A local time: a date, with or without a time of day.
    Local,
    Number,
}

impl TimeFormat {
    /// The format of the type with this number; for a domain, of its base type.
    pub(crate) fn of(kind: u32, base: Option<TimeKind>) -> Option<TimeFormat> {
        match kind {
            TIMESTAMPTZ => Some(TimeFormat::Instant),
            DATE | TIMESTAMP => Some(TimeFormat::Local),
            INT4 | INT8 => Some(TimeFormat::Number),
            OWN_TYPES.. => base.map(TimeFormat::of_column),
            _ => None,
        }
    }

    /// The format of a column of this kind.
    pub(crate) fn of_column(kind: TimeKind) -> TimeFormat {
        match kind {
            TimeKind::Timestamptz => TimeFormat::Instant,
            TimeKind::Timestamp | TimeKind::Date => TimeFormat::Local,
            TimeKind::Number => TimeFormat::Number,
        }
    }

    /// The time of a text; local times are in `zone`.
    pub(crate) fn millis(self, text: &str, zone: &Zone) -> Option<u64> {
        match self {
            TimeFormat::Instant => date(text, &Zone::default()),
            TimeFormat::Local => date(text, zone),
            TimeFormat::Number => number(text),
        }
    }
}

/// `2024-11-07 17:20:00.123456+00`, or the beginning of it; the offset is zero.
fn date(text: &str, zone: &Zone) -> Option<u64> {
    match text {
        "infinity" => return Some(FAR),
        "-infinity" => return Some(0),
        _ if text.ends_with(" BC") => return Some(0),
        _ => {}
    }
    let (date, time) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = date.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let Some(date) = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day) else {
        // The database has later years than chrono's calendar.
        return (year > 200_000).then_some(FAR);
    };
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    let time = time.split_once('+').map_or(time, |(time, _)| time);
    let local = days * DAY_MS + time_of_day(time)?;
    let utc = zone.to_utc(local.div_euclid(1000)) * 1000 + local.rem_euclid(1000);
    u64::try_from(utc).ok().or(Some(0))
}

/// `17:20:00.123456`, in milliseconds rounded down.
fn time_of_day(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<u32>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    Some(i64::from((hours * 60 + minutes) * 60 + seconds) * 1000 + i64::from(thousandths(fraction)?))
}

/// The first three digits after the point.
fn thousandths(fraction: &str) -> Option<u32> {
    let digit = |at: usize| match fraction.as_bytes().get(at) {
        None => Some(0),
        Some(byte) => byte.is_ascii_digit().then(|| u32::from(byte - b'0')),
    };
    Some(digit(0)? * 100 + digit(1)? * 10 + digit(2)?)
}

/// Seconds or milliseconds since the epoch.
fn number(text: &str) -> Option<u64> {
    let number = u64::try_from(text.parse::<i64>().ok()?).unwrap_or(0);
    Some(if number < LEAST_MILLIS { number * 1000 } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let millis = |text| TimeFormat::Instant.millis(text, &Zone::default());
        assert_eq!(millis("1970-01-02 00:00:01.5+00"), Some(86_401_500));
        assert_eq!(millis("1970-01-02"), Some(86_400_000));
        assert_eq!(millis("2024-11-07 17:20:00.123999"), Some(1_731_000_000_123));
        assert_eq!((millis("1969-12-31 23:59:59.9+00"), millis("0044-03-15 BC")), (Some(0), Some(0)));
        assert_eq!((millis("infinity"), millis("-infinity")), (Some(FAR), Some(0)));
        assert_eq!(millis("294276-12-31 23:59:59+00"), Some(FAR));
        for wrong in ["", "2024", "2024-13-01", "2024-01-01 25:00:00", "2024-01-01 1:2", "now"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds_by_size() {
        let millis = |text| TimeFormat::Number.millis(text, &Zone::default());
        assert_eq!((millis("1731000000"), millis("1731000000123")), (Some(1_731_000_000_000), Some(1_731_000_000_123)));
        assert_eq!((millis("-5"), millis("0"), millis("9223372036854775807")), (Some(0), Some(0), Some(FAR)));
        assert_eq!((millis("x"), millis(""), millis("1.5")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_time_is_read_back(micros in 0i64..253_402_300_800_000_000) {
            let text = DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%d %H:%M:%S%.6f+00").to_string();
            prop_assert_eq!(TimeFormat::Instant.millis(&text, &Zone::default()), Some(micros as u64 / 1000));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[-+0-9.eE: ]{0,30}|\\PC{0,12}") {
            for writing in [TimeFormat::Instant, TimeFormat::Local, TimeFormat::Number] {
                let _ = writing.millis(&text, &Zone::default());
            }
        }
    }
}
