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
//!  Streaming, Tick ────────▶ Confirm, Feed, CheckTables, Report
//!  Message ────────────────▶ Feed, Refuse, CheckTables
//!  TablesChecked ──────────▶ CheckSender
//! ```
//! An error ends the session; [`Follower::failed`] keeps what it means for the rows, and the next event is `Connected`.

mod connecting;
mod streaming;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use dataflow::dictionary::Dictionary;
use dataflow::source_status::SourceStatus;
use dataflow::time::{Millis, ServiceClock, Time};
use events::DeadLetter;

use super::context::FeedBatch;
use super::diagnostic::Diagnostic;
use super::error::{Error, is_row_error_text};
use super::layout::Layout;
use super::names::Which;
use super::progress::Flow;
use super::resume::ResumeState;
use super::schema_check::SchemaCheck;
use super::session::Server;
use super::slot::{Lsn, Slot};
use super::spelling::Spelling;
use super::table_cache::{Change, TableCache};
use super::{Acknowledge, Definitions, Resumed, Settings};
use streaming::Stream;

pub(super) use streaming::Report;

/// What has happened.
pub(super) enum Event<'e> {
    /// There is a connection, and the tables were looked at.
    Connected(Examined),
    SlotChecked(Slot),
    /// A replication session is open. `adopted`: a person has named this server as the one to go on with.
    Identified {
        server: Server,
        adopted: bool,
    },
    /// The SQL that makes the publication fit, if it does not.
    PublicationChecked(Option<String>),
    /// The old slot is gone and the publication fits.
    Prepared,
    /// The tables were read as of a new slot's place.
    TablesRead {
        place: Lsn,
        change: Change,
        as_of: Millis,
    },
    /// The log comes from now on.
    Streaming {
        spelling: Spelling,
        at: Instant,
    },
    Message(LogMessage<'e>),
    /// The tables were looked at again. `end`: of the server's log.
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
pub(super) struct Examined {
    pub(super) check: SchemaCheck,
    /// Why a table could not be taken out of the publication, though the server refuses its changes while it is in.
    pub(super) refused: Option<Diagnostic>,
}

/// One message of the replication session.
pub(super) enum LogMessage<'m> {
    /// A transaction begins whose commit is at that place.
    Begin(Lsn),
    /// A message in pgoutput's bytes.
    Change(&'m [u8]),
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
pub(super) enum Step {
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
pub(super) struct Follower {
    settings: Settings,
    /// The server as messages name it.
    place: String,
    dictionary: Arc<Dictionary>,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    flow: Arc<Flow>,
    pub(super) cache: TableCache,
    resume: ResumeState,
    /// The definitions of the tables when they were looked at last, as far as they could be followed: by this process or
    /// the one before it.
    definitions: Definitions,
    /// When the window was swept last.
    swept: Millis,
    /// Everything there was at the start has come.
    live: bool,
    /// Rows of an earlier process are gone on from.
    resumed: bool,
    session: Session,
    stream: Option<Stream>,
    steps: VecDeque<Step>,
}

/// What is known of the present session.
#[derive(Default)]
struct Session {
    /// The tables at its beginning.
    check: Option<SchemaCheck>,
    server: Option<Server>,
    slot: Option<Slot>,
    /// The server is never told less than this.
    floor: Lsn,
    /// Why the tables are read in it, and whether they have been.
    reason: String,
    has_read: bool,
}

impl Follower {
    pub(super) fn new(
        settings: Settings,
        place: String,
        dictionary: Arc<Dictionary>,
        clock: Arc<dyn ServiceClock>,
        status: Arc<SourceStatus>,
        flow: Arc<Flow>,
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
            flow,
            cache,
            resume,
            definitions: resumed.map(|rows| rows.definitions).unwrap_or_default(),
            swept: 0,
            live: false,
            resumed: resumed.is_some(),
            session: Session::default(),
            stream: None,
            steps: VecDeque::new(),
        }
    }

    /// Takes an event in, and all steps that follow from it. `perform` takes a step, which may be another event.
    pub(super) fn drive(
        &mut self,
        event: Event<'_>,
        mut perform: impl FnMut(&mut Follower, Step) -> Result<Option<Event<'static>>, Error>,
    ) -> Result<(), Error> {
        self.handle(event)?;
        while let Some(step) = self.steps.pop_front() {
            if let Some(event) = perform(self, step)? {
                self.handle(event)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event<'_>) -> Result<(), Error> {
        match event {
            Event::Connected(examined) => self.connected(examined),
            Event::SlotChecked(slot) => {
                self.slot_checked(slot);
                Ok(())
            }
            Event::Identified { server, adopted } => self.identified(server, adopted),
            Event::PublicationChecked(needed) => self.publication_checked(needed),
            Event::Prepared => self.prepared(),
            Event::TablesRead { place, change, as_of } => self.tables_read(place, change, as_of),
            Event::Streaming { spelling, at } => self.streaming(spelling, at),
            Event::Message(message) => self.message(message),
            Event::TablesChecked { examined, publication, end, at } => {
                self.tables_checked(examined, publication.is_some(), end, at)
            }
            Event::SenderChecked { idle, at } => self.sender_checked(idle, at),
            Event::Tick { at, open_tick } => self.tick(at, open_tick),
        }
    }

    /// The session has failed: what that means for the rows held.
    pub(super) fn failed(&mut self, error: &Error) {
        self.stream = None;
        self.steps.clear();
        match error {
            Error::Resync(reason) => self.spoil(reason.clone()),
            // Read anew, the row is refused alone; the log would end at its change again and again.
            Error::Said(text) if is_row_error_text(text) => {
                self.spoil(format!("the server cannot read a row that changed: {text}"));
            }
            // The log before us is to be read as of a time when there was no such publication.
            Error::Said(text) if text.contains("publication") && text.contains("42704") => {
                self.spoil("the publication was removed and made again".to_owned());
            }
            _ => {}
        }
    }

    /// Nothing was read yet: how changes are found may be decided again.
    pub(super) fn is_fresh(&self) -> bool {
        self.resume.held.is_none() && !self.resumed
    }

    /// Everything before is among the rows fed or about to be.
    pub(super) fn place(&self) -> Lsn {
        self.resume.place()
    }

    /// The tables at the beginning of the session.
    pub(super) fn check(&self) -> Option<&SchemaCheck> {
        self.session.check.as_ref()
    }

    /// Their layout.
    pub(super) fn layout(&self) -> Layout {
        self.check().map(|check| check.layout.clone()).unwrap_or_default()
    }

    /// From here on the log does not tell what becomes of the rows held.
    fn spoil(&mut self, reason: String) {
        self.resume.spoil(reason);
        self.flow.stale();
    }

    /// From here on changes of this table are passed over.
    fn miss(&mut self, which: Which) {
        let table = self.settings.tables.name(which);
        self.resume.miss(which, format!("table {table} could not be followed"));
        self.flow.stale();
    }

    /// Everything before is not needed any more by this process or a later one.
    fn kept(&self) -> Lsn {
        Lsn(match self.settings.acknowledge {
            Acknowledge::WhenFed => self.flow.fed_place(),
            Acknowledge::AfterCheckpoint => self.flow.kept(),
        })
    }
}
