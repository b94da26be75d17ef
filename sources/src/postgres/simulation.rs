//! The source on the calling thread, moved step by step, on a database in memory: for the simulation.
//!
//! The [`Follower`] decides; the code here takes its steps on a [`Database`], as [`log`](super::log) takes them on a server.
//! Rows of a reading come in COPY's text, the log in pgoutput's bytes: both are decoded by the source's own code.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Position, StreamFingerprint};
use dataflow::inputs::Inputs;
use dataflow::source_status::SourceRegistry;
use dataflow::time::{Millis, ServiceClock, Time};
use events::DeadLetterSender;

use super::context::FeedBatch;
use super::diagnostic::Diagnostic;
use super::error::Error;
use super::feed::FedState;
use super::follower::{Event, Examined, Follower, LogMessage, Step};
use super::keys::Identity;
use super::layout::{Layout, TimeKind};
use super::liveness::Pulse;
use super::names::{Tables, Which};
use super::progress::Flow;
use super::schema_check::SchemaCheck;
use super::session::Server;
use super::slot::{self, Lsn};
use super::spelling::Spelling;
use super::table::{Scan, Source as TableSource};
use super::{Acknowledge, NAME, Postgres, Resumed, Settings};

/// The table `products`; its key is `product_id`. Also its number in arrays of all three tables.
pub const PRODUCTS: u32 = Which::Products as u32;

/// The table `orders`; its key is `order_id`.
pub const ORDERS: u32 = Which::Orders as u32;

/// The table `order_items`; its key is `line_id`.
pub const ORDER_ITEMS: u32 = Which::OrderItems as u32;

/// The state of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// There is none.
    Missing,
    /// The server has thrown away what it should have kept.
    Lost,
    /// A reader may go on from here or from any later place.
    At(i64),
}

/// A table as a look at it finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Changes with every statement that writes all rows anew, or changes a used column.
    pub version: u32,
    /// A used column is missing.
    pub broken: bool,
}

/// A server that is asked on the calling thread.
pub trait Database {
    /// By what the server is known.
    fn fingerprint(&self) -> StreamFingerprint;

    /// Where its log ends.
    fn end(&self) -> i64;

    /// The tables, by number.
    fn definitions(&self) -> [Definition; 3];

    /// Whether the publication has all tables that are not broken.
    fn is_published(&self) -> bool;

    /// The slot.
    fn slot(&self) -> Slot;

    /// Removes the slot, then makes the publication fit where that is asked for.
    fn prepare(&mut self, publish: bool);

    /// Makes a slot; returns its place.
    fn make_slot(&mut self) -> i64;

    /// The rows of a table as of the slot that was made last, as COPY writes them, with the columns of the key behind the
    /// used ones of `order_items`. Orders created at `cutoff` or before are left out, and their lines.
    fn copy(&self, table: u32, cutoff: Millis) -> Vec<u8>;

    /// The log comes from `from` on.
    fn start(&mut self, from: i64);

    /// Everything before `place` may be forgotten.
    fn confirm(&mut self, place: i64);
}

/// What a source is made from.
pub struct Parts<D> {
    /// The server.
    pub database: D,
    /// The keys of ids.
    pub dictionary: Arc<Dictionary>,
    /// How long an order counts.
    pub window_ms: Millis,
    /// Says what time it is.
    pub clock: Arc<dyn ServiceClock>,
    /// Where refused rows go.
    pub dead_letters: DeadLetterSender,
    /// The rows of an earlier process.
    pub resumed: Option<Resumed>,
}

/// The source has met what it must not meet. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

/// One source that follows one server's log.
pub struct Following<D> {
    follower: Follower,
    performer: Performer<D>,
}

/// Takes the steps, and holds what waits for the feed.
struct Performer<D> {
    database: D,
    settings: Settings,
    dictionary: Arc<Dictionary>,
    clock: Arc<dyn ServiceClock>,
    registry: SourceRegistry,
    letters: DeadLetterSender,
    flow: Arc<Flow>,
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
    pub fn new(parts: Parts<D>) -> Self {
        let Parts { database, dictionary, window_ms, clock, dead_letters, resumed } = parts;
        let flow = Arc::new(resumed.as_ref().map_or_else(Flow::fresh, |rows| Flow::resuming(rows.lsn)));
        let mut settings = Settings::new(&Postgres::default(), window_ms);
        settings.acknowledge = Acknowledge::AfterCheckpoint;
        let registry = SourceRegistry::default();
        let status = registry.source(NAME);
        let fed = FedState::new(flow.clone(), status.clone(), resumed.as_ref());
        let (place, resumed) = ("memory".to_owned(), resumed.as_ref());
        let follower =
            Follower::new(settings.clone(), place, dictionary.clone(), clock.clone(), status, flow.clone(), resumed);
        let (batches, started) = (VecDeque::new(), Instant::now());
        let performer = Performer {
            database,
            settings,
            dictionary,
            clock,
            registry,
            letters: dead_letters,
            flow,
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
    /// See [`Failure`].
    pub fn connect(&mut self) -> Result<bool, Failure> {
        let event = Event::Connected(self.performer.examine());
        self.drive(event)
    }

    /// A transaction begins whose commit is at that place. Whether the log goes on coming.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn begin(&mut self, commit: i64) -> Result<bool, Failure> {
        self.drive(Event::Message(LogMessage::Begin(Lsn(commit))))
    }

    /// A message of the transaction, in pgoutput's own bytes. Whether the log goes on coming.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn change(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        self.drive(Event::Message(LogMessage::Change(bytes)))
    }

