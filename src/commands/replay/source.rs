//! The sources of a replay, as configured, opened once in every worker.

use std::sync::{Arc, Mutex};

use dataflow::dictionary::Dictionary;
use dataflow::feed::WorkerContext;
use dataflow::replay::{Failure, OpenReplaySources, ReplaySource};
use dataflow::source_status::SourceRegistry;
use sources::kafka::range::Patience;
use sources::replay::{LetterHandler, ReplayBounds, ReplayProgress, ReplayTables};
use sources::{files, kafka, postgres};

use super::erasures;
use crate::config::Config;
use crate::system::sources::{of_kafka, of_postgres};

/// The streams and tables to replay. The ends of the streams are fixed at the start.
pub(in crate::commands) struct ReplaySources {
    bounds: ReplayBounds,
    registry: Arc<SourceRegistry>,
    refused: LetterHandler,
    kafka: Option<kafka::range::Range>,
    files: Option<files::range::Range>,
    tables: ReplayTables,
}

impl ReplaySources {
    /// Fixes the ends of topics and files, and reads the tables. `refused` takes the dead letters of refused records.
    pub(in crate::commands) fn open(
        config: &Config,
        bounds: ReplayBounds,
        dictionary: &Arc<Dictionary>,
        registry: &Arc<SourceRegistry>,
        refused: LetterHandler,
    ) -> anyhow::Result<ReplaySources> {
        let archive = match config.kafka {
            Some(_) => archive::store::open(&config.archive)?,
            None => None,
        };
        let archive = archive.map(|store| archive::Archived::open(store, &config.archive)).transpose()?;
        let past = archive.map(|archive| Arc::new(archive) as Arc<dyn kafka::past::Past>);
        let files = config.files.as_ref().map(|files| files::range::Range::pin(&files.dir)).transpose()?;
        let erased = Arc::new(erasures::read(config, past.clone(), files.as_ref())?);
        let kafka = config.kafka.as_ref().map(|settings| {
            // Before the first removal, the topic may not exist.
            let optional = [settings.removals.as_str()];
            let range = kafka::range::Range::pin(of_kafka(settings), &optional, Patience::default(), past)?;
            anyhow::Ok(range.without(erased.clone()))
        });
        let kafka = kafka.transpose()?;
        for topic in kafka.iter().flat_map(|range| range.missing()) {
            tracing::warn!(topic, "the topic does not exist, there are no removals to replay");
        }
        let files = files.map(|range| range.without(erased.clone()));
        let mut tables = ReplayTables::default();
        if let Some(settings) = &config.postgres {
            let settings = of_postgres(settings, config);
            tables = postgres::range::read(settings, bounds, dictionary, registry, &refused)?;
        }
        if let Some(range) = &files {
            tables = range.tables(bounds, dictionary, registry, &refused)?;
        }
        let tables = tables.without(&erased);
        Ok(ReplaySources { bounds, registry: registry.clone(), refused, kafka, files, tables })
    }

    /// The progress of reading the streams.
    pub(in crate::commands) fn progress(&self) -> Option<Arc<ReplayProgress>> {
        let kafka = self.kafka.as_ref().map(kafka::range::Range::progress);
        kafka.or(self.files.as_ref().map(files::range::Range::progress)).cloned()
    }

    /// For the workers: each worker takes its share of the streams, and the first worker the tables.
    pub(in crate::commands) fn opener(self) -> OpenReplaySources {
        let ReplaySources { bounds, registry, refused, kafka, files, tables } = self;
        let tables = Mutex::new(Some(tables.into_replay_source(bounds)));
        Arc::new(move |context: WorkerContext| {
            let mut sources: Vec<Box<dyn ReplaySource>> = Vec::new();
            if context.index == 0 {
                let tables = tables.lock().expect("no holder of this lock can panic").take();
                sources.extend(tables.map(|tables| Box::new(tables) as Box<dyn ReplaySource>));
            }
            if let Some(range) = &kafka {
                sources.push(range.open(&context, bounds, &registry, &refused)?);
            }
            if let Some(range) = &files {
                sources.extend(range.open(&context, bounds, &registry, &refused)?);
            }
            Ok::<_, Failure>(sources)
        })
    }
}
