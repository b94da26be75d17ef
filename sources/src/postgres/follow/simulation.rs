//! The source on the calling thread, moved step by step, on a database in memory: for the simulation.
//!
//! The `Follower` decides; the code here takes its steps on a [`Database`], as the module `follow` takes them on a server.
//! Rows of a reading come in COPY's text, the log in pgoutput's bytes: both are decoded by the source's own code.

mod database;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Position, StreamFingerprint};
use dataflow::inputs::Inputs;
use dataflow::source_status::SourceRegistry;
use dataflow::time::{Millis, ServiceClock, Time};
use events::DeadLetterSender;

use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::follow::follower::{Examined, FollowEvent, FollowStep, Follower, LogMessage};
use crate::postgres::follow::slot;
use crate::postgres::handover::FedState;
use crate::postgres::handover::FeedBatch;
use crate::postgres::names::{SourceTable, Tables};
use crate::postgres::progress::ReaderProgress;
use crate::postgres::rows::table_scan::{TableQuery, TableScan};
use crate::postgres::schema::keys::Identity;
use crate::postgres::schema::layout::Layout;
use crate::postgres::schema::schema_check::SchemaCheck;
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::error::Error;
use crate::postgres::session::liveness::Liveness;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::ServerIdentity;
use crate::postgres::values::pg_time::TimeKind;
use crate::postgres::{Acknowledge, NAME, Postgres, Resumed, Settings};

pub use database::{Database, Definition, ORDER_ITEMS, ORDERS, PRODUCTS, SimulatedSlot};

/// What a source is made from.
pub struct FollowingParts<D> {
    /// The server.
    pub database: D,
    /// The keys of ids.
    pub dictionary: Arc<Dictionary>,
    /// How long an order counts.
    pub window_ms: Millis,
    /// The service clock.
    pub clock: Arc<dyn ServiceClock>,
    /// Where refused rows go.
    pub dead_letters: DeadLetterSender,
    /// The rows of an earlier process.
    pub resumed: Option<Resumed>,
}

/// An error that cannot occur in the simulation without a bug. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FollowFailure(String);

/// One source that follows one server's log.
pub struct Following<D> {
    follower: Follower,
    performer: Performer<D>,
}

/// Takes the steps, and holds the batches that wait for the feed.
struct Performer<D> {
    database: D,
    settings: Settings,
    dictionary: Arc<Dictionary>,
    clock: Arc<dyn ServiceClock>,
    registry: SourceRegistry,
    letters: DeadLetterSender,
    progress: Arc<ReaderProgress>,
    batches: VecDeque<FeedBatch>,
    fed: FedState,
    started: Instant,
    /// The time of the last tick.
    now: Instant,
    /// The log comes.
    streams: bool,
    /// The place where the session asks the log to begin.
    from: i64,
    /// The tables that were read last, and as of which place.
    read: Option<(i64, [bool; 3])>,
}

impl<D: Database> Following<D> {
    /// A source that is not connected yet.
    #[must_use]
    pub fn new(parts: FollowingParts<D>) -> Self {
        let FollowingParts { database, dictionary, window_ms, clock, dead_letters, resumed } = parts;
        let progress =
            Arc::new(resumed.as_ref().map_or_else(ReaderProgress::fresh, |rows| ReaderProgress::resuming(rows.lsn)));
        let mut settings = Settings::new(&Postgres::default(), window_ms);
        settings.acknowledge = Acknowledge::AfterCheckpoint;
        let registry = SourceRegistry::default();
        let status = registry.source(NAME);
        let fed = FedState::new(progress.clone(), status.clone(), resumed.as_ref());
        let (place, resumed) = ("cache".to_owned(), resumed.as_ref());
        let follower = Follower::new(
            settings.clone(),
            place,
            dictionary.clone(),
            clock.clone(),
            status,
            progress.clone(),
            resumed,
        );
        let (batches, started) = (VecDeque::new(), Instant::now());
        let performer = Performer {
            database,
            settings,
            dictionary,
            clock,
            registry,
            letters: dead_letters,
            progress,
            batches,
            fed,
            started,
            now: started,
            streams: false,
            from: 0,
            read: None,
        };
        Following { follower, performer }
    }

