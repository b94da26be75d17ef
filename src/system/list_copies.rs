//! The copies of lists in a topic and in a table, each on its own thread.
//!
//! ```text
//! before the engine: destinations, waiting lists ─▶ the engine reports to them ─▶ after it: the threads
//! ```

mod features;
mod list_reader;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, TickCounter};
use dataflow::graph::TouchOutlet;
use dataflow::index_reader::IndexReader;
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock;
use query_server::{Floor, SinkStatus};
use recommend::Recommender;
use sinks::copies::kafka::Topic;
use sinks::copies::postgres::Table;
use sinks::copies::{Copier, CopySettings, CopyThread, Destination, SharedCopyStatus, Touches, WaitingLists};

use self::list_reader::{ListReader, Readiness};
use crate::config::Config;

/// A priority below that of the lists.
const NICE: i32 = 5;

/// Copies that are configured and not started yet.
pub(super) struct Prepared {
    topic: Option<(Topic, CopySettings, Arc<WaitingLists>)>,
    table: Option<(Table, CopySettings, Arc<WaitingLists>)>,
}

/// From what lists are made.
pub(super) struct Lists {
    reader: IndexReader,
    recommender: Arc<Recommender>,
    registry: Arc<SourceRegistry>,
    ticks: TickCounter,
    clock: Arc<dyn ServiceClock>,
    floor: Floor,
    /// Whether this process writes the lists that belong to no user.
    leads: bool,
}

impl Lists {
    /// The lists of this process. `clock` is the clock of their times.
    pub(super) fn new(
        engine: &Engine,
        recommender: &Arc<Recommender>,
        clock: &Arc<dyn ServiceClock>,
        floor: Floor,
        config: &Config,
    ) -> Self {
        Lists {
            reader: engine.reader().clone(),
            recommender: recommender.clone(),
            registry: engine.registry().clone(),
            ticks: engine.tick_counter(),
            clock: clock.clone(),
            floor,
            leads: config.cluster.leads(),
        }
    }
}

/// Running copiers.
pub(super) struct ListCopies {
    running: Vec<Running>,
    /// The clock of the lists' times.
    clock: Arc<dyn ServiceClock>,
}

struct Running {
    kind: &'static str,
    place: String,
    thread: CopyThread,
}

impl Prepared {
    /// The copies that `config` names. A service that is away is no error.
    pub(super) fn new(config: &Config, dictionary: &Arc<Dictionary>) -> anyhow::Result<Prepared> {
        let waiting = |settings: &CopySettings| {
            Arc::new(WaitingLists::new(&settings.lists, settings.waiting_max, dictionary.clone()))
        };
        let (kafka, postgres) = (&config.sinks.kafka, &config.sinks.postgres);
        let base = config.kafka.as_ref().map(crate::config::Kafka::client_config);
        let topic = base.and_then(|base| Topic::new(kafka, &base, config.cluster.process));
        let topic = topic.map(|topic| (topic, kafka.copy(), waiting(&kafka.copy())));
        let shop = config.postgres.as_ref().map_or("", |shop| shop.url.expose());
        let table = Table::new(postgres, shop).context("`sinks.postgres.url` cannot be used")?;
        let table = table.map(|table| (table, postgres.copy(), waiting(&postgres.copy())));
        Ok(Prepared { topic, table })
    }

    /// Takes the lists that change from the graph; none if nothing is copied.
    pub(super) fn touches(&self) -> Option<Arc<dyn TouchOutlet>> {
        let topic = self.topic.iter().map(|(_, _, waiting)| waiting);
        let waiting: Vec<_> = topic.chain(self.table.iter().map(|(_, _, waiting)| waiting)).cloned().collect();
        (!waiting.is_empty()).then(|| Arc::new(Touches::new(waiting)) as Arc<dyn TouchOutlet>)
    }

    /// Starts the threads.
    pub(super) fn start(self, lists: &Lists) -> anyhow::Result<ListCopies> {
        let mut running = Vec::new();
        if let Some((topic, settings, waiting)) = self.topic {
            running.push(start("kafka", topic.place(), topic, &settings, waiting, lists)?);
        }
        if let Some((table, settings, waiting)) = self.table {
            running.push(start("postgres", table.place(), table, &settings, waiting, lists)?);
        }
        Ok(ListCopies { running, clock: lists.clock.clone() })
    }
}

fn start(
    kind: &'static str,
    place: String,
    destination: impl Destination + 'static,
    settings: &CopySettings,
    waiting: Arc<WaitingLists>,
    lists: &Lists,
) -> anyhow::Result<Running> {
    let readiness = Readiness { registry: lists.registry.clone(), ticks: lists.ticks.clone(), floor: lists.floor };
    let reader = ListReader::new(
        lists.reader.clone(),
        lists.recommender.clone(),
        settings.lists.clone(),
        lists.leads,
        readiness,
    );
    let status = SharedCopyStatus::new(waiting.clone(), lists.clock.now());
    let copier = Copier::new(destination, reader, waiting, settings, status.clone());
    let begin = || {
        // On Linux, the priority belongs to the thread. Without it the copies still work.
        let _ = rustix::process::nice(NICE);
    };
    let name = if kind == "kafka" { "copy-kafka" } else { "copy-postgres" };
    let thread = CopyThread::start(name, copier, settings.interval, status, begin)
        .context("the thread of a copy of lists cannot be started")?;
    Ok(Running { kind, place, thread })
}

impl ListCopies {
    /// Asks the threads to end after what they are doing now.
    pub(super) fn end(&self) {
        self.running.iter().for_each(|running| running.thread.end());
    }

    /// Reads the state, for `/v1/status`, `/readyz` and metrics.
    pub(super) fn status(&self) -> Arc<dyn Fn() -> Vec<SinkStatus> + Send + Sync> {
        let clock = self.clock.clone();
        let shared: Vec<_> = self
            .running
            .iter()
            .map(|running| (running.kind, running.place.clone(), running.thread.status().clone()))
            .collect();
        Arc::new(move || {
            let status = |(kind, place, shared): &(&'static str, String, SharedCopyStatus)| {
                let status = shared.get();
                SinkStatus {
                    kind,
                    place: place.clone(),
                    behind_ms: status.behind_ms(clock.now()),
                    reason: status.trouble,
                    follows: status.follows,
                    waiting: status.waiting as u64,
                    lists: status.lists as u64,
                    written: status.written,
                    removed: status.removed,
                    comparisons: status.comparisons,
                    compared_as_of_ms: status.compared_as_of,
                    corrected: status.corrected,
                    failures: status.failures,
                    foreign: status.foreign,
                    unwritable: status.unwritable,
                }
            };
            shared.iter().map(status).collect()
        })
    }

    /// Ends the threads after what they are writing now; waits until `deadline` at the longest.
    pub(super) fn finish(self, deadline: Instant) {
        self.end();
        self.running.into_iter().for_each(|running| running.thread.finish(deadline));
    }
}
