//! Whether the log still comes: a connection on which nothing arrives looks the same as a server with nothing to say.
//!
//! The session beside it knows how far the log goes, and what the server's sender is at. Where the sender has nothing left
//! to send, or waits for us to take what it has sent, and what we have heard is not the log's end of a while ago, something
//! is lost on the way. A sender that is at work, on a transaction of hours maybe, is left alone.

use std::time::{Duration, Instant};

use postgres::GenericClient;
use postgres::types::Type;

use super::error::Error;
use super::slot::Lsn;

/// Whether the slot's sender has nothing to do until we say something, or there is none. At work it waits for nothing, or
/// for a disk.
const SENDER_RESTS: &str = "
    SELECT a.pid IS NULL
        OR COALESCE(lower(a.wait_event) IN ('walsenderwaitforwal', 'walsendermain', 'walsenderwritedata'), false)
    FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
    WHERE s.slot_name::text = $1";

/// What came, and what should have.
pub(super) struct Ear {
    /// The log up to here has been told.
    heard: Lsn,
    /// Where the log ended at the last look.
    end: Lsn,
    missing_since: Option<Instant>,
}

impl Ear {
    /// Of a log that is followed from there on.
    pub(super) fn new(heard: Lsn) -> Ear {
        Ear { heard, end: heard, missing_since: None }
    }

    /// Something has come.
    pub(super) fn hear(&mut self, place: Lsn) {
        self.heard = self.heard.max(place);
        self.missing_since = None;
    }

    /// Looks whether something is missing, of a log that ends at `end` now: an error if it has been for so long.
    pub(super) fn listen(
        &mut self,
        client: &mut impl GenericClient,
        slot: &str,
        end: Lsn,
        limit: Duration,
    ) -> Result<(), Error> {
        if !self.misses(end) {
            return Ok(());
        }
        let rows = client.query_typed(SENDER_RESTS, &[(&slot, Type::TEXT)])?;
        if rows.first().is_some_and(|row| !row.get::<_, bool>(0)) {
            self.missing_since = None;
        }
        match self.missing_since {
            Some(since) if since.elapsed() >= limit => Err(Error::NoLog(limit)),
            _ => Ok(()),
        }
    }

    /// Whether what the log had at the last look has not come.
    fn misses(&mut self, end: Lsn) -> bool {
        let known = std::mem::replace(&mut self.end, end);
        if self.heard >= known {
            self.missing_since = None;
            return false;
        }
        self.missing_since.get_or_insert_with(Instant::now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_there_at_the_last_look_is_missed() {
        let mut ear = Ear::new(Lsn(100));
        assert!(!ear.misses(Lsn(200)), "it may be on its way");
        assert!(ear.misses(Lsn(200)) && ear.missing_since.is_some());
        ear.hear(Lsn(150));
        assert!(ear.missing_since.is_none(), "something comes");
        assert!(ear.misses(Lsn(200)));
        ear.hear(Lsn(200));
        assert!(!ear.misses(Lsn(200)) && !ear.misses(Lsn(200)));
    }
}