    /// Connects. Whether the log comes now.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn connect(&mut self) -> Result<bool, FollowFailure> {
        let event = FollowEvent::Connected(self.performer.examine());
        self.drive(event)
    }

    /// A transaction begins whose commit is at that place. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn begin(&mut self, commit: i64) -> Result<bool, FollowFailure> {
        self.drive(FollowEvent::Message(LogMessage::Begin(Lsn(commit))))
    }

    /// A message of the transaction, in pgoutput's own bytes. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn change(&mut self, bytes: &[u8]) -> Result<bool, FollowFailure> {
        self.drive(FollowEvent::Message(LogMessage::Data(bytes)))
    }

    /// The transaction is whole, and ends at `end`. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn commit(&mut self, end: i64, time: Millis) -> Result<bool, FollowFailure> {
        self.drive(FollowEvent::Message(LogMessage::Commit { end: Lsn(end), time }))
    }

    /// Everything committed before `end` has been sent. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn keep_alive(&mut self, end: i64) -> Result<bool, FollowFailure> {
        self.drive(FollowEvent::Message(LogMessage::KeepAlive { end: Lsn(end) }))
    }

    /// Time has passed: so much since the source was made. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn tick(&mut self, since: Duration, open_tick: Time) -> Result<bool, FollowFailure> {
        let at = self.performer.started + since;
        self.performer.now = at;
        self.drive(FollowEvent::Tick { at, open_tick })
    }

    /// The connection is lost.
    pub fn disconnect(&mut self) {
        self.performer.streams = false;
        self.follower.failed(&Error::DifferentServers);
    }

    fn drive(&mut self, event: FollowEvent<'_>) -> Result<bool, FollowFailure> {
        let Following { follower, performer } = self;
        match follower.drive(event, |follower, step| performer.perform(follower, step)) {
            Ok(()) => Ok(performer.streams),
            Err(error) => {
                performer.streams = false;
                follower.failed(&error);
                // The source tries again: with a resynchronization, or after the tables were repaired.
                if matches!(error, Error::Resync(_) | Error::Layout(_)) {
                    Ok(false)
                } else {
                    Err(FollowFailure(error.to_string()))
                }
            }
        }
    }

    /// Feeds everything that waits; returns how many changes there were.
    pub fn feed(&mut self, inputs: &mut Inputs) -> usize {
        let fed = self.performer.batches.len();
        for batch in self.performer.batches.drain(..) {
            self.performer.fed.take(batch, inputs);
        }
        fed
    }

    /// Adds the positions after everything fed.
    pub fn positions(&self, out: &mut Vec<Position>) {
        self.performer.fed.positions(out);
    }

    /// Everything before this place is among the rows fed or about to be, but for the tables that are passed over.
    #[must_use]
    pub fn place(&self) -> i64 {
        self.follower.place().0
    }

    /// Which tables are passed over, by number.
    #[must_use]
    pub fn broken(&self) -> [bool; 3] {
        self.follower.broken()
    }

    /// The place of the last reading, if there was one since this was asked, and the tables that were left out.
    pub fn take_reading(&mut self) -> Option<(i64, [bool; 3])> {
        self.performer.read.take()
    }

    /// Everything before `place` is durable.
    pub fn acknowledge(&self, place: i64) {
        self.performer.progress.acknowledge(place);
    }
}

impl<D: Database> Performer<D> {
    fn examine(&self) -> Examined {
        let tables = &self.settings.tables;
        let (mut identities, mut findings) = ([None, None, None], Vec::new());
        for (which, Definition { version, broken }) in SourceTable::ALL.into_iter().zip(self.database.definitions()) {
            if broken {
                let problem = format!("table {} has lost a column", tables.name(which));
                findings.push((which, Diagnostic { problem, mend: "bring it back".to_owned() }));
            } else {
                identities[which as usize] = Some(identity(which, tables, version));
            }
        }
        Examined { check: SchemaCheck::of(layout(), identities, findings), refused: None }
    }

    fn needed(&self) -> Option<String> {
        (!self.database.is_published()).then(|| "ALTER PUBLICATION".to_owned())
    }

