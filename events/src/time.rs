//! The forms a time is written in, all read as milliseconds since the epoch.

use chrono::DateTime;
use dataflow::time::Millis;

use crate::Malformed;
use crate::scalar::Scalar;

/// The field that holds the time in both shapes.
pub(super) const FIELD: &str = "timestamp";

/// Numbers below this are seconds, all others milliseconds. As seconds it is the year 5138, as milliseconds March 1973,
/// so no time within a plausible horizon is ambiguous.
const LEAST_MILLIS: u64 = 100_000_000_000;

/// Milliseconds since the epoch, to the nearest one; none if the event states no time.
pub(super) fn read(scalar: &Scalar<'_>) -> Result<Option<Millis>, Malformed> {
    match scalar {
        Scalar::Missing => Ok(None),
        Scalar::Unsigned(number) => Ok(Some(from_integer(*number))),
        Scalar::Negative => Err(Malformed::TimeOutOfBounds(FIELD)),
        Scalar::Float(number) => from_float(*number).map(Some),
        Scalar::Text(text) => from_text(text).map(Some),
        Scalar::HalfPair => Err(Malformed::UnreadableTime(FIELD)),
        Scalar::Other => Err(Malformed::WrongType(FIELD)),
    }
}

fn from_integer(number: u64) -> Millis {
    if number < LEAST_MILLIS { number * 1000 } else { number }
}

/// Rounds, because the double nearest to 1731000000.123 may lie below it. A number too large for 64 bits saturates, and
/// is then out of any bounds.
fn from_float(number: f64) -> Result<Millis, Malformed> {
    if number.is_nan() || number < 0.0 {
        return Err(Malformed::TimeOutOfBounds(FIELD));
    }
    let millis = if number < LEAST_MILLIS as f64 { number * 1000.0 } else { number };
    // As `f64::round`, which is a call of a function on processors of the oldest kind that is built for.
    let whole = millis as Millis;
    Ok(if millis - whole as f64 >= 0.5 { whole.saturating_add(1) } else { whole })
}

/// RFC 3339, or a number as JSON writes it.
///
/// # Errors
/// [`Malformed`] if it is neither, or before the epoch.
pub fn from_text(text: &str) -> Result<Millis, Malformed> {
    // From the end, because most times that are no numbers end in `Z`.
    let numeric = text.bytes().rev().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !numeric {
        return from_rfc3339(text);
    }
    // Parsed as JSON and not as Rust, so that a text and a number of the same characters are always the same time.
    match Scalar::parse(text) {
        Some(scalar @ (Scalar::Unsigned(_) | Scalar::Negative | Scalar::Float(_))) => {
            read(&scalar).map(|time| time.expect("a number states a time"))
        }
        _ => Err(Malformed::UnreadableTime(FIELD)),
    }
}

fn from_rfc3339(text: &str) -> Result<Millis, Malformed> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| Malformed::UnreadableTime(FIELD))?;
    let floor = time.timestamp_millis();
    let rest_nanos = time.timestamp_subsec_nanos() % 1_000_000;
    let nearest = if rest_nanos >= 500_000 { floor + 1 } else { floor };
    u64::try_from(nearest).map_err(|_| Malformed::TimeOutOfBounds(FIELD))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT_OF_BOUNDS: Malformed = Malformed::TimeOutOfBounds(FIELD);
    const UNREADABLE: Malformed = Malformed::UnreadableTime(FIELD);

    fn time(json: &str) -> Result<Option<Millis>, Malformed> {
        read(&Scalar::parse(json).expect("the value is JSON"))
    }

    #[test]
    fn seconds_and_milliseconds_are_told_apart_by_size() {
        for (number, millis) in [
            ("1731000000", 1_731_000_000_000),
            ("1731000000.123", 1_731_000_000_123),
            ("1731000000.1234", 1_731_000_000_123),
            ("1731000000.1236", 1_731_000_000_124),
            ("1.731e9", 1_731_000_000_000),
            ("1731000000123", 1_731_000_000_123),
            ("1731000000123.0", 1_731_000_000_123),
            ("1731000000123.6", 1_731_000_000_124),
            ("0", 0),
            ("0.001", 1),
            ("99999999999", 99_999_999_999_000),
            ("99999999999.5", 99_999_999_999_500),
            ("100000000000", 100_000_000_000),
            ("100000000000.0", 100_000_000_000),
            ("18446744073709551615", u64::MAX),
            ("1e300", u64::MAX),
            ("1e999", u64::MAX),
        ] {
            assert_eq!(time(number), Ok(Some(millis)), "{number}");
            assert_eq!(time(&format!("\"{number}\"")), Ok(Some(millis)), "\"{number}\"");
        }
    }

    #[test]
    fn every_millisecond_survives_as_seconds_with_a_fraction() {
        for millis in (1_731_000_000_000..1_731_000_010_000).chain(4_102_444_800_000..4_102_444_801_000) {
            let text = format!("{}.{:03}", millis / 1000, millis % 1000);
            assert_eq!(time(&text), Ok(Some(millis)));
        }
    }

    #[test]
    fn rfc3339_is_read_with_zone_and_fraction() {
        for (text, millis) in [
            ("2026-11-20T10:15:00Z", 1_795_169_700_000),
            ("2026-11-20t10:15:00z", 1_795_169_700_000),
            ("2026-11-20T11:15:00+01:00", 1_795_169_700_000),
            ("2026-11-20T10:15:00.120Z", 1_795_169_700_120),
            ("2026-11-20T10:15:00.1204Z", 1_795_169_700_120),
            ("2026-11-20T10:15:00.1205Z", 1_795_169_700_121),
            ("2026-11-20T10:15:00.999999999-00:00", 1_795_169_701_000),
            ("2024-02-29T23:59:59Z", 1_709_251_199_000),
        ] {
            assert_eq!(time(&format!("\"{text}\"")), Ok(Some(millis)), "{text}");
        }
    }

    #[test]
    fn other_text_is_unreadable() {
        for text in [
            "",
            " ",
            "yesterday",
            "NaN",
            "inf",
            "-",
            "1731000000 ",
            "+1731000000",
            "1_731",
            "0x10",
            "1.",
            ".5",
            "12-3",
            "2026-11-20",
            "2026-11-20T10:15:00",
            "2026-02-30T10:15:00Z",
            "2026-11-20T25:15:00Z",
            "01731000000",
        ] {
            assert_eq!(time(&format!("\"{text}\"")), Err(UNREADABLE), "{text}");
        }
    }

    #[test]
    fn times_before_the_epoch_are_out_of_bounds() {
        for json in [
            "-1",
            "-0.001",
            "-1e300",
            "-1e999",
            "\"-1\"",
            "\"-1.5\"",
            "\"1969-12-31T23:59:59.999Z\"",
            "\"0000-01-01T00:00:00Z\"",
        ] {
            assert_eq!(time(json), Err(OUT_OF_BOUNDS), "{json}");
        }
        assert_eq!(from_float(f64::NAN), Err(OUT_OF_BOUNDS));
    }

    #[test]
    fn null_states_no_time_and_other_types_are_refused() {
        assert_eq!(time("null"), Ok(None));
        for json in ["true", "[1]", "{}"] {
            assert_eq!(time(json), Err(Malformed::WrongType(FIELD)));
        }
    }
}
