//! The archive, on its own thread beside the sources.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use archive::log::{Files, Log, topics};
use archive::store::Store;
use archive::{Running, Share};
use query_server::{ArchiveStatus, ArchivedPartition};
use sources::{files, kafka};

use super::sources::of_kafka;
use crate::config::Config;

/// A priority below that of the lists.
const NICE: i32 = 10;

/// Starts the archiver, if an archive is configured. A store or brokers that are away are no error.
pub(super) fn start(config: &Config) -> anyhow::Result<Option<Running>> {
    let Some(store) = archive::store::open(&config.archive)? else { return Ok(None) };
    let chosen = &config.archive.topics;
    if let Some(settings) = &config.kafka {
        let all = of_kafka(settings);
        let topics_read = if chosen.is_empty() { all.topics.clone() } else { chosen.clone() };
        // Before the first removal, its topic may not exist.
        let settings_read = kafka::Settings { topics: topics_read, ..all };
        let log = with_low_priority(|| topics(&settings_read, vec![settings.removals.clone()]))??;
        return begin(config, store, log).map(Some);
    }
    let Some(settings) = &config.files else {
        tracing::warn!("archive.to names a place, but there is neither [kafka] nor [files] to archive");
        return Ok(None);
    };
    let names = if chosen.is_empty() { files::EVENT_FILES.map(str::to_owned).to_vec() } else { chosen.clone() };
    begin(config, store, Files::new(&settings.dir, names)).map(Some)
}

fn begin(config: &Config, store: Arc<dyn Store>, log: impl Log + Send + 'static) -> anyhow::Result<Running> {
    let share = Share { process: config.cluster.process, processes: config.cluster.processes };
    Running::start(config.archive.clone(), share, store, log, lower_priority)
        .context("the thread of the archive cannot be started")
}

/// On Linux, the priority belongs to the thread, and threads that it starts inherit it. Without it the archive still works.
fn lower_priority() {
    let _ = rustix::process::nice(NICE);
}

/// Makes Kafka's clients, whose own threads fetch and check the records, at the priority of the archive.
fn with_low_priority<T: Send>(make: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    thread::scope(|threads| {
        let making = move || {
            lower_priority();
            make()
        };
        let thread = thread::Builder::new().name("archive-start".into()).spawn_scoped(threads, making);
        let made = thread.context("the thread of the archive cannot be started")?.join();
        Ok(made.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Reads the state, for `/v1/status` and metrics.
pub(super) fn status(running: &Running) -> Arc<dyn Fn() -> ArchiveStatus + Send + Sync> {
    let shared = running.status().clone();
    Arc::new(move || {
        let status = shared.get();
        let partitions = status.partitions.iter().map(|(id, partition)| ArchivedPartition {
            stream: id.topic.to_string(),
            partition: id.partition,
            durable: partition.durable,
            end: partition.end,
            lag: partition.lag(),
        });
        ArchiveStatus {
            partitions: partitions.collect(),
            reason: status.trouble,
            records: status.records,
            files: status.files,
            bytes: status.bytes,
            failures: status.failures,
            lost: status.lost,
            memory_bytes: status.memory_bytes,
            foreign: status.foreign,
        }
    })
}
