//! Following the server's log. The [`Follower`] decides what the server is asked, and when. It opens no connection itself:
//! all questions go through [`LogServer`], so that the source and the simulation run the same lines.
//!
//! ```text
//!  connect       examine ─▶ slot ─▶ open_session ─▶ publication ─┬▶ stream          where the log leads on from the rows held
//!                   prepare ─▶ read_tables ─▶ feed ─▶ open_session ┘                where it does not
//!  message       feed, refuse, examine
//!  tick          confirm, feed, examine ─▶ is_sender_idle, report
//! ```
//! An error ends the session. [`Follower::failed`] records its consequences for the rows; after it comes `connect` again.

mod connecting;
mod streaming;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::source_status::SourceStatus;
use dataflow::time::{Millis, ServiceClock, Time};
use events::DeadLetter;

use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::follow::resume::ResumeState;
use crate::postgres::follow::slot::Slot;
use crate::postgres::handover::FeedBatch;
use crate::postgres::names::SourceTable;
use crate::postgres::progress::ReaderProgress;
use crate::postgres::rows::table_cache::{ChangeSet, TableCache};
use crate::postgres::rows::unheld_rows::MissingRow;
use crate::postgres::schema::layout::Layout;
use crate::postgres::schema::schema_check::SchemaCheck;
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::error::{Error, is_row_error_text};
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::ServerIdentity;
use crate::postgres::{Acknowledge, Definitions, NAME, Resumed, Settings};
pub(crate) use streaming::FollowReport;
use streaming::LogStream;

/// The shortest time between two readings for rows whose values are not in the log.
const FETCH_EVERY: Duration = Duration::from_secs(600);

/// The same if the last readings have been followed by another wish each.
const FETCH_EVERY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The server whose log is followed, and the feed: all that the follower asks for.
pub(crate) trait LogServer {
    /// The tables as they are now.
    fn examine(&mut self) -> Result<Examined, Error>;

    /// The slot. A session of ours that was given up does not count as its reader.
    fn slot(&mut self) -> Result<Slot, Error>;

    /// Opens a replication session that starts at `from`, with everything before `confirmed` kept.
    fn open_session(&mut self, layout: &Layout, from: Lsn, confirmed: Lsn) -> Result<OpenedSession, Error>;

    /// The SQL that makes the publication fit these tables, if it does not.
    fn publication(&mut self, check: &SchemaCheck) -> Result<Option<String>, Error>;

    /// Removes the slot where there is one, then makes the publication fit.
    fn prepare(&mut self, slot: &Slot, publication: Option<&str>) -> Result<(), Error>;

    /// Makes a slot and reads the tables as of its place into the cache. `key`: the columns that identify a line.
    fn read_tables(&mut self, cache: &mut TableCache, key: &[String], without: [bool; 3]) -> Result<TablesRead, Error>;

    /// From now on the log comes; returns the format of its values.
    fn stream(&mut self, layout: &Layout) -> Result<ValueFormat, Error>;

    /// Where the server's log ends.
    fn log_end(&mut self) -> Result<Lsn, Error>;

    /// Whether the server's sender has nothing to send, or waits for its reader.
    fn is_sender_idle(&mut self) -> Result<bool, Error>;

    /// Hands a change over to the feed.
    fn feed(&mut self, batch: FeedBatch) -> Result<(), Error>;

    /// Counts a refused row, and sends its letter.
    fn refuse(&mut self, letter: DeadLetter) -> Result<(), Error>;

    /// The server may forget its log before that place.
    fn confirm(&mut self, place: Lsn) -> Result<(), Error>;

    /// Makes known how following goes.
    fn report(&mut self, report: FollowReport);

    /// The present.
    fn now(&self) -> Instant;
}

/// The tables as they are on the server.
pub(crate) struct Examined {
    pub(crate) check: SchemaCheck,
    /// Why a table could not be taken out of the publication, though the server refuses its changes while it is in.
    pub(crate) refused: Option<Diagnostic>,
}

/// An open replication session.
pub(crate) struct OpenedSession {
    pub(crate) server: ServerIdentity,
    /// A person has adopted this server.
    pub(crate) adopted: bool,
}

/// A reading of the tables as of a new slot's place.
pub(crate) struct TablesRead {
    pub(crate) place: Lsn,
    pub(crate) change: ChangeSet,
    pub(crate) as_of: Millis,
}

/// One message of the replication session.
pub(crate) enum LogMessage<'m> {
    /// A transaction begins whose commit is at that place.
    Begin(Lsn),
    /// A message in pgoutput's bytes.
    Data(&'m [u8]),
    Commit {
        end: Lsn,
        time: Time,
    },
    /// Everything committed before `end` has been sent.
    KeepAlive {
        end: Lsn,
    },
}

/// Follows the log of one server.
pub(crate) struct Follower {
    settings: Settings,
    /// The server as messages name it.
    place: String,
    dictionary: Arc<Dictionary>,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    progress: Arc<ReaderProgress>,
    pub(crate) cache: TableCache,
    resume: ResumeState,
    /// The definitions of the tables at the last check, by this process or the previous one, of tables that could be followed.
    definitions: Definitions,
    /// When expired orders were removed last.
    swept: Millis,
    /// Whether all transactions before the start have been received.
    live: bool,
    /// Whether there are rows of an earlier process.
    resumed: bool,
    /// The log that comes; none without a session.
    stream: Option<LogStream>,
    /// Why the tables are to be read again, as soon as the last such reading is long enough ago.
    wanted: Option<MissingRow>,
    /// When the tables had been read for that last.
    fetched: Option<Instant>,
    /// The time after that until they may be read for it again.
    pause: Duration,
}

