//! The whole system, started and stopped: what `vitrine serve` runs, and what tests run in their own process.
//!
//! ```text
//! start: (checkpoint ─▶ the other processes) ─▶ log ─▶ dead letters ─▶ sources ─▶ engine ─▶ server
//! stop:  server answers what is in flight ─▶ engine ─▶ sources ─▶ what is left is written
//! ```

mod checkpoints;
pub(crate) mod cluster;
pub(crate) mod descriptors;
mod log;
pub(crate) mod settings;
pub(crate) mod sources;
pub mod stage;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use ::checkpoints::ServedWatermark;
use anyhow::{Context as _, bail};
use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::graph::{ChangeOutlet, Changed};
use dataflow::ids::Ids;
use dataflow::index_reader::IndexReader;
use dataflow::lease::TimestampLease;
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock;
use query_server::{App, EventWriter, Floor, Running, Shutdown};
use sinks::changes::{Changes, ROWS_MAX};
use sinks::dead_letters::DeadLetters;

use self::checkpoints::{Keeper, Keeping, Restored, WatermarkThread};
use self::cluster::{Member, Start, Watchdog};
use self::stage::Stage;
use crate::clock::{LaterClock, WallClock, wall_ms};
use crate::config::{self, Config};
use crate::event_writer::LogEventWriter;

/// Dead letters that may wait for the log; when they are as many, sources pause.
const LETTERS_MAX: usize = 10_000;

/// Of the time that is left when the last answer has been given, the share that a last checkpoint may take.
const CHECKPOINT_SHARE: u32 = 2;

/// A running Vitrine.
pub struct System {
    server: Running,
    shutdown: Shutdown,
    engine: Engine,
    event_writer: Arc<dyn EventWriter>,
    letters: DeadLetters,
    changes: Option<Changes>,
    keeper: Option<Keeper>,
    /// Whether another process says when the workers end.
    follows: bool,
    stage: Arc<Stage>,
    // Until the workers have ended.
    _watchdog: Option<Watchdog>,
    // Until the last answer has been given.
    _served: Option<WatermarkThread>,
}