    /// The transaction is whole, and ends at `end`. Whether the log goes on coming.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn commit(&mut self, end: i64, time: Millis) -> Result<bool, Failure> {
        self.drive(Event::Message(LogMessage::Commit { end: Lsn(end), time }))
    }

    /// Everything committed before `end` has been sent. Whether the log goes on coming.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn keep_alive(&mut self, end: i64) -> Result<bool, Failure> {
        self.drive(Event::Message(LogMessage::KeepAlive { end: Lsn(end) }))
    }

    /// Time has passed: so much since the source was made. Whether the log goes on coming.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn tick(&mut self, since: Duration, open_tick: Time) -> Result<bool, Failure> {
        let at = self.performer.started + since;
        self.performer.now = at;
        self.drive(Event::Tick { at, open_tick })
    }

    /// The connection is lost.
    pub fn disconnect(&mut self) {
        self.performer.streams = false;
        self.follower.failed(&Error::Elsewhere);
    }

    fn drive(&mut self, event: Event<'_>) -> Result<bool, Failure> {
        let Following { follower, performer } = self;
        match follower.drive(event, |follower, step| performer.perform(follower, step)) {
            Ok(()) => Ok(performer.streams),
            Err(error) => {
                performer.streams = false;
                follower.failed(&error);
                // Both are tried again: after a resynchronization, and when somebody has mended the tables.
                if matches!(error, Error::Resync(_) | Error::Layout(_)) {
                    Ok(false)
                } else {
                    Err(Failure(error.to_string()))
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
        self.performer.flow.acknowledge(place);
    }
}

impl<D: Database> Performer<D> {
    fn examine(&self) -> Examined {
        let tables = &self.settings.tables;
        let (mut identities, mut findings) = ([None, None, None], Vec::new());
        for (which, Definition { version, broken }) in Which::ALL.into_iter().zip(self.database.definitions()) {
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

    fn perform(&mut self, follower: &mut Follower, step: Step) -> Result<Option<Event<'static>>, Error> {
        let at = self.now;
        Ok(Some(match step {
            Step::CheckSlot => Event::SlotChecked(match self.database.slot() {
                Slot::Missing => slot::Slot::Missing,
                Slot::Lost => slot::Slot::Lost,
                Slot::At(place) => slot::Slot::At(Lsn(place)),
            }),
            Step::OpenSession { from, .. } => {
                self.from = from.0;
                let StreamFingerprint { at: timeline, hash: system } = self.database.fingerprint();
                let server = Server { system, timeline, end: Lsn(self.database.end()) };
                Event::Identified { server, adopted: false }
            }
            Step::CheckPublication => Event::PublicationChecked(self.needed()),
            Step::Prepare { publication, .. } => {
                self.database.prepare(publication.is_some());
                Event::Prepared
            }
            Step::ReadTables { key, without } => self.read(follower, &key, without)?,
            Step::Stream => {
                self.database.start(self.from);
                self.streams = true;
                Event::Streaming { spelling: spelling(), at }
            }
            Step::CheckTables => {
                let (examined, publication, end) = (self.examine(), self.needed(), Lsn(self.database.end()));
                Event::TablesChecked { examined, publication, end, at }
            }
            Step::CheckSender => Event::SenderChecked { idle: false, at },
            Step::Feed(batch) => {
                self.flow.hand(batch.change.len());
                self.batches.push_back(batch);
                return Ok(None);
            }
            Step::Refuse(letter) => {
                self.scan(letter.offset, |scan| scan.refuse(letter))?;
                return Ok(None);
            }
            Step::Confirm(place) => {
                self.database.confirm(place.0);
                return Ok(None);
            }
            Step::Report => {
                follower.report();
                return Ok(None);
            }
        }))
    }

    fn scan<T>(&self, reading: i64, scanned: impl FnOnce(&Scan<'_>) -> T) -> T {
        let (status, pulse) = (self.registry.source(NAME), Pulse::new());
        let pause = Box::new(|_| Ok(()));
        scanned(&Scan { status: &status, letters: &self.letters, pulse: &pulse, pause, reading })
    }

    fn read(&mut self, follower: &mut Follower, key: &[String], without: [bool; 3]) -> Result<Event<'static>, Error> {
        let (place, as_of) = (self.database.make_slot(), self.clock.now());
        let (tables, span) = (&self.settings.tables, self.settings.span(as_of));
        let (mut reading, refusals, _) = follower.cache.begin(tables, &layout(), without, span);
        self.scan(place, |scan| {
            for which in Which::ALL.into_iter().filter(|which| !without[*which as usize]) {
                let key = (which == Which::OrderItems).then_some(key);
                let source = TableSource::new(tables, which, String::new(), &spelling(), key);
                let rows = self.database.copy(which as u32, span.cutoff());
                scan.rows(&*rows, &source, &self.dictionary, refusals, &mut reading)?;
            }
            Ok::<_, Error>(())
        })?;
        let read = reading.finish();
        let change = follower.cache.take(read, &self.registry.source(NAME));
        self.read = Some((place, without));
        Ok(Event::TablesRead { place: Lsn(place), change, as_of })
    }
}

fn layout() -> Layout {
    Layout { time: Some(TimeKind::Number), orders_keyed: true, products_keyed: true, ..Layout::default() }
}

fn spelling() -> Spelling {
    Spelling { time: Some(TimeKind::Number), ..Spelling::default() }
}

fn identity(which: Which, tables: &Tables, version: u32) -> Identity {
    let key = if which == Which::OrderItems { "line_id" } else { tables.columns(which)[0] };
    Identity { file: version, ..Identity::by_key(which as u32, vec![key.to_owned()]) }
}
