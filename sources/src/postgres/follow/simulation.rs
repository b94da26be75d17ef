//! The source on the calling thread, moved step by step, on a database in memory: for the simulation.
//!
//! The `Follower` decides; the code here answers its questions from a [`Database`], as the module `follow` does from a server.
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
use events::{DeadLetter, DeadLetterSender};

use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::follow::follower::{
    Examined, FollowReport, Follower, LogMessage, LogServer, OpenedSession, TablesRead,
};
use crate::postgres::follow::slot::Slot;
use crate::postgres::handover::{FedState, FeedBatch};
use crate::postgres::names::{SourceTable, Tables};
use crate::postgres::progress::ReaderProgress;
use crate::postgres::rows::table_cache::TableCache;
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
use crate::postgres::{Acknowledge, NAME, Resumed, Settings};

pub use database::{Database, Definition, ORDER_ITEMS, ORDERS, PRODUCTS, SimulatedSlot};

/// What a source is made from.
pub struct FollowingParts<D> {
    /// The server.
    pub database: D,
    /// The keys of ids.
    pub dictionary: Arc<Dictionary>,
    /// How long an order is kept from its time on.
    pub kept_ms: Millis,
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
    server: SimulatedServer<D>,
}

/// Answers the follower from the database, and holds the batches that wait for the feed.
struct SimulatedServer<D> {
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
        let FollowingParts { database, dictionary, kept_ms, clock, dead_letters, resumed } = parts;
        let resumed = resumed.map(|rows| rows.keeping(kept_ms));
        let progress =
            Arc::new(resumed.as_ref().map_or_else(ReaderProgress::fresh, |rows| ReaderProgress::resuming(rows.lsn)));
        let settings = Settings { kept_ms, acknowledge: Acknowledge::AfterCheckpoint, ..Settings::default() };
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
        let server = SimulatedServer {
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
        Following { follower, server }
    }

    /// Connects. Whether the log comes now.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn connect(&mut self) -> Result<bool, FollowFailure> {
        let done = self.follower.connect(&mut self.server);
        self.outcome(done)
    }

    /// A transaction begins whose commit is at that place. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn begin(&mut self, commit: i64) -> Result<bool, FollowFailure> {
        self.message(LogMessage::Begin(Lsn(commit)))
    }

    /// A message of the transaction, in pgoutput's own bytes. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn change(&mut self, bytes: &[u8]) -> Result<bool, FollowFailure> {
        self.message(LogMessage::Data(bytes))
    }

    /// The transaction is whole, and ends at `end`. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn commit(&mut self, end: i64, time: Millis) -> Result<bool, FollowFailure> {
        self.message(LogMessage::Commit { end: Lsn(end), time })
    }

    /// Everything committed before `end` has been sent. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn keep_alive(&mut self, end: i64) -> Result<bool, FollowFailure> {
        self.message(LogMessage::KeepAlive { end: Lsn(end) })
    }

    /// Time has passed: so much since the source was made. Whether the session goes on.
    ///
    /// # Errors
    /// See [`FollowFailure`].
    pub fn tick(&mut self, since: Duration, open_tick: Time) -> Result<bool, FollowFailure> {
        self.server.now = self.server.started + since;
        let done = self.follower.tick(&mut self.server, open_tick);
        self.outcome(done)
    }

    /// The connection is lost.
    pub fn disconnect(&mut self) {
        self.server.streams = false;
        self.follower.failed(&Error::DifferentServers);
    }

    fn message(&mut self, message: LogMessage<'_>) -> Result<bool, FollowFailure> {
        let done = self.follower.message(&mut self.server, message);
        self.outcome(done)
    }

    fn outcome(&mut self, done: Result<(), Error>) -> Result<bool, FollowFailure> {
        let Err(error) = done else { return Ok(self.server.streams) };
        self.server.streams = false;
        self.follower.failed(&error);
        // The source tries again: with a resynchronization, or after the tables were repaired.
        match error {
            Error::Resync(_) | Error::Layout(_) => Ok(false),
            error => Err(FollowFailure(error.to_string())),
        }
    }

    /// Feeds everything that waits; returns how many changes there were.
    pub fn feed(&mut self, inputs: &mut Inputs) -> usize {
        let fed = self.server.batches.len();
        for batch in self.server.batches.drain(..) {
            self.server.fed.take(batch, inputs);
        }
        fed
    }

    /// Adds the positions after everything fed.
    pub fn positions(&self, out: &mut Vec<Position>) {
        self.server.fed.positions(out);
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
        self.server.read.take()
    }

    /// Everything before `place` is durable.
    pub fn acknowledge(&self, place: i64) {
        self.server.progress.acknowledge(place);
    }
}