impl System {
    /// Starts everything `config` names. Services that are away are no error: they are waited for.
    ///
    /// # Errors
    /// When a setting cannot work, the address is taken, or the operating system refuses a thread or a directory.
    pub fn start(config: &Config) -> anyhow::Result<System> {
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let registry = Arc::new(SourceRegistry::default());
        let dictionary = Arc::new(dictionary(config));
        // Files are read anew at every start, from which the same follows.
        let mut found = match config.checkpoint.as_ref().filter(|_| config.files.is_none()) {
            Some(settings) => Some(checkpoints::open(settings, config, &dictionary)?),
            None => None,
        };
        let (timing, member) = together(config, &mut found, &dictionary, &registry)?;
        let Timing { served, clock, floor } = timing;
        let restored = found.as_ref().and_then(|found| found.restored.clone());
        let log = log::open(config, &registry)?;
        let (outlet, letters) = sync_channel(LETTERS_MAX);
        let letters = DeadLetters::start(
            log.clone(),
            letters,
            LETTERS_MAX,
            log::letter_record,
            log::report(&registry, "dead-letters"),
        )?;
        let changes = match &config.sinks.changes {
            // All changes come to process 0.
            Some(file) if config.cluster.leads() => {
                let report = log::report(&registry, "changes");
                Some(Changes::start(file.clone(), dictionary.clone(), ROWS_MAX, report)?)
            }
            _ => None,
        };
        let (changes, changes_outlet) = changes.unzip();
        let changes_outlet = changes_outlet.or_else(|| nowhere(config));
        let noted = floor_of(floor, restored.as_deref());
        let floor = Floor { as_of: noted.tick, caught_up: noted.caught_up };
        let sources = sources::make(config, &clock, &registry, &outlet, restored.as_ref(), noted)?;
        let (cluster, peers) = member.map(|Member { cluster, peers, .. }| (cluster, peers)).unzip();
        let settings = Settings {
            workers: config.dataflow.workers,
            rules: config.rules,
            ticks: config.dataflow.ticks,
            idle_merge_effort: config.dataflow.idle_merge_effort,
            dictionary: dictionary.clone(),
            clock: clock.clone(),
            open_feeds: sources.open_feeds,
            changes: changes_outlet,
            restore: restored.as_ref().map(Restored::restore),
            journal_max: found.as_ref().map(|found| found.journal_max),
            registry: registry.clone(),
            lease: served.as_ref().map(|served| served.lease() as Arc<dyn TimestampLease>),
        };
        let engine = Engine::start_in(settings, cluster)?;
        let watchdog = watchdog(config, &engine, &clock)?;
        let keeper = match (found, engine.cuts()) {
            (Some(found), Some(cuts)) => {
                let (cuts, leads) = (cuts.clone(), config.cluster.leads());
                let settle = Box::new(letters.settling());
                let keeping = Keeping { cuts, dictionary, settle, acknowledge: sources.acknowledge, leads };
                Some(Keeper::start(found, keeping)?)
            }
            _ => None,
        };
        let event_writer: Arc<dyn EventWriter> =
            Arc::new(LogEventWriter::new(log, LaterClock::new(clock.clone(), wall_ms)));
        let app = App {
            reader: engine.reader().clone(),
            registry,
            ticks: engine.tick_counter(),
            clock,
            floor,
            checkpoints: keeper.as_ref().map(Keeper::last),
            event_writer: event_writer.clone(),
            peers,
            workers: config.dataflow.workers,
            version: env!("CARGO_PKG_VERSION"),
            embedded: embedded(config),
        };
        let shutdown = Shutdown::new();
        let server = query_server::serve(listener, settings::server(config), app, shutdown.clone())?;
        let follows = !config.cluster.leads();
        Ok(System {
            server,
            shutdown,
            engine,
            event_writer,
            letters,
            changes,
            keeper,
            follows,
            stage: Arc::new(Stage::default()),
            _watchdog: watchdog,
            _served: served,
        })
    }

    /// The address the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The read side.
    #[must_use]
    pub fn reader(&self) -> &IndexReader {
        self.engine.reader()
    }

    /// Where events go, as if they had come over HTTP.
    #[must_use]
    pub fn event_writer(&self) -> &Arc<dyn EventWriter> {
        &self.event_writer
    }

    /// Whether the workers have ended, because process 0 of the cluster has ended all.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.engine.wait_for_the_end(Duration::ZERO)
    }

    /// What the end waits for, for whoever watches it.
    #[must_use]
    pub fn stage(&self) -> Arc<Stage> {
        self.stage.clone()
    }

    /// Stops accepting, answers what is in flight, and writes what is left, within `patience`.
    ///
    /// # Errors
    /// When a thread had panicked, or something given could not be written in time.
    pub fn stop(self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        let stage = self.stage;
        stage.is_at("what is in flight to be answered");
        self.shutdown.begin();
        let served = self.server.join();
        stage.is_at("process 0 of the cluster to end");
        // The others may need this process's workers to the last. To leave them without a word is to be killed.
        if self.follows && !self.engine.wait_for_the_end(left()) {
            bail!("process 0 of the cluster did not end in time");
        }
        if let Some(changes) = &self.changes {
            changes.stop_by(deadline);
        }
        stage.is_at("the disk to take a last checkpoint");
        if let Some(keeper) = self.keeper {
            keeper.finish(Instant::now() + left() / CHECKPOINT_SHARE);
        }
        // The sources go with the workers, and with them every sender of dead letters.
        stage.is_at("workers and sources to end");
        let stopped = self.engine.stop();
        stage.is_at("dead letters and changes to be written");
        let lettered = self.letters.finish(left());
        let changed = self.changes.map_or(Ok(()), |changes| changes.finish(left()));
        stage.is_at("the disk to take the mark of what was answered");
        served?;
        stopped?;
        lettered?;
        Ok(changed?)
    }
}

/// The service clock, and what may be answered by it.
struct Timing {
    served: Option<WatermarkThread>,
    clock: Arc<dyn ServiceClock>,
    /// What was answered with before, if anything was.
    floor: Option<ServedWatermark>,
}

