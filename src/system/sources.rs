//! The configured sources, opened once in every worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use archive::LiveArchive;
use checkpoints::{Durable, ServedWatermark};
use dataflow::feed::{Feed, OpenFeeds, WorkerContext};
use dataflow::freshness::InputKind;
use dataflow::source_status::SourceRegistry;
use dataflow::tables;
use events::DeadLetter;
use sources::{files, kafka, postgres, store};

use super::checkpoints::{AcknowledgePositions, Restored};
use super::origin::StartingPoint;
use crate::clock::{LaterClock, wall_ms};
use crate::config::{self, Config};

/// Sources that are ready to be opened.
pub(super) struct Sources {
    /// Opens a worker's share of each source.
    pub(super) open_feeds: OpenFeeds,
    /// Receives the positions that have become durable.
    pub(super) acknowledge: AcknowledgePositions,
}

/// Makes the sources; they continue from the restored positions.
pub(super) fn make(
    config: &Config,
    origin: &StartingPoint,
    registry: &Arc<SourceRegistry>,
    letters: &SyncSender<DeadLetter>,
    rows: Option<Arc<dyn ::store::Follow>>,
) -> anyhow::Result<Sources> {
    let StartingPoint { clock, floor, .. } = origin;
    let restored = origin.restored.as_ref();
    let kafka = config.kafka.as_ref().map(|settings| -> anyhow::Result<_> {
        let rows = restored.cloned();
        let resume = Arc::new(move |topic: &str, partition| rows.as_ref()?.position(topic, partition).cloned());
        let clock = Arc::new(LaterClock::new(clock.clone(), wall_ms));
        // Only counts cannot tell events before an erasure from later ones.
        let erasures = config.rules.features.enabled.then(|| settings.removals.clone());
        // The log makes it.
        let made_here = vec![settings.removals.clone()];
        let (rules, settings) = (settings.rules.clone(), of_kafka(settings));
        let ServedWatermark { begun, caught_up: answered_before, .. } = *floor;
        // Every topic has a partition 0.
        let is_kept = |topic: &String| restored.is_some_and(|restored| restored.position(topic, 0).is_some());
        let awaited = begun || settings.topics.iter().any(is_kept);
        let settings = kafka::Settings { answered_before, awaited, made_here, rules, erasures, ..settings };
        let store = archive::store::open(&config.archive)?;
        let past = store.map(|store| Arc::new(LiveArchive::new(store, &config.archive)) as Arc<dyn kafka::past::Past>);
        let from = kafka::ReadFrom { resume, past };
        Ok(kafka::Source::resuming(settings, clock, registry, letters.clone(), from)?)
    });
    // One worker reads the database: a worker of process 0.
    let postgres = match config.postgres.as_ref().filter(|_| config.cluster.leads()) {
        Some(settings) => {
            let (settings, resumed) = (of_postgres(settings, config), restored.map(resumed).transpose()?);
            Some(Arc::new(postgres::Source::new(settings, clock.clone(), registry, letters.clone(), resumed)?))
        }
        None => {
            if config.postgres.is_some() {
                registry.elsewhere(postgres::NAME, &[InputKind::Shop]);
            }
            None
        }
    };
    let rules = rule_table(config, origin, registry, letters)?;
    let files = config.files.as_ref().map(|files| {
        let (used, tables) = (config.rules.event_use(), config.store.is_none());
        let settings =
            files::Settings { used, tables, ..files::Settings::new(&files.dir, config.rules.orders_held_ms()) };
        files::Source::new(settings, clock.clone(), registry, letters.clone())
    });
    let store = rows.map(|rows| -> anyhow::Result<_> {
        let resumed = restored.map(rows_of).transpose()?.unwrap_or_default();
        let kept_ms = config.rules.orders_held_ms();
        let dir = config.files.as_ref().map(|files| files.dir.clone());
        Ok(store::Source::new(rows, dir, kept_ms, clock.clone(), registry, letters.clone(), resumed))
    });
    let store = store.transpose()?;
    let (kafka, database) = (kafka.transpose()?, postgres.clone());
    let open_feeds: OpenFeeds = Arc::new(move |context: WorkerContext| {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        feeds.extend(kafka.as_ref().map(|source| source.open(&context)));
        feeds.extend(database.as_ref().and_then(|source| source.open(&context)));
        feeds.extend(rules.as_ref().and_then(|source| source.open(&context)));
        feeds.extend(files.as_ref().and_then(|source| source.open(&context)));
        feeds.extend(store.as_ref().and_then(|source| source.open(&context)));
        feeds
    });
    let acknowledge = Arc::new(move |durable: &Durable| {
        if let (Some(postgres), Some(next)) = (&postgres, durable.next(postgres::NAME)) {
            postgres.acknowledge(next);
        }
    });
    Ok(Sources { open_feeds, acknowledge })
}

