//! Instants as RFC 3339 text, UTC, with milliseconds.

use chrono::{DateTime, SecondsFormat};
use dataflow::time::Time;

/// The text of an instant, which many answers share.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstantText {
    at: Time,
    text: String,
}

impl InstantText {
    /// The text of `at`.
    pub(crate) fn text(&mut self, at: Time) -> &str {
        if self.at != at || self.text.is_empty() {
            self.at = at;
            self.text = text(at);
        }
        &self.text
    }
}

const DAY_MS: Time = 24 * 60 * 60 * 1000;

/// The last instant whose year has four digits: 9999-12-31T23:59:59.999Z.
const LAST_OF_FOUR_DIGITS: Time = 253_402_300_799_999;

/// The days from 1 March of the year 0 to 1970.
const DAYS_BEFORE_1970: Time = 719_468;

/// The days of 400 years, and the lengths of the first three of their centuries and of four years of a century.
const DAYS_OF_400_YEARS: Time = 146_097;
const DAYS_OF_100_YEARS: Time = 36_524;
const DAYS_OF_4_YEARS: Time = 1_461;

/// The days before each month of a year that begins in March.
const DAYS_BEFORE: [Time; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

/// Writes [`text`] of `at`.
pub(crate) fn write(out: &mut Vec<u8>, at: Time) {
    if at > LAST_OF_FOUR_DIGITS {
        return out.extend_from_slice(text(at).as_bytes());
    }
    let (year, month, day) = date(at / DAY_MS);
    let ms = at % DAY_MS;
    let mut written = *b"0000-00-00T00:00:00.000Z";
    let mut put = |from: usize, to: usize, mut number: Time| {
        for digit in written[from..to].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 7, month);
    put(8, 10, day);
    put(11, 13, ms / 3_600_000);
    put(14, 16, ms / 60_000 % 60);
    put(17, 19, ms / 1000 % 60);
    put(20, 23, ms % 1000);
    out.extend_from_slice(&written);
}

/// Year, month and day of a day that is given by its number since 1970. Years are taken to begin in March, so that a leap day
/// is the last day of its year, of its four years, and of its 400 years.
fn date(day: Time) -> (Time, Time, Time) {
    let day = day + DAYS_BEFORE_1970;
    let (quarters, day) = (day / DAYS_OF_400_YEARS, day % DAYS_OF_400_YEARS);
    let centuries = (day / DAYS_OF_100_YEARS).min(3);
    let day = day - centuries * DAYS_OF_100_YEARS;
    let (fours, day) = (day / DAYS_OF_4_YEARS, day % DAYS_OF_4_YEARS);
    let years = (day / 365).min(3);
    let day = day - years * 365;
    let month = DAYS_BEFORE.partition_point(|before| *before <= day) - 1;
    let year = quarters * 400 + centuries * 100 + fours * 4 + years + Time::from(month >= 10);
    (year, (month as Time + 2) % 12 + 1, day - DAYS_BEFORE[month] + 1)
}

/// The text of `at`, for example `2026-11-20T10:15:00.120Z`.
pub(crate) fn text(at: Time) -> String {
    let instant = i64::try_from(at).ok().and_then(DateTime::from_timestamp_millis);
    instant.unwrap_or(DateTime::UNIX_EPOCH).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_in_utc() {
        assert_eq!(text(1_795_169_700_120), "2026-11-20T10:15:00.120Z");
        let mut instants = InstantText::default();
        assert_eq!(instants.text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instants.text(1_000), "1970-01-01T00:00:01.000Z");
        assert_eq!(instants.text(1_000), "1970-01-01T00:00:01.000Z");
    }

    #[test]
    fn what_is_written_is_the_text() {
        let (near, far) = (0..200_000, (200_000..=LAST_OF_FOUR_DIGITS / DAY_MS).step_by(41));
        let days = near.chain(far).map(|day| day * DAY_MS + day * 7919 % DAY_MS);
        for at in days.chain([LAST_OF_FOUR_DIGITS, LAST_OF_FOUR_DIGITS + 1, Time::MAX]) {
            let mut out = Vec::new();
            write(&mut out, at);
            assert_eq!(String::from_utf8(out).unwrap(), text(at), "{at}");
        }
    }
}
