//! A time as the server writes it, in whole milliseconds since the epoch, rounded down.
//!
//! The session asks for ISO dates in UTC; times that are stored without a zone are those of the zone of the settings. Times
//! before the epoch are 0, those beyond all bounds are the largest number: the first are older than any window, the second
//! wait for ever.

use chrono::NaiveDate;

use super::layout::TimeKind;
use super::zone::Zone;

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
const NUMERIC: u32 = 1700;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;

/// Numbers from here on are types of the database's own.
const OWN_TYPES: u32 = 16384;

/// How a column writes its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// A time in UTC.
    Instant,
    /// What clocks show: a date, with or without a time of day.
    Local,
    Number,
    /// A floating-point number of which this many digits count.
    Float(usize),
}

impl Writing {
    /// Of a type of that number; for a type of the database's own, of what it is made of.
    pub(super) fn of(kind: u32, base: Option<TimeKind>) -> Option<Writing> {
        match kind {
            TIMESTAMPTZ => Some(Writing::Instant),
            DATE | TIMESTAMP => Some(Writing::Local),
            INT4 | INT8 | NUMERIC => Some(Writing::Number),
            FLOAT4 => Some(Writing::Float(6)),
            FLOAT8 => Some(Writing::Float(15)),
            OWN_TYPES.. => base.map(Writing::of_column),
            _ => None,
        }
    }

    /// Of a column of that kind.
    pub(super) fn of_column(kind: TimeKind) -> Writing {
        match kind {
            TimeKind::Timestamptz => Writing::Instant,
            TimeKind::Timestamp | TimeKind::Date => Writing::Local,
            TimeKind::Number => Writing::Number,
            TimeKind::Double => Writing::Float(15),
            TimeKind::Single => Writing::Float(6),
        }
    }

    /// The time that is written there; local times are those of `zone`.
    pub(super) fn millis(self, text: &str, zone: &Zone) -> Option<u64> {
        match self {
            Writing::Instant => date(text, &Zone::default()),
            Writing::Local => date(text, zone),
            Writing::Number => number(text),
            Writing::Float(digits) => {
                let value: f64 = text.parse().ok()?;
                if value.is_finite() { number(&format!("{value:.*e}", digits - 1)) } else { number(text) }
            }
        }
    }
}

/// `2024-11-07 17:20:00.123456+00`, or the beginning of it; the offset is nought.
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
        // The database's years go further than the calendar's here.
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

/// `1731000000.5` or `1.731e9`.
fn number(text: &str) -> Option<u64> {
    match text {
        "NaN" | "Infinity" => return Some(FAR),
        _ if text.starts_with('-') => return Some(0),
        _ => {}
    }
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let count = i32::try_from(whole.len()).ok()?.saturating_add(exponent);
    let digits: Vec<u64> = (whole.bytes().chain(fraction.bytes()))
        .map(|byte| byte.is_ascii_digit().then(|| u64::from(byte - b'0')))
        .collect::<Option<_>>()?;
    if digits.is_empty() {
        return None;
    }
    // The number's first `count` digits, with noughts where there are none.
    let first = |count: i32| {
        (0..count.min(200)).try_fold(0u64, |number, at| {
            let digit = usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
            number.checked_mul(10)?.checked_add(digit)
        })
    };
    let Some(seconds) = first(count) else { return Some(FAR) };
    let millis = if seconds < LEAST_MILLIS { shifted(&digits, count) } else { Some(seconds) };
    Some(millis.unwrap_or(FAR).min(FAR))
}

/// A thousand times the number whose first `count` digits are whole.
fn shifted(digits: &[u64], count: i32) -> Option<u64> {
    let first = count.checked_add(3)?;
    (0..first.clamp(0, 200)).try_fold(0u64, |number, at| {
        let digit = usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let millis = |text| Writing::Instant.millis(text, &Zone::default());
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
        let millis = |text| Writing::Number.millis(text, &Zone::default());
        assert_eq!(
            (millis("1731000000"), millis("1731000000.1239")),
            (Some(1_731_000_000_000), Some(1_731_000_000_123))
        );
        assert_eq!(
            (millis("1731000000123"), millis("1731000000123.9")),
            (Some(1_731_000_000_123), Some(1_731_000_000_123))
        );
        assert_eq!((millis("-5"), millis("0"), millis("0.0019")), (Some(0), Some(0), Some(1)));
        assert_eq!((millis("NaN"), millis("99999999999999999999999")), (Some(FAR), Some(FAR)));
        assert_eq!((millis("x"), millis(""), millis("1.x")), (None, None, None));
        let float = |text| Writing::Float(15).millis(text, &Zone::default());
        assert_eq!((float("1731000000.123"), float("1.731e+12")), (Some(1_731_000_000_123), Some(1_731_000_000_000)));
        assert_eq!((float("1e300"), float("-Infinity"), float("1e-300")), (Some(FAR), Some(0), Some(0)));
        assert_eq!(Writing::Float(6).millis("1.73e+09", &Zone::default()), Some(1_730_000_000_000));
    }

    proptest! {
        #[test]
        fn any_time_is_read_back(micros in 0i64..253_402_300_800_000_000) {
            let text = DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%d %H:%M:%S%.6f+00").to_string();
            prop_assert_eq!(Writing::Instant.millis(&text, &Zone::default()), Some(micros as u64 / 1000));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[-+0-9.eE: ]{0,30}|\\PC{0,12}") {
            for writing in [Writing::Instant, Writing::Local, Writing::Number, Writing::Float(15)] {
                let _ = writing.millis(&text, &Zone::default());
            }
        }
    }
}
