//! One life of Vitrine: the real graph on one thread, the real checkpoints on the simulated disk, the real sources on
//! the simulated log and database. Dropping it is killing it.

mod database;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use checkpoints::simulation::FakeDisk;
use checkpoints::{Bounds, Fingerprint, Place, Restored, Series, ServedWatermark, Store, Taken, WatermarkFile};
use dataflow::cut::{Cut, Cuts};
use dataflow::dictionary::Dictionary;
use dataflow::feed::{Feed, Position};
use dataflow::graph::Plan;
use dataflow::index_reader::IndexReader;
use dataflow::publish::PublishedSnapshots;
use dataflow::rules::{EventRules, Rules};
use dataflow::source_status::SourceRegistry;
use dataflow::tables::{Catalogue, Lines, Orders};
use dataflow::time::{Millis, ServiceClock, Time};
use dataflow::worker_graph::WorkerGraph;
use events::{DeadLetter, TimeBounds};
use sources::kafka::driver::{ErasureParts, SourceParts, WatcherDriver};
use sources::postgres::simulation::{self, Following};
use sources::{kafka, postgres};
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use crate::clock::Clock;
use crate::log::reading::{Broker, Client};
use crate::log::{SharedLog, TOPICS};
use crate::plant::Plant;
use crate::server::{Connection, SharedServer};
use crate::world::{self, ID_KEY, KEPT_MS, RULES};

pub(crate) use database::RowsAt;

/// The directory of checkpoints and the served watermark.
const DIR: &str = "/checkpoints";

/// The file of the served watermark.
const MARK: &str = "served";

/// How far ahead of the clock the served watermark is raised.
const AHEAD_MS: Millis = 2_000;

/// Limit of updates in a delta log: low, so that it overflows sometimes.
const JOURNAL_MAX: usize = 150;

/// Low, so that both full checkpoints and deltas are taken.
const BOUNDS: Bounds = Bounds { changes_max: 4, changed_rows_min: 60, round_ms: 0 };

/// A day: no time of the simulation is later.
const DAY_MS: Millis = 24 * 3600 * 1000;

/// Limit of steps until a closed tick is visible.
const STEPS_MAX: usize = 10_000;

/// The parts of the world that outlive the process.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) log: SharedLog,
    pub(crate) server: SharedServer,
    pub(crate) disk: FakeDisk,
    pub(crate) plant: Option<Plant>,
}

/// A running process.
pub(crate) struct Process {
    outside: Outside,
    // Declared before the worker, and so dropped before it: they are part of its dataflows.
    worker_graph: WorkerGraph,
    feed: Box<dyn Feed>,
    watching: WatcherDriver<Broker, Client>,
    has_looked: bool,
    following: Following<Connection>,
    /// The number of the transaction that the connection delivers next; `None` without a connection.
    connected: Option<usize>,
    /// The places in the log of the database's rows.
    pub(crate) rows: RowsAt,
    /// How many times the tables were read since the last query of this number.
    pub(crate) readings: usize,
    /// The time of the start.
    since: Millis,
    reader: IndexReader,
    cuts: Arc<Cuts>,
    /// A cut that was taken and not written yet.
    cut: Option<Cut>,
    /// The tick of the latest cut, or of the start.
    cut_at: Time,
    /// The number of cuts since the last query of this number of which the delta log overflowed.
    pub(crate) overflows: usize,
    series: Series,
    mark: WatermarkFile,
    until: Time,
    /// The floor: older states must not be served.
    pub(crate) floor: Time,
    /// The tick from which it started.
    pub(crate) restored: Option<Time>,
    clock: Clock,
    unnoted: bool,
    /// The last noted place in the database's log.
    noted: Option<i64>,
    letters: Receiver<DeadLetter>,
    worker: Worker,
}

