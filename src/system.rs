//! Starts and stops the whole system: `vitrine serve` runs it, and tests run it in their own process.
//!
//! ```text
//! start: (checkpoint ─▶ the other processes) ─▶ log ─▶ dead letters ─▶ sources ─▶ engine ─▶ server
//! stop:  server answers requests in flight ─▶ engine ─▶ sources ─▶ remaining data is written
//! ```

pub(crate) mod access;
mod als;
mod archiving;
mod attributes;
mod background;
pub(crate) mod certificate;
mod checkpoints;
pub(crate) mod cluster;
mod content;
mod copies;
pub(crate) mod descriptors;
mod file_watch;
mod list_copies;
mod log;
mod origin;
mod outlets;
mod port;
pub(crate) mod settings;
mod shadow;
pub(crate) mod shop_rows;
pub(crate) mod sources;
pub mod stage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use archive::Running as Archiving;
use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::feed::OpenFeeds;
use dataflow::ids::Ids;
use dataflow::index_reader::IndexReader;
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock;
use query_server::{App, AuditLog, EventWriter, Floor, Running, ShadowLists, Shutdown};
use recommend::shadow::{ListMaker, ShadowHits};
use recommend::{ContentModel, Models, Online, Recommender};
use sinks::changes::Changes;
use sinks::dead_letters::DeadLetterWriter;
use store::Follow;

use self::access::Keys;
use self::als::{AlsThread, Using};
use self::background::BackgroundThread;
use self::certificate::Certificate;
use self::checkpoints::{AcknowledgePositions, Found, Keeper, Keeping, Restored, WatermarkThread};
use self::cluster::Watchdog;
use self::content::ContentThread;
use self::list_copies::{ListCopies, Lists, Prepared};
use self::origin::StartingPoint;
use self::outlets::Outlets;
use self::port::Port;
use self::shop_rows::ShopRows;
use self::sources::Sources;
use self::stage::Stage;
use crate::audit::FileAudit;
use crate::clock::{LaterClock, WallClock, wall_ms};
use crate::config::Config;
use crate::event_writer::LogEventWriter;
use crate::learned::content::{ContentMaker, descriptions};

/// The share of the time left after the last answer that a last checkpoint may take.
const CHECKPOINT_SHARE: u32 = 2;

/// The share of the time left after the last answer that the end of a training may take.
const TRAINING_SHARE: u32 = 4;

/// The time that the exit itself may take, in a process that leaves the cluster without process 0.
const EXIT: Duration = Duration::from_millis(200);

/// A running Vitrine.
pub struct System {
    server: Running,
    shutdown: Shutdown,
    engine: Engine,
    event_writer: Arc<dyn EventWriter>,
    letters: DeadLetterWriter,
    changes: Option<Changes>,
    keeper: Option<Keeper>,
    als: Option<AlsThread>,
    archive: Option<Archiving>,
    list_copies: ListCopies,
    // Kept until the last answer has been given.
    _of_products: OfProducts,
    /// Whether another process decides when the workers end.
    follows: bool,
    stage: Arc<Stage>,
    // Kept until the last answer has been given.
    _keys: Keys,
    _certificate: Certificate,
    // Kept until the workers have ended.
    _watchdog: Option<Watchdog>,
    // Kept until the last answer has been given.
    _watermark: Option<WatermarkThread>,
}

