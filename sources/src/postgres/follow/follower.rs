//! Following the server's log as a state machine: events come in, steps to take go out. It opens no connection, asks no
//! server and waits for nothing, so that the source and the simulation run the same lines.
//!
//! ```text
//!  event                     step
//!  Connected ──────────────▶ CheckSlot
//!  SlotChecked ────────────▶ OpenSession
//!  Identified ─────────────▶ CheckPublication
//!  PublicationChecked ─────▶ Stream                          where the log leads on from the rows held
//!                      └───▶ Prepare                         where it does not
//!  Prepared ───────────────▶ ReadTables
//!  TablesRead ─────────────▶ Feed, OpenSession, then Stream
//!  Streaming, Tick ────────▶ Confirm, Feed, CheckTables, FollowReport
//!  Message ────────────────▶ Feed, Refuse, CheckTables
//!  TablesChecked ──────────▶ CheckSender
//! ```
//! An error ends the session. [`Follower::failed`] records its consequences for the rows; the next event is `Connected`.

mod connecting;
mod streaming;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

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
use crate::postgres::schema::layout::Layout;
use crate::postgres::schema::schema_check::SchemaCheck;
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::error::{Error, is_row_error_text};
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::ServerIdentity;
use crate::postgres::{Acknowledge, Definitions, Resumed, Settings};
use streaming::LogStream;

pub(crate) use streaming::FollowReport;

/// What has happened.
pub(crate) enum FollowEvent<'e> {
    /// A connection is open, and the tables were read from the catalogue.
    Connected(Examined),
    SlotChecked(Slot),
    /// A replication session is open. `adopted`: a person has adopted this server.
    Identified {
        server: ServerIdentity,
        adopted: bool,
    },
    /// The SQL that makes the publication fit, if it does not.
    PublicationChecked(Option<String>),
    /// The old slot is gone and the publication fits.
    Prepared,
    /// The tables were read as of a new slot's place.
    TablesRead {
        place: Lsn,
        change: ChangeSet,
        as_of: Millis,
    },
    /// The log comes from now on.
    Streaming {
        format: ValueFormat,
        at: Instant,
    },
    Message(LogMessage<'e>),
    /// The tables were checked again. `end`: of the server's log.
    TablesChecked {
        examined: Examined,
        publication: Option<String>,
        end: Lsn,
        at: Instant,
    },
    /// Whether the server's sender has nothing to send, or waits for its reader.
    SenderChecked {
        idle: bool,
        at: Instant,
    },
    /// Time has passed: comes about ten times a second. `open_tick`: of the graph.
    Tick {
        at: Instant,
        open_tick: Time,
    },
}

/// The tables as they are on the server.
pub(crate) struct Examined {
    pub(crate) check: SchemaCheck,
    /// Why a table could not be taken out of the publication, though the server refuses its changes while it is in.
    pub(crate) refused: Option<Diagnostic>,
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

/// What is to be done. Steps are taken in their order.
pub(crate) enum FollowStep {
    CheckSlot,
    /// Opens a replication session that starts at `from`, with everything before `confirmed` kept.
    OpenSession {
        from: Lsn,
        confirmed: Lsn,
    },
    CheckPublication,
    /// Removes the slot where there is one, then makes the publication fit.
    Prepare {
        slot: Slot,
        publication: Option<String>,
    },
    /// Makes a slot and reads the tables as of it.
    ReadTables {
        key: Vec<String>,
        without: [bool; 3],
    },
    Stream,
    CheckTables,
    CheckSender,
    Feed(FeedBatch),
    Refuse(DeadLetter),
    /// The server may forget its log before that place.
    Confirm(Lsn),
    /// Makes [`Follower::report`] known.
    Report,
}

/// What is known from following the log so far.
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
    /// The definitions of the tables at the last check, as far as they could be followed: by this process or
    /// the one before it.
    definitions: Definitions,
    /// When the window was swept last.
    swept: Millis,
    /// Everything there was at the start has come.
    live: bool,
    /// There are rows of an earlier process.
    resumed: bool,
    session: SessionState,
    stream: Option<LogStream>,
    steps: VecDeque<FollowStep>,
}