/// The table of merchandising rules, if one is configured and this process reads the database.
fn rule_table(
    config: &Config,
    origin: &StartingPoint,
    registry: &SourceRegistry,
    letters: &SyncSender<DeadLetter>,
) -> anyhow::Result<Option<postgres::rules::Source>> {
    let Some(settings) = config.postgres.as_ref().filter(|_| config.cluster.leads()) else { return Ok(None) };
    let rules = origin.restored.as_ref().map(|restored| restored.rows_of::<tables::MerchRules>()).transpose()?;
    let rules = rules.unwrap_or_default().into_iter().map(|((rule, ()), version)| (rule, version)).collect();
    Ok(postgres::rules::Source::new(settings, origin.clock.clone(), registry, letters.clone(), rules)?)
}

/// The rows of the database in a checkpoint, and their place.
fn resumed(restored: &Arc<Restored>) -> anyhow::Result<postgres::Resumed> {
    let position = restored.position(postgres::NAME, 0);
    Ok(postgres::Resumed {
        lsn: position.map_or(0, |position| position.next),
        fingerprint: position.and_then(|position| position.fingerprint),
        definitions: postgres::Definitions::restored(|stream, partition| restored.position(stream, partition)),
        orders: restored.copies_of::<tables::Orders>()?,
        lines: restored.copies_of::<tables::Lines>()?,
        catalogue: restored.copies_of::<tables::Catalogue>()?,
    })
}

/// The rows of the store in a checkpoint.
fn rows_of(restored: &Arc<Restored>) -> anyhow::Result<store::Resumed> {
    Ok(store::Resumed {
        orders: restored.copies_of::<tables::Orders>()?,
        lines: restored.copies_of::<tables::Lines>()?,
        catalogue: restored.copies_of::<tables::Catalogue>()?,
    })
}

pub(crate) fn of_kafka(settings: &config::Kafka) -> kafka::Settings {
    let topics = settings.views.iter().chain([&settings.removals]);
    kafka::Settings {
        client: settings.client.iter().map(|(key, value)| (key.clone(), value.expose().to_owned())).collect(),
        ..kafka::Settings::new(&settings.brokers, topics, settings.discovery)
    }
}

/// The server that `vitrine postgres adopt` named for a process with this configuration.
pub(crate) fn adopted_server(config: &Config) -> Option<PathBuf> {
    config.checkpoint.as_ref().map(|checkpoint| checkpoint.dir.join(postgres::adopt::FILE))
}

pub(crate) fn of_postgres(postgres: &config::Postgres, config: &Config) -> postgres::Settings {
    let manages = config.store.as_ref().is_some_and(|store| store.manage);
    postgres::Settings {
        // Without the log nobody could wait until a write shows.
        mode: if manages { postgres::Mode::Replication } else { postgres.mode },
        tables: if manages { postgres::Tables::of_store() } else { postgres.tables.clone() },
        adopt: postgres::Adopt { file: adopted_server(config), ..postgres.adopt.clone() },
        acknowledge: match config.checkpoint {
            Some(_) => postgres::Acknowledge::AfterCheckpoint,
            None => postgres::Acknowledge::WhenFed,
        },
        kept_ms: config.rules.orders_held_ms(),
        ..postgres.clone()
    }
}
