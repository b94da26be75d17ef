//! The durable log for events, removals and dead letters: topics, or files if there is no Kafka.

use std::sync::Arc;

use anyhow::Context as _;
use dataflow::source_status::SourceRegistry;
use events::DeadLetter;
use sinks::Report;
use sinks::file_log::FileLog;
use sinks::kafka_log::{KafkaLog, Topics};
use sinks::log::{Appending, Bound, EventLog, Record, Stream, Unavailable};
use tracing::warn;

use crate::config::Config;

/// The number of partitions of the topics that Vitrine creates.
const PARTITIONS: i32 = 4;

/// Opens the log that `config` names.
pub(super) fn open(config: &Config, registry: &Arc<SourceRegistry>) -> anyhow::Result<Arc<dyn EventLog>> {
    if let Some(kafka) = &config.kafka {
        let topics = Topics {
            views: kafka.views.first().context("[kafka] names no topic of views")?.clone(),
            removals: kafka.removals.clone(),
            dead_letters: kafka.dead_letters.clone(),
            partitions: PARTITIONS,
        };
        let log = KafkaLog::open(&kafka.client_config(), topics, Bound::default(), report(registry, "log"))?;
        return Ok(Arc::new(log));
    }
    if let Some(files) = &config.files {
        std::fs::create_dir_all(&files.dir).with_context(|| format!("cannot make {}", files.dir.display()))?;
        return Ok(Arc::new(FileLog::open(&files.dir, Bound::default())?));
    }
    Ok(Arc::new(NoLog))
}

/// Shows the state of a sink in the registry of sources.
pub(super) fn report(registry: &Arc<SourceRegistry>, sink: &'static str) -> Report {
    let registry = registry.source(sink);
    Arc::new(move |state| registry.state(0, state))
}

/// A dead letter as a record, whose key is its place of origin.
pub(super) fn letter_record(letter: DeadLetter) -> Record {
    let key = format!("{}/{}/{}", letter.stream, letter.partition, letter.offset);
    Record { key: key.into_bytes(), payload: letter.to_json().into_bytes() }
}

/// With only a database configured, the program's own log is the only place to write to.
struct NoLog;

impl EventLog for NoLog {
    fn is_configured(&self) -> bool {
        false
    }

    fn append(&self, stream: Stream, records: Vec<Record>) -> Appending {
        if stream != Stream::DeadLetters {
            return Box::pin(async { Err(Unavailable::Unconfigured.into()) });
        }
        for letter in records {
            warn!(place = %String::from_utf8_lossy(&letter.key), "a rejected record is not stored: no log is configured");
        }
        Box::pin(async { Ok(Vec::new()) })
    }
}