impl Follower {
    pub(crate) fn new(
        settings: Settings,
        place: String,
        dictionary: Arc<Dictionary>,
        clock: Arc<dyn ServiceClock>,
        status: Arc<SourceStatus>,
        progress: Arc<ReaderProgress>,
        resumed: Option<&Resumed>,
    ) -> Follower {
        let (mut cache, resume) = (TableCache::of_log(resumed), ResumeState::of(resumed));
        cache.count_lines();
        Follower {
            settings,
            place,
            dictionary,
            clock,
            status,
            progress,
            cache,
            resume,
            definitions: resumed.map(|rows| rows.definitions).unwrap_or_default(),
            swept: 0,
            live: false,
            resumed: resumed.is_some(),
            stream: None,
            wanted: None,
            fetched: None,
            pause: FETCH_EVERY,
        }
    }

    /// The session has failed: records the consequences for the rows held.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.stream = None;
        match error {
            Error::Resync(reason) => self.spoil(reason.clone()),
            // A new reading refuses only this row; the log would fail at its change again and again.
            Error::ServerMessage(text) if is_row_error_text(text) => {
                self.spoil(format!("the server cannot read a row that changed: {text}"));
            }
            // The server decodes the log with the catalogue of its time, when this publication did not exist.
            Error::ServerMessage(text) if text.contains("publication") && text.contains("42704") => {
                self.spoil("the publication was removed and made again".to_owned());
            }
            _ => {}
        }
    }

    /// Whether nothing was read yet, so that the way of finding changes may be chosen again.
    pub(crate) fn is_fresh(&self) -> bool {
        self.resume.held.is_none() && !self.resumed
    }

    /// The place up to which all changes were fed or are about to be.
    pub(crate) fn place(&self) -> Lsn {
        self.resume.place()
    }

    /// From here on the log does not continue from the rows held.
    fn spoil(&mut self, reason: String) {
        self.resume.spoil(reason);
        self.progress.stale();
    }

    /// Rows are missing that only the tables have. A process that goes on from the rows held reads the tables first.
    fn want(&mut self, reason: MissingRow) {
        if self.wanted.replace(reason).is_none() {
            tracing::info!(source = NAME, reason, "the tables are to be read again");
            self.spoil(reason.to_owned());
        }
    }

    /// An error if the tables are to be read again now. While a table cannot be followed, that waits for its repair, after
    /// which they are read anyway.
    fn fetch(&mut self, at: Instant) -> Result<(), Error> {
        let Some(reason) = self.wanted.filter(|_| !self.broken().contains(&true)) else { return Ok(()) };
        if self.fetched.is_some_and(|before| at.saturating_duration_since(before) < self.pause) {
            return Ok(());
        }
        Err(Error::Resync(reason.to_owned()))
    }

    /// The tables have been read. A row that makes them be read again and again, because no reading can use it, does so ever
    /// less often.
    fn has_fetched(&mut self, at: Instant) {
        if self.wanted.take().is_some() {
            let is_soon = self.fetched.is_some_and(|before| at.saturating_duration_since(before) < 2 * self.pause);
            self.pause = if is_soon { (2 * self.pause).min(FETCH_EVERY_MAX) } else { FETCH_EVERY };
            self.fetched = Some(at);
        }
    }

    /// From here on changes of this table are skipped.
    fn miss(&mut self, which: SourceTable) {
        let table = self.settings.tables.name(which);
        self.resume.miss(which, format!("table {table} could not be followed"));
        self.progress.stale();
    }

    /// The place before which neither this process nor a later one needs the log.
    fn kept(&self) -> Lsn {
        Lsn(match self.settings.acknowledge {
            Acknowledge::WhenFed => self.progress.fed_place(),
            Acknowledge::AfterCheckpoint => self.progress.kept(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::Ids;
    use dataflow::source_status::SourceRegistry;

    struct Noon;

    impl ServiceClock for Noon {
        fn now(&self) -> Time {
            43_200_000
        }
    }

    #[test]
    fn tables_are_read_for_missing_rows_at_once_and_then_seldom() {
        let (dictionary, progress) = (Arc::new(Dictionary::new(Ids::new([7; 16]))), ReaderProgress::resuming(5));
        let (status, progress) = (SourceRegistry::default().source(NAME), Arc::new(progress));
        let (place, clock) = ("here".to_owned(), Arc::new(Noon));
        let mut follower = Follower::new(Settings::default(), place, dictionary, clock, status, progress.clone(), None);
        let start = Instant::now();
        assert!(follower.fetch(start).is_ok());
        follower.want("a row is missing");
        assert_eq!(progress.next(), 0, "a process that goes on from here would read the tables first");
        assert!(matches!(follower.fetch(start), Err(Error::Resync(reason)) if reason == "a row is missing"));
        // It was read, and another one is missing.
        follower.has_fetched(start);
        assert!(follower.fetch(start + 2 * FETCH_EVERY).is_ok());
        let mut read_again_after = |before: Instant, pause: Duration| {
            follower.want("another row is missing");
            assert!(follower.fetch(before + pause - Duration::from_secs(1)).is_ok());
            assert!(follower.fetch(before + pause).is_err());
            follower.has_fetched(before + pause);
            before + pause
        };
        // Each reading is followed by another wish: they come less and less often.
        let mut read = start;
        for doublings in 0..4 {
            read = read_again_after(read, FETCH_EVERY * 2_u32.pow(doublings));
        }
        (0..20).for_each(|_| {
            read += follower.pause;
            follower.want("another row is missing");
            follower.has_fetched(read);
        });
        assert_eq!(follower.pause, FETCH_EVERY_MAX);
        follower.want("a row is missing after a long time");
        follower.has_fetched(read + 2 * FETCH_EVERY_MAX);
        assert_eq!(follower.pause, FETCH_EVERY);
    }
}