/// What is known of the present session.
#[derive(Default)]
struct SessionState {
    /// The tables at its beginning.
    check: Option<SchemaCheck>,
    server: Option<ServerIdentity>,
    slot: Option<Slot>,
    /// No place before this is confirmed to the server.
    floor: Lsn,
    /// Why the tables are read in it, and whether they have been.
    reason: String,
    has_read: bool,
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
            session: SessionState::default(),
            stream: None,
            steps: VecDeque::new(),
        }
    }

    /// Takes an event in, and all steps that follow from it. `perform` takes a step, which may be another event.
    pub(crate) fn drive(
        &mut self,
        event: FollowEvent<'_>,
        mut perform: impl FnMut(&mut Follower, FollowStep) -> Result<Option<FollowEvent<'static>>, Error>,
    ) -> Result<(), Error> {
        self.handle(event)?;
        while let Some(step) = self.steps.pop_front() {
            if let Some(event) = perform(self, step)? {
                self.handle(event)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: FollowEvent<'_>) -> Result<(), Error> {
        match event {
            FollowEvent::Connected(examined) => self.connected(examined),
            FollowEvent::SlotChecked(slot) => {
                self.slot_checked(slot);
                Ok(())
            }
            FollowEvent::Identified { server, adopted } => self.identified(server, adopted),
            FollowEvent::PublicationChecked(needed) => self.publication_checked(needed),
            FollowEvent::Prepared => self.prepared(),
            FollowEvent::TablesRead { place, change, as_of } => self.tables_read(place, change, as_of),
            FollowEvent::Streaming { format, at } => self.streaming(format, at),
            FollowEvent::Message(message) => self.message(message),
            FollowEvent::TablesChecked { examined, publication, end, at } => {
                self.tables_checked(examined, publication.is_some(), end, at)
            }
            FollowEvent::SenderChecked { idle, at } => self.sender_checked(idle, at),
            FollowEvent::Tick { at, open_tick } => self.tick(at, open_tick),
        }
    }

    /// The session has failed: records the consequences for the rows held.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.stream = None;
        self.steps.clear();
        match error {
            Error::Resync(reason) => self.spoil(reason.clone()),
            // In a new reading the row is refused alone; the log would fail at its change again and again.
            Error::ServerMessage(text) if is_row_error_text(text) => {
                self.spoil(format!("the server cannot read a row that changed: {text}"));
            }
            // The log before us is to be read as of a time when there was no such publication.
            Error::ServerMessage(text) if text.contains("publication") && text.contains("42704") => {
                self.spoil("the publication was removed and made again".to_owned());
            }
            _ => {}
        }
    }

    /// Nothing was read yet: how changes are found may be decided again.
    pub(crate) fn is_fresh(&self) -> bool {
        self.resume.held.is_none() && !self.resumed
    }

    /// Everything before is among the rows fed or about to be.
    pub(crate) fn place(&self) -> Lsn {
        self.resume.place()
    }

    /// The tables at the beginning of the session.
    pub(crate) fn check(&self) -> Option<&SchemaCheck> {
        self.session.check.as_ref()
    }

    /// Their layout.
    pub(crate) fn layout(&self) -> Layout {
        self.check().map(|check| check.layout.clone()).unwrap_or_default()
    }

    /// From here on the log does not continue from the rows held.
    fn spoil(&mut self, reason: String) {
        self.resume.spoil(reason);
        self.progress.stale();
    }

    /// From here on changes of this table are passed over.
    fn miss(&mut self, which: SourceTable) {
        let table = self.settings.tables.name(which);
        self.resume.miss(which, format!("table {table} could not be followed"));
        self.progress.stale();
    }

    /// Everything before is not needed any more by this process or a later one.
    fn kept(&self) -> Lsn {
        Lsn(match self.settings.acknowledge {
            Acknowledge::WhenFed => self.progress.fed_place(),
            Acknowledge::AfterCheckpoint => self.progress.kept(),
        })
    }
}