impl Process {
    /// Starts from the content of the disk.
    pub(crate) fn start(outside: &Outside, wall: Millis) -> Result<Process, String> {
        let (disk, dir) = (Arc::new(outside.disk.clone()), Path::new(DIR));
        let dictionary = world::dictionary();
        let place = Place { dir: dir.to_owned(), part: 0, parts: 1, keep: 2 };
        let id_key = Fingerprint::of(&ID_KEY);
        let mut store = Store::open(place, disk.clone()).map_err(|error| error.to_string())?;
        let latest = store.restore(id_key).map_err(|error| error.to_string())?;
        if let Some(finding) = latest.findings.first() {
            return Err(format!("a checkpoint that was written whole is damaged: {finding}"));
        }
        let restored = latest.checkpoint.map(|checkpoint| Restored::read(checkpoint, &dictionary)).transpose();
        let restored = restored.map_err(|error| error.to_string())?.map(Arc::new);

        let mut mark = WatermarkFile::open(dir, MARK, disk).map_err(|error| error.to_string())?;
        let floor = mark.read().unwrap_or_default().tick;
        let clock = Clock::new(floor.max(wall));
        let until = clock.now() + AHEAD_MS;
        mark.raise(noted(until)).map_err(|error| error.to_string())?;

        let (cuts, rules) = (Arc::new(Cuts::new(1, JOURNAL_MAX)), rules(outside.plant, restored.is_some()));
        let plan = Plan {
            cuts: Some(cuts.clone()),
            restored_at: restored.as_deref().map(Restored::tick),
            ..Plan::new(rules, dictionary.clone())
        };
        let snapshots = Arc::new(PublishedSnapshots::new(1));
        let reader = IndexReader::new(snapshots.clone(), dictionary.clone(), rules, plan.late_lines.clone());
        let config = dataflow::workers::config(1, 300).worker;
        let mut worker = Worker::new(config, Allocator::Thread(Thread::default()), Some(Instant::now()));
        let mut worker_graph = WorkerGraph::new(&mut worker, &plan, &snapshots);
        if let Some(restored) = &restored {
            restored.restore().start(&mut worker_graph, &mut worker);
        }
        worker_graph.keep_delta_log(JOURNAL_MAX);

        let (letters_in, letters) = sync_channel(100);
        let (watching, feed) = topics(outside, (&clock, &dictionary), restored.clone(), letters_in.clone());
        let following = tables(outside, &clock, &dictionary, restored.as_deref(), letters_in)?;
        let series = Series::new(store, id_key, dictionary, restored.as_deref(), BOUNDS);
        let restored = restored.map(|restored| restored.tick());
        let since = clock.now();
        let mut process = Process {
            outside: outside.clone(),
            worker_graph,
            feed,
            watching,
            has_looked: false,
            following,
            connected: None,
            rows: RowsAt::default(),
            readings: 0,
            since,
            reader,
            cuts,
            cut: None,
            cut_at: restored.unwrap_or_default(),
            overflows: 0,
            series,
            mark,
            until,
            floor,
            restored,
            clock,
            unnoted: false,
            noted: None,
            letters,
            worker,
        };
        process.show()?;
        Ok(process)
    }

    /// The clock of the machine shows `now`.
    pub(crate) fn pass(&mut self, wall: Millis) {
        let until = self.clock.now().max(wall) + AHEAD_MS;
        // If the watermark cannot be raised, time stands still.
        if until > self.until + AHEAD_MS / 2 && self.mark.raise(noted(until)).is_ok() {
            self.until = until;
        }
        self.clock.advance(wall, self.until);
    }

    /// The watcher checks the topics.
    pub(crate) fn look(&mut self, deep: bool) {
        if !std::mem::replace(&mut self.has_looked, true) {
            self.outside.log.borrow_mut().look_ahead();
        }
        self.watching.look(deep);
    }

    /// Feeds arrived records; returns whether there were any.
    pub(crate) fn feed(&mut self, budget: usize) -> Result<bool, String> {
        if self.connected.is_some() {
            let since = Duration::from_millis(self.clock.now() - self.since);
            let streams = self.following.tick(since, self.worker_graph.tick());
            self.note(streams)?;
        }
        self.outside.log.borrow_mut().open(self.worker_graph.tick());
        let fed = self.feed.feed(self.worker_graph.inputs(), budget).records
            + self.following.feed(self.worker_graph.inputs());
        self.unnoted |= fed > 0 || self.place() != self.noted;
        match self.letters.try_recv() {
            Ok(letter) => Err(format!("a good record was refused: {}", letter.detail)),
            Err(_) => Ok(fed > 0),
        }
    }

    /// Closes the open tick if time has advanced, possibly for a cut; returns the tick.
    pub(crate) fn close(&mut self, cut: bool) -> Option<Time> {
        let next = self.clock.now();
        if next <= self.worker_graph.tick() {
            return None;
        }
        if std::mem::take(&mut self.unnoted) {
            let mut positions: Vec<Position> = Vec::new();
            self.feed.positions(&mut positions);
            self.following.positions(&mut positions);
            self.noted = self.place();
            self.worker_graph.note(positions);
        }
        self.worker_graph.advance_to(next);
        let forgotten = self.worker_graph.inputs().forgotten_until();
        self.outside.log.borrow_mut().close(next, forgotten);
        if cut {
            self.worker_graph.cut(&self.cuts, next - 1);
        }
        Some(next - 1)
    }

