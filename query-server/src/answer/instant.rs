//! Instants as RFC 3339 text, UTC, with milliseconds.

use chrono::{DateTime, Datelike as _, SecondsFormat, Timelike as _};
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

/// The last year that has four digits.
const LAST_YEAR: i32 = 9999;

/// Writes [`text`] of `at`.
pub(crate) fn write(out: &mut Vec<u8>, at: Time) {
    let when = i64::try_from(at).ok().and_then(DateTime::from_timestamp_millis);
    let Some(when) = when.filter(|when| when.year() <= LAST_YEAR) else {
        return out.extend_from_slice(text(at).as_bytes());
    };
    let mut written = *b"0000-00-00T00:00:00.000Z";
    let mut put = |from: usize, to: usize, mut number: u32| {
        for digit in written[from..to].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, when.year_ce().1);
    put(5, 7, when.month());
    put(8, 10, when.day());
    put(11, 13, when.hour());
    put(14, 16, when.minute());
    put(17, 19, when.second());
    put(20, 23, when.timestamp_subsec_millis());
    out.extend_from_slice(&written);
}

/// The text of `at`, for example `2026-11-20T10:15:00.120Z`.
pub(crate) fn text(at: Time) -> String {
    let instant = i64::try_from(at).ok().and_then(DateTime::from_timestamp_millis);
    instant.unwrap_or(DateTime::UNIX_EPOCH).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: Time = 24 * 60 * 60 * 1000;

    /// 9999-12-31T23:59:59.999Z.
    const LAST_OF_FOUR_DIGITS: Time = 253_402_300_799_999;

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