impl<D: Database> SimulatedServer<D> {
    fn scan<T>(&self, reading: i64, scanned: impl FnOnce(&TableScan<'_>) -> T) -> T {
        let (status, liveness) = (self.registry.source(NAME), Liveness::new());
        let pause = Box::new(|_| Ok(()));
        scanned(&TableScan { status: &status, letters: &self.letters, liveness: &liveness, pause, reading })
    }
}

impl<D: Database> LogServer for SimulatedServer<D> {
    fn examine(&mut self) -> Result<Examined, Error> {
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
        Ok(Examined { check: SchemaCheck::of(layout(), identities, findings), refused: None })
    }

    fn slot(&mut self) -> Result<Slot, Error> {
        Ok(match self.database.slot() {
            SimulatedSlot::Missing => Slot::Missing,
            SimulatedSlot::Lost => Slot::Lost,
            SimulatedSlot::At(place) => Slot::At(Lsn(place)),
        })
    }

    fn open_session(&mut self, _: &Layout, from: Lsn, _: Lsn) -> Result<OpenedSession, Error> {
        self.from = from.0;
        let StreamFingerprint { at: timeline, hash: system } = self.database.fingerprint();
        let server = ServerIdentity { system, timeline, end: Lsn(self.database.end()) };
        Ok(OpenedSession { server, adopted: false })
    }

    fn publication(&mut self, _: &SchemaCheck) -> Result<Option<String>, Error> {
        Ok((!self.database.is_published()).then(|| "ALTER PUBLICATION".to_owned()))
    }

    fn prepare(&mut self, _: &Slot, publication: Option<&str>) -> Result<(), Error> {
        self.database.prepare(publication.is_some());
        Ok(())
    }

    fn read_tables(&mut self, cache: &mut TableCache, key: &[String], without: [bool; 3]) -> Result<TablesRead, Error> {
        let (place, as_of) = (self.database.make_slot(), self.clock.now());
        let (tables, span) = (&self.settings.tables, self.settings.span(as_of));
        let (mut reading, refusals, _) = cache.begin(tables, &layout(), without, span);
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
        let change = cache.take(read, &self.registry.source(NAME));
        self.read = Some((place, without));
        Ok(TablesRead { place: Lsn(place), change, as_of })
    }

    fn stream(&mut self, _: &Layout) -> Result<ValueFormat, Error> {
        self.database.start(self.from);
        self.streams = true;
        Ok(format())
    }

    fn log_end(&mut self) -> Result<Lsn, Error> {
        Ok(Lsn(self.database.end()))
    }

    fn is_sender_idle(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn feed(&mut self, batch: FeedBatch) -> Result<(), Error> {
        self.progress.hand(batch.change.len());
        self.batches.push_back(batch);
        Ok(())
    }

    fn refuse(&mut self, letter: DeadLetter) -> Result<(), Error> {
        Ok(self.scan(letter.offset, |scan| scan.refuse(letter))?)
    }

    fn confirm(&mut self, place: Lsn) -> Result<(), Error> {
        self.database.confirm(place.0);
        Ok(())
    }

    fn report(&mut self, _: FollowReport) {}

    fn now(&self) -> Instant {
        self.now
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
