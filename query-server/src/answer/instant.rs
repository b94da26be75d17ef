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
}