impl System {
    /// Starts everything that `config` names. An unreachable service is not an error: the system waits for it.
    ///
    /// # Errors
    /// When a setting cannot work, the address is in use, or the operating system denies a thread or a directory.
    pub fn start(config: &Config) -> anyhow::Result<System> {
        let (keys, certificate, audit) = (Keys::start(config)?, Certificate::start(config)?, audit(config)?);
        let port = Port::take(config, certificate.tls())?;
        let (online, hits) = (online(config), shadow::hits(config));
        let registry = Arc::new(shadow::registry(online.as_ref(), hits.as_ref()));
        let dictionary = Arc::new(dictionary(config));
        let mut origin = StartingPoint::find(config, &dictionary, &registry)?;
        let mut outlets = Outlets::start(config, &dictionary, &registry)?;
        let ShopRows { store, followed } = ShopRows::open(config).context("the store cannot be opened")?;
        let Sources { open_feeds, acknowledge } =
            sources::make(config, &origin, &registry, &outlets.letters_in, followed.clone())?;
        let (cluster, peers) = origin.member.take().map(|member| (member.cluster, member.peers)).unzip();
        let list_copies = Prepared::new(config, &dictionary)?;
        let settings = engine_settings(config, &origin, &mut outlets, open_feeds, (&dictionary, &registry));
        let engine = Engine::start_in(Settings { touched: list_copies.touches(), ..settings }, cluster)?;
        let watchdog = watchdog(config, &engine, &origin.clock)?;
        let keeper = keeper(config, origin.found.take(), &engine, &outlets, dictionary, acknowledge)?;
        let als = als(config, &engine, &origin.clock)?;
        let of_products = OfProducts::start(config, followed, &engine)?;
        let archive = archiving::start(config)?;
        let (recommender, shadow) = recommenders(config, &engine, als.as_ref(), of_products.content.as_ref(), hits);
        let floor = Floor { as_of: origin.floor.tick, caught_up: origin.floor.caught_up };
        let list_copies = list_copies.start(&Lists::new(&engine, &recommender, &origin.clock, floor, config))?;
        let clock = LaterClock::new(origin.clock.clone(), wall_ms);
        let event_writer: Arc<dyn EventWriter> = Arc::new(LogEventWriter::new(outlets.log, clock));
        let app = App {
            reader: engine.reader().clone(),
            recommender,
            online,
            shadow,
            registry,
            ticks: engine.tick_counter(),
            clock: origin.clock,
            floor,
            checkpoints: keeper.as_ref().map(Keeper::last),
            als: als.as_ref().map(AlsThread::status),
            content: of_products.content.as_ref().map(ContentThread::status),
            archive: archive.as_ref().map(archiving::status),
            sinks: list_copies.status(),
            event_writer: event_writer.clone(),
            access: keys.access(),
            audit,
            store,
            copies: copies::of(config).into(),
            tls: certificate.tls(),
            peers,
            workers: config.dataflow.workers,
            version: env!("CARGO_PKG_VERSION"),
            embedded: embedded(config),
        };
        let shutdown = Shutdown::new();
        let server = query_server::serve(port.hand_over(), settings::server(config), app, shutdown.clone())?;
        Ok(System {
            server,
            shutdown,
            engine,
            event_writer,
            letters: outlets.letters,
            changes: outlets.changes,
            keeper,
            als,
            archive,
            list_copies,
            _of_products: of_products,
            follows: !config.cluster.leads(),
            stage: Arc::new(Stage::default()),
            _keys: keys,
            _certificate: certificate,
            _watchdog: watchdog,
            _watermark: origin.watermark,
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

    /// The log for events, as if they had come over HTTP.
    #[must_use]
    pub fn event_writer(&self) -> &Arc<dyn EventWriter> {
        &self.event_writer
    }

    /// Whether the workers have ended, because process 0 of the cluster has ended all.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.engine.wait_for_the_end(Duration::ZERO)
    }

    /// What the shutdown waits for now, readable while it runs.
    #[must_use]
    pub fn stage(&self) -> Arc<Stage> {
        self.stage.clone()
    }

    /// Stops accepting connections, answers the requests in flight, and writes all remaining data, within `patience`. If
    /// process 0 of the cluster does not end by then, this process exits with status 1.
    ///
    /// # Errors
    /// When a thread had panicked, or remaining data could not be written in time.
    pub fn stop(self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        let stage = self.stage;
        if let Some(archive) = &self.archive {
            archive.end_by(deadline);
        }
        stage.is_at("requests in flight to be answered");
        self.shutdown.begin();
        let served = self.server.join();
        stage.is_at("a training to end");
        if let Some(als) = self.als {
            als.finish(Instant::now() + left() / TRAINING_SHARE);
        }
        stage.is_at("process 0 of the cluster to end");
        // The other processes may need this process's workers until the end. A process that leaves them without notice
        // looks like a killed one.
        if self.follows && !self.engine.wait_for_the_end(left().saturating_sub(EXIT)) {
            cluster::sever();
        }
        if let Some(changes) = &self.changes {
            changes.stop_by(deadline);
        }
        stage.is_at("the disk to take a last checkpoint");
        if let Some(keeper) = self.keeper {
            keeper.finish(Instant::now() + left() / CHECKPOINT_SHARE);
        }
        // The sources end with the workers, and with them all senders of dead letters.
        stage.is_at("workers and sources to end");
        let stopped = self.engine.stop();
        self.list_copies.end();
        stage.is_at("dead letters and changes to be written");
        let lettered = self.letters.finish(left());
        let changed = self.changes.map_or(Ok(()), |changes| changes.finish(left()));
        stage.is_at("copies of lists to be written");
        self.list_copies.finish(deadline);
        stage.is_at("the archive to take the last records");
        if let Some(archive) = self.archive {
            archive.finish();
        }
        stage.is_at("the disk to take the served watermark");
        served?;
        stopped?;
        lettered?;
        Ok(changed?)
    }
}

/// What the engine starts with.
fn engine_settings(
    config: &Config,
    origin: &StartingPoint,
    outlets: &mut Outlets,
    open_feeds: OpenFeeds,
    (dictionary, registry): (&Arc<Dictionary>, &Arc<SourceRegistry>),
) -> Settings {
    Settings {
        workers: config.dataflow.workers,
        rules: config.rules,
        ticks: config.dataflow.ticks,
        idle_merge_effort: config.dataflow.idle_merge_effort,
        dictionary: dictionary.clone(),
        clock: origin.clock.clone(),
        open_feeds,
        changes: outlets.changes_in.take(),
        touched: None,
        restore: origin.restored.as_ref().map(Restored::restore),
        journal_max: origin.found.as_ref().map(|found| found.journal_max),
        registry: registry.clone(),
        lease: origin.lease(),
    }
}

/// Starts to write checkpoints, if a directory for them is configured.
fn keeper(
    config: &Config,
    found: Option<Found>,
    engine: &Engine,
    outlets: &Outlets,
    dictionary: Arc<Dictionary>,
    acknowledge: AcknowledgePositions,
) -> anyhow::Result<Option<Keeper>> {
    let (Some(found), Some(cuts)) = (found, engine.cuts()) else { return Ok(None) };
    let (cuts, settle, leads) = (cuts.clone(), Box::new(outlets.letters.settling()), config.cluster.leads());
    Ok(Some(Keeper::start(found, Keeping { cuts, dictionary, settle, acknowledge, leads })?))
}

/// Starts to use factor models, if they are on.
fn als(config: &Config, engine: &Engine, clock: &Arc<dyn ServiceClock>) -> anyhow::Result<Option<AlsThread>> {
    let using = || Using {
        settings: config.als.clone(),
        reader: engine.reader().clone(),
        ticks: engine.tick_counter(),
        clock: clock.clone(),
    };
    config.als.enabled.then(|| AlsThread::start(using())).transpose()
}

/// The threads that read what the shop says of its products, each if it is on and there are products to read.
struct OfProducts {
    content: Option<ContentThread>,
    _attributes: Option<BackgroundThread>,
}

impl OfProducts {
    fn start(config: &Config, store: Option<Arc<dyn Follow>>, engine: &Engine) -> anyhow::Result<OfProducts> {
        let attributes = attributes::start(config, store.clone(), engine.reader())?;
        let home = descriptions(config, store).filter(|_| config.content.enabled);
        let start = |home| -> anyhow::Result<ContentThread> {
            let maker = ContentMaker::new(home, config.content.clone(), engine.reader().dictionary().clone())?;
            ContentThread::start(maker, config.content.every)
        };
        Ok(OfProducts { content: home.map(start).transpose()?, _attributes: attributes })
    }
}

/// The audit log, if a file for it is configured.
fn audit(config: &Config) -> anyhow::Result<Option<Arc<dyn AuditLog>>> {
    let Some(path) = config.sinks.audit.clone() else { return Ok(None) };
    let named = format!("the audit log {} cannot be written", path.display());
    Ok(Some(Arc::new(FileAudit::open(path).context(named)?)))
}

/// Counts what becomes of recommendations, if this is on.
fn online(config: &Config) -> Option<Arc<Online>> {
    let clock = || Arc::new(WallClock::new(Duration::from_millis(config.dataflow.forward_jump_max_ms)));
    config.online.enabled.then(|| Arc::new(Online::new(config.online.clone(), clock())))
}

/// The models that are not in the graph.
fn models(config: &Config, als: Option<&AlsThread>, content: Option<&ContentThread>) -> Models {
    let newest = config.content.newest;
    Models {
        als: als.map(|als| als.slot().clone()),
        content: content.map(|content| ContentModel { slot: content.slot().clone(), newest }),
    }
}

/// What composes the lists of the shop, and the lists of the shadow if it is on.
fn recommenders(
    config: &Config,
    engine: &Engine,
    als: Option<&AlsThread>,
    content: Option<&ContentThread>,
    hits: Option<Arc<ShadowHits>>,
) -> (Arc<Recommender>, Option<ShadowLists>) {
    let models = models(config, als, content);
    let make = |reader: &IndexReader| {
        let settings = config.recommendations.clone();
        Arc::new(Recommender::new(reader.rules(), settings, &config.test, models.clone()))
    };
    let live = ListMaker { reader: engine.reader().clone(), recommender: make(engine.reader()) };
    (live.recommender.clone(), shadow::lists(live, hits, make))
}

fn watchdog(config: &Config, engine: &Engine, clock: &Arc<dyn ServiceClock>) -> std::io::Result<Option<Watchdog>> {
    let stall = config.cluster.stall;
    let start = || Watchdog::start(engine.reader().snapshots().clone(), engine.tick_counter(), clock.clone(), stall);
    config.cluster.is_shared().then(start).transpose()
}

fn dictionary(config: &Config) -> Dictionary {
    let dictionary = Dictionary::new(Ids::new(config.dataflow.id_key));
    let dictionary = if config.checkpoints_written().is_some() { dictionary.saving() } else { dictionary };
    let dictionary = if config.cluster.is_shared() { dictionary.announcing() } else { dictionary };
    if config.sinks.needs_users() { dictionary.remembering_users() } else { dictionary }
}

/// The outlets that use files in place of a service.
#[must_use]
pub fn embedded(config: &Config) -> Vec<String> {
    let has_store = config.store.is_some() && config.postgres.is_none();
    let parts: &[&str] = match (&config.files, &config.kafka, &config.postgres) {
        (Some(_), None, None) if has_store => &["views", "log", "store"],
        (Some(_), None, None) => &["views", "orders", "catalogue", "log"],
        _ if has_store => &["store"],
        _ => &[],
    };
    parts.iter().copied().map(str::to_owned).collect()
}