    fn perform(&mut self, follower: &mut Follower, step: FollowStep) -> Result<Option<FollowEvent<'static>>, Error> {
        let at = self.now;
        Ok(Some(match step {
            FollowStep::CheckSlot => FollowEvent::SlotChecked(match self.database.slot() {
                SimulatedSlot::Missing => slot::Slot::Missing,
                SimulatedSlot::Lost => slot::Slot::Lost,
                SimulatedSlot::At(place) => slot::Slot::At(Lsn(place)),
            }),
            FollowStep::OpenSession { from, .. } => {
                self.from = from.0;
                let StreamFingerprint { at: timeline, hash: system } = self.database.fingerprint();
                let server = ServerIdentity { system, timeline, end: Lsn(self.database.end()) };
                FollowEvent::Identified { server, adopted: false }
            }
            FollowStep::CheckPublication => FollowEvent::PublicationChecked(self.needed()),
            FollowStep::Prepare { publication, .. } => {
                self.database.prepare(publication.is_some());
                FollowEvent::Prepared
            }
            FollowStep::ReadTables { key, without } => self.read(follower, &key, without)?,
            FollowStep::Stream => {
                self.database.start(self.from);
                self.streams = true;
                FollowEvent::Streaming { format: format(), at }
            }
            FollowStep::CheckTables => {
                let (examined, publication, end) = (self.examine(), self.needed(), Lsn(self.database.end()));
                FollowEvent::TablesChecked { examined, publication, end, at }
            }
            FollowStep::CheckSender => FollowEvent::SenderChecked { idle: false, at },
            FollowStep::Feed(batch) => {
                self.progress.hand(batch.change.len());
                self.batches.push_back(batch);
                return Ok(None);
            }
            FollowStep::Refuse(letter) => {
                self.scan(letter.offset, |scan| scan.refuse(letter))?;
                return Ok(None);
            }
            FollowStep::Confirm(place) => {
                self.database.confirm(place.0);
                return Ok(None);
            }
            FollowStep::Report => {
                follower.report();
                return Ok(None);
            }
        }))
    }

    fn scan<T>(&self, reading: i64, scanned: impl FnOnce(&TableScan<'_>) -> T) -> T {
        let (status, liveness) = (self.registry.source(NAME), Liveness::new());
        let pause = Box::new(|_| Ok(()));
        scanned(&TableScan { status: &status, letters: &self.letters, liveness: &liveness, pause, reading })
    }

    fn read(
        &mut self,
        follower: &mut Follower,
        key: &[String],
        without: [bool; 3],
    ) -> Result<FollowEvent<'static>, Error> {
        let (place, as_of) = (self.database.make_slot(), self.clock.now());
        let (tables, span) = (&self.settings.tables, self.settings.span(as_of));
        let (mut reading, refusals, _) = follower.cache.begin(tables, &layout(), without, span);
        self.scan(place, |scan| {
            for which in SourceTable::ALL.into_iter().filter(|which| !without[*which as usize]) {
                let key = (which == SourceTable::OrderItems).then_some(key);
                let source = TableQuery::new(tables, which, String::new(), &format(), key);
                let rows = self.database.copy(which as u32, span.cutoff());
                scan.rows(&*rows, &source, &self.dictionary, refusals, &mut reading)?;
            }
            Ok::<_, Error>(())
        })?;
        let read = reading.finish();
        let change = follower.cache.take(read, &self.registry.source(NAME));
        self.read = Some((place, without));
        Ok(FollowEvent::TablesRead { place: Lsn(place), change, as_of })
    }
}

fn layout() -> Layout {
    Layout { time: Some(TimeKind::Number), orders_keyed: true, products_keyed: true, ..Layout::default() }
}

fn format() -> ValueFormat {
    ValueFormat { time: Some(TimeKind::Number), ..ValueFormat::default() }
}

fn identity(which: SourceTable, tables: &Tables, version: u32) -> Identity {
    let key = if which == SourceTable::OrderItems { "line_id" } else { tables.columns(which)[0] };
    Identity { file: version, ..Identity::by_key(which as u32, vec![key.to_owned()]) }
}