/// Joins the other processes, if there are any, and goes on from what process 0 goes on from.
fn together(
    config: &Config,
    found: &mut Option<checkpoints::Found>,
    dictionary: &Dictionary,
    registry: &SourceRegistry,
) -> anyhow::Result<(Timing, Option<Member>)> {
    let own = found.as_ref().and_then(|found| found.restored.as_ref()).map(|restored| restored.tick());
    if config.cluster.leads() {
        let timing = timing(config, registry)?;
        let start = config.cluster.is_shared().then(|| Start::new(own, timing.floor)).transpose()?;
        let member = start.map(|start| cluster::join(config, Some(start))).transpose()?;
        return Ok((timing, member));
    }
    let member = cluster::join(config, None)?;
    if let Some(tick) = cluster::agree(own, &member.start)? {
        found.as_mut().context("process 0 goes on from a checkpoint")?.go_on_from(tick, dictionary)?;
    }
    // Ticks and their times come from process 0, which keeps the mark of how far answers may go.
    let floor = member.start.floor;
    let clock = clock_after(config, floor);
    Ok((Timing { served: None, clock, floor }, Some(member)))
}

/// The service clock; where checkpoints are kept, what was answered with is noted beside them.
fn timing(config: &Config, registry: &SourceRegistry) -> anyhow::Result<Timing> {
    let start = |settings: &config::Checkpoint| WatermarkThread::start(&settings.dir, registry.source("answers"));
    let served = config.checkpoint.as_ref().map(start).transpose()?;
    let floor = served.as_ref().and_then(WatermarkThread::floor);
    Ok(Timing { served, clock: clock_after(config, floor), floor })
}

/// A clock that does not begin before what was answered with.
fn clock_after(config: &Config, floor: Option<ServedWatermark>) -> Arc<WallClock> {
    let forward_jump_max = Duration::from_millis(config.dataflow.forward_jump_max_ms);
    Arc::new(WallClock::from(floor.map_or(0, |floor| floor.tick), forward_jump_max))
}

/// What the server may answer with. Nothing was shown that is older than what was restored, also where the mark is gone;
/// then it is not known whether more was.
fn floor_of(noted: Option<ServedWatermark>, restored: Option<&Restored>) -> ServedWatermark {
    let unknown = noted.is_none();
    let restored =
        restored.map(|restored| ServedWatermark { tick: restored.tick(), begun: unknown, caught_up: unknown });
    noted.unwrap_or_default().and(restored.unwrap_or_default())
}

/// Where changes go in a process that gets none: the graph is the same in all of them.
fn nowhere(config: &Config) -> Option<ChangeOutlet> {
    config.sinks.changes.as_ref().map(|_| Arc::new(std::sync::Mutex::new(|_: Changed| {})) as ChangeOutlet)
}

fn watchdog(config: &Config, engine: &Engine, clock: &Arc<dyn ServiceClock>) -> std::io::Result<Option<Watchdog>> {
    let stall = config.cluster.stall;
    let start = || Watchdog::start(engine.reader().snapshots().clone(), engine.tick_counter(), clock.clone(), stall);
    config.cluster.is_shared().then(start).transpose()
}

fn dictionary(config: &Config) -> Dictionary {
    let dictionary = Dictionary::new(Ids::new(config.dataflow.id_key));
    let dictionary = if config.checkpoint.is_some() { dictionary.saving() } else { dictionary };
    let dictionary = if config.cluster.is_shared() { dictionary.announcing() } else { dictionary };
    if config.sinks.changes.is_some() { dictionary.remembering_users() } else { dictionary }
}

/// The parts that are files where a service could be.
#[must_use]
pub fn embedded(config: &Config) -> Vec<String> {
    let parts = match (&config.files, &config.kafka, &config.postgres) {
        (Some(_), None, None) => &["views", "orders", "catalogue", "log"][..],
        _ => &[],
    };
    parts.iter().map(|part| (*part).to_owned()).collect()
}