    /// Runs the graph until all closed ticks are visible.
    pub(crate) fn show(&mut self) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            if self.reader.snapshots().closed() == self.worker_graph.tick() {
                if let Some(cut) = self.cuts.wait(Duration::ZERO) {
                    self.count_overflow(&cut);
                    if self.outside.plant == Some(Plant::AcknowledgeBeforeCheckpoint) {
                        let mut positions = cut.parts.iter().flat_map(|part| part.positions.iter());
                        let database = positions.find(|position| &*position.stream == postgres::NAME);
                        self.acknowledge(database.map(|position| position.next));
                    }
                    self.cut = Some(cut);
                }
                return Ok(());
            }
            self.worker.step();
            self.worker_graph.publish();
        }
        Err("a closed tick is never shown".to_owned())
    }

    /// A delta log is missing if it overflowed, or if it may hold an event of a user who was erased meanwhile.
    fn count_overflow(&mut self, cut: &Cut) {
        let is_missing = cut.parts.iter().any(|part| part.delta_log.is_none());
        let has_erasure = self.outside.log.borrow().has_erasure_after(self.cut_at);
        self.overflows += usize::from(is_missing && !has_erasure);
        self.cut_at = cut.tick;
    }

    /// The reader that gives the answers.
    pub(crate) fn reader(&self) -> &IndexReader {
        &self.reader
    }

    /// Writes the last cut, if there is one, and acknowledges the durable positions. Returns whether the checkpoint is
    /// full.
    pub(crate) fn write(&mut self) -> Result<Option<bool>, checkpoints::Error> {
        let Some(cut) = self.cut.take() else { return Ok(None) };
        let Some(Taken { full, pending, .. }) = self.series.take(cut, || true)? else { return Ok(None) };
        if let Ok(durable) = self.series.durable(pending) {
            self.acknowledge(durable.next(postgres::NAME));
        }
        Ok(Some(full))
    }

    fn acknowledge(&self, database: Option<i64>) {
        if let Some(next) = database {
            self.following.acknowledge(next);
        }
    }
}

/// The business numbers of a process.
fn rules(plant: Option<Plant>, is_restored: bool) -> Rules {
    match plant {
        Some(Plant::RepeatCounted) if is_restored => Rules { events: EventRules::OFF, ..RULES },
        Some(Plant::RetiredPairReturns) if is_restored => Rules { history_ms: Millis::MAX, ..RULES },
        _ => RULES,
    }
}

/// The source of the topics, on the simulated log.
fn topics(
    outside: &Outside,
    (clock, dictionary): (&Clock, &Arc<Dictionary>),
    restored: Option<Arc<Restored>>,
    dead_letters: SyncSender<DeadLetter>,
) -> (WatcherDriver<Broker, Client>, Box<dyn Feed>) {
    // With the planted bug, an erasure is known only when it is read in its place.
    let erasures = (outside.plant != Some(Plant::ErasureReadLate)).then(|| ErasureParts {
        upstream: Broker::new(outside.log.clone(), outside.plant),
        fetch: Client::looking_ahead(outside.log.clone(), outside.plant),
        topic: TOPICS[1].into(),
        dictionary: dictionary.clone(),
    });
    kafka::driver::open(SourceParts {
        erasures,
        upstream: Broker::new(outside.log.clone(), outside.plant),
        fetch: Client::new(outside.log.clone(), outside.plant),
        topics: TOPICS.into_iter().map(Into::into).collect(),
        answered_before: false,
        resume: Arc::new(move |topic, partition| restored.as_ref()?.position(topic, partition).cloned()),
        clock: Arc::new(clock.clone()),
        status: Arc::new(SourceRegistry::default()),
        dead_letters,
        bounds: TimeBounds { now: 0, future_max: DAY_MS, past_max: DAY_MS },
    })
}

/// The source of the tables, on the simulated server.
fn tables(
    outside: &Outside,
    clock: &Clock,
    dictionary: &Arc<Dictionary>,
    restored: Option<&Restored>,
    dead_letters: SyncSender<DeadLetter>,
) -> Result<Following<Connection>, String> {
    Ok(Following::new(simulation::FollowingParts {
        database: Connection(outside.server.clone()),
        dictionary: dictionary.clone(),
        kept_ms: KEPT_MS,
        clock: Arc::new(clock.clone()),
        dead_letters,
        resumed: restored.map(resumed).transpose()?,
    }))
}

/// The state from which the database source continues.
fn resumed(restored: &Restored) -> Result<postgres::Resumed, String> {
    let position = restored.position(postgres::NAME, 0);
    let read = |error: ::checkpoints::Error| error.to_string();
    Ok(postgres::Resumed {
        lsn: position.map_or(0, |position| position.next),
        fingerprint: position.and_then(|position| position.fingerprint),
        definitions: postgres::Definitions::restored(|stream, partition| restored.position(stream, partition)),
        orders: restored.copies_of::<Orders>().map_err(read)?,
        lines: restored.copies_of::<Lines>().map_err(read)?,
        catalogue: restored.copies_of::<Catalogue>().map_err(read)?,
    })
}

/// The value for a process that shows any state: every source of the simulation has caught up by then.
fn noted(tick: Time) -> ServedWatermark {
    ServedWatermark { tick, begun: true, caught_up: true }
}
