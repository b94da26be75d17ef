//! Detects that the log does not arrive: a broken connection looks the same as a server without news.
//!
//! A second session knows the end of the log and the activity of the server's sender. If the sender has nothing left to send,
//! or waits for us to read, and we have not received the log up to the end that it had a while ago, the connection is
//! broken. A sender that is at work, perhaps on a transaction of hours, is left alone.

use std::time::{Duration, Instant};

use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;

/// The log received, and the log that exists.
pub(crate) struct SilenceDetector {
    /// The log up to here has been received.
    heard: Lsn,
    /// The end of the log at the last check.
    end: Lsn,
    missing_since: Option<Instant>,
}

impl SilenceDetector {
    /// For a log that is followed from this place on.
    pub(crate) fn new(heard: Lsn) -> SilenceDetector {
        SilenceDetector { heard, end: heard, missing_since: None }
    }

    /// A message has arrived.
    pub(crate) fn hear(&mut self, place: Lsn) {
        self.heard = self.heard.max(place);
        self.missing_since = None;
    }

    /// Notes whether the sender is idle. An error if it was, and the log has been missing for `limit`.
    pub(crate) fn sender(&mut self, idle: bool, at: Instant, limit: Duration) -> Result<(), Error> {
        if !idle {
            self.missing_since = None;
        }
        match self.missing_since {
            Some(since) if at.saturating_duration_since(since) >= limit => Err(Error::NoLog(limit)),
            _ => Ok(()),
        }
    }

    /// Whether a part of the log that existed at the last check has not been received. `end`: the log's end now.
    pub(crate) fn misses(&mut self, end: Lsn, at: Instant) -> bool {
        let known = std::mem::replace(&mut self.end, end);
        if self.heard >= known {
            self.missing_since = None;
            return false;
        }
        self.missing_since.get_or_insert(at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_there_at_the_last_look_is_missed() {
        let (mut ear, now) = (SilenceDetector::new(Lsn(100)), Instant::now());
        assert!(!ear.misses(Lsn(200), now), "it may be on its way");
        assert!(ear.misses(Lsn(200), now) && ear.missing_since.is_some());
        ear.hear(Lsn(150));
        assert!(ear.missing_since.is_none(), "something comes");
        assert!(ear.misses(Lsn(200), now));
        ear.hear(Lsn(200));
        assert!(!ear.misses(Lsn(200), now) && !ear.misses(Lsn(200), now));
    }
    #[test]
    fn only_an_idle_sender_makes_silence_a_fault() {
        let (mut ear, now, limit) = (SilenceDetector::new(Lsn(100)), Instant::now(), Duration::from_secs(20));
        ear.misses(Lsn(200), now);
        assert!(ear.misses(Lsn(200), now));
        assert!(ear.sender(true, now, limit).is_ok());
        assert!(ear.sender(false, now + limit, limit).is_ok(), "it is at work");
        assert!(ear.misses(Lsn(200), now + limit) && ear.sender(true, now + limit, limit).is_ok());
        assert!(matches!(ear.sender(true, now + 2 * limit, limit), Err(Error::NoLog(_))));
    }
}
