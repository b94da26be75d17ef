//! The Kafka source: topics of events and removals, read by the workers themselves, with offsets as positions.
//!
//! ```text
//!                 ┌───────────────── kafka-watch (one thread a process) ──────────────────┐
//!                 │ topics, partitions, ends, remembered records read again ─▶ judgement  │──▶ status
//!                 └──────┬───────────────────────────────▲────────────────────────────────┘
//!    Assignments         │ commands                      │ PartitionProgress (position, last record), Notify (look now)
//!        ┌───────────────▼───────────────────────────────┴──────────────┐
//! Kafka ─▶ Consumer ─▶ a queue a partition ─▶ Reader ─▶ RecordApplier ─▶ Inputs   one a worker, in the worker's thread
//!        └──────────────────────────────────────────────────┬───────────┘
//!                                                           └─▶ dead letters
//! ```
//! # Positions
//! The position of a partition is the offset that is read next: one more than the offset of the last record fed, or the
//! partition's end when that was reached (which is further on after aborted transactions and compaction). Nothing is
//! ever committed to the broker. Partition p of every topic is read by worker p modulo the workers of all processes.
//!
//! # Snapshot and following
//! A topic is its own snapshot: reading starts at a kept position (see [`Resume`]) or at the first record. The end of
//! each partition at its start is the goal. The source is catching up until every partition that there was has reached
//! its goal, or librdkafka has reported its end; from then on it is live, also while partitions that appear later are
//! read. The worker polls without waiting; librdkafka's threads fetch ahead, bounded per partition
//! (`queued.max.messages.kbytes`), and wake the worker. When the graph takes no more (a budget of 0), nothing is
//! polled, the queues fill, and fetching stops. Lag comes from the ends that the watcher asks for every second, not
//! from librdkafka's statistics, whose JSON would have to be made and read in the workers.
//!
//! Records that a topic has deleted before the first start are read from the archive, if there is one (see [`past`]), and
//! the topic from the offset after the archive's last. Only if the two do not meet, the partition is not read, and the reason
//! is reported. If a topic deletes records before they are read, they are looked for in the archive as well.
//!
//! # Erasures
//! At a start, the erasures in the topic of removals are read first, and given before all events (see the module `erasures`). While
//! they cannot be read, no event is.
//!
//! # Errors
//! - *This record is wrong* (definite): a dead letter, counted by its reason; the stream continues. When the channel of dead
//!   letters is full, the partition waits with its letter; its position stays before the record.
//! - *A broker is away, a topic is missing, a partition has no leader* (transient): reported as the reason of `Retrying`
//!   and retried for ever. Answers continue from the records that were read. A topic is never created. Ticks do not wait
//!   for brokers that do not answer, unless answers of an earlier process depended on their records: histories are then as
//!   of the last time that the brokers answered.
//! - *A topic was deleted and recreated, or lost its end*: librdkafka 2.12 would read on at the old offset without an error
//!   and skip the records before it. Topic ids would reveal it, but the binding has no call that gives them. Instead a
//!   record that was read some seconds ago is read again at every look. If another record is in its place, or none, or the
//!   partition ends before the position, the partition is read again from its first record. That is harmless, since
//!   repeated records change nothing, also if compaction has removed the remembered record. In the first moments, before a
//!   record is remembered, only a shorter topic is noticed, and one that begins earlier. An end that was cut off and written
//!   again between two looks is noticed if the remembered record was in it; if not, the new records up to the old end are
//!   not read. A position is kept with a record that was confirmed in this way, and another process resumes after that
//!   record, not at the position: records read since may be of a topic whose change was not noticed yet. The first look at
//!   the records comes within a second or so. Before it there is no confirmed record, and another process reads everything.
//! - *Records arrive damaged* (`check.crcs`): librdkafka reports it and continues after them. The reader does not: it ends,
//!   and the watcher starts another one at the same position, for as long as they are damaged.
//! - *Records were deleted before they were read*: logged with their offsets; reading continues after them.

mod assignment;
mod assignments;
mod client;
mod config;
pub mod driver;
mod erasures;
mod feed;
mod fetch;
mod fingerprint;
mod join;
mod kept;
mod notify;
pub mod past;
pub mod range;
mod reader;
mod record;
mod retention;
pub mod upstream;
mod watch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use dataflow::feed::{Feed, Position, WorkerContext};
use dataflow::freshness::InputKind;
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock;
use events::{DeadLetterSender, TimeBounds};
use rdkafka::ClientConfig;

use assignments::{AllAssignments, Assignments};
use erasures::{ErasureThread, StartWith};
use feed::{FeedContext, KafkaFeed};
use fetch::BrokerFetch;
use notify::Notify;
use past::Past;
use upstream::{Fetch, Upstream};
use watch::{Brokers, Watcher, WatcherParts};

pub use config::{Settings, SettingsError};
pub use kafka_batch::BrokerAddresses;
pub use retention::retention;

/// The source's name in the status.
pub const NAME: &str = "kafka";

/// The position kept for a topic's partition. Reading resumes there if the record of its fingerprint is still the same;
/// none: the partition is read from its first record.
pub type Resume = Arc<dyn Fn(&str, i32) -> Option<Position> + Send + Sync>;

/// The positions from which reading continues.
#[derive(Clone)]
pub struct ReadFrom {
    /// The kept positions.
    pub resume: Resume,
    /// The archive. A partition without a kept position is read from there first, if its topic has deleted its first records.
    pub past: Option<Arc<dyn Past>>,
}

/// A running source: its watcher, and the context of its feeds. Dropping it stops the watcher.
pub struct Source {
    config: ClientConfig,
    context: FeedContext,
    all_assignments: Arc<AllAssignments>,
    erasures: Option<ErasureThread>,
    watcher: Option<JoinHandle<()>>,
}

impl Source {
    /// Starts watching topics that are read from their first record on.
    ///
    /// # Errors
    /// When the settings cannot work. Brokers that are away are no error.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        dead_letters: DeadLetterSender,
    ) -> Result<Self, SettingsError> {
        let from = ReadFrom { resume: Arc::new(|_, _| None), past: None };
        Source::resuming(settings, clock, status, dead_letters, from)
    }

    /// Starts watching topics that are read from kept positions on, or from the archive on.
    ///
    /// # Errors
    /// When the settings cannot work. Brokers that are away are no error.
    pub fn resuming(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        dead_letters: DeadLetterSender,
        from: ReadFrom,
    ) -> Result<Self, SettingsError> {
        let ReadFrom { resume, past } = from;
        let config = config::reader(&settings, &group())?;
        let notify = Arc::new(Notify::default());
        let all_assignments = Arc::new(AllAssignments::default());
        let status = status.source(NAME);
        status.gives(&[InputKind::Views]);
        let consumer = Arc::new(client::consumer(&config::watcher(&config), notify.clone())?);
        let erasures = settings.erasures.as_deref().map(|topic| {
            ErasureThread::new(StartWith {
                settings: settings.clone(),
                topic: topic.into(),
                resume: resume.clone(),
                past: past.clone(),
                clock: clock.clone(),
                status: status.clone(),
            })
        });
        let upstream = Brokers { consumer, addresses: settings.brokers, notify: notify.clone() };
        let watcher = Watcher::new(WatcherParts {
            upstream,
            topics: settings.topics.iter().chain(&settings.rules).map(|topic| topic.as_str().into()).collect(),
            made_here: settings.made_here.iter().map(|topic| topic.as_str().into()).collect(),
            discovery: settings.discovery,
            resume,
            past: past.clone(),
            erasures: erasures.as_ref().map(ErasureThread::known),
            answered_before: settings.answered_before,
            awaited: settings.awaited,
            all_assignments: all_assignments.clone(),
            notify: notify.clone(),
            status: status.clone(),
        });
        let watcher = std::thread::Builder::new()
            .name("kafka-watch".into())
            .spawn(move || watcher.run())
            .map_err(|error| SettingsError::Refused(format!("no thread to watch topics: {error}")))?;
        let (rules, bounds) = (settings.rules.as_deref().map(Into::into), TimeBounds::around(0));
        let context = FeedContext { clock, status, dead_letters, notify, past, rules, bounds };
        Ok(Source { config, context, all_assignments, erasures, watcher: Some(watcher) })
    }

    /// Opens a worker's share, in the worker's thread.
    #[must_use]
    pub fn open(&self, worker: &WorkerContext) -> Box<dyn Feed> {
        let consumer = client::consumer(&self.config, self.context.notify.clone())
            .expect("the watcher's consumer was made from the same settings");
        let assignments = Arc::new(Assignments::new(worker.index, worker.waker.clone()));
        self.all_assignments.add(assignments.clone(), worker.peers);
        let gate = self.erasures.as_ref().map(|erasures| erasures.gate(&worker.dictionary, worker.waker.clone()));
        let fetch = BrokerFetch::new(consumer);
        let feed = KafkaFeed::new(fetch, assignments, (worker.waker.clone(), gate), self.context.clone());
        self.context.notify.notify();
        Box::new(feed)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.context.notify.stop();
        if let Some(watcher) = self.watcher.take()
            && watcher.join().is_err()
        {
            tracing::error!("the thread that watches Kafka's topics had ended in a panic");
        }
    }
}

/// Connects to the brokers for a reader other than the graph, with clients of its own. Brokers that are away are no error.
///
/// # Errors
/// When the settings cannot work.
pub fn connect(settings: &Settings) -> Result<(impl Upstream + use<>, impl Fetch + use<>), SettingsError> {
    let config = config::reader(settings, &group())?;
    let notify = Arc::new(Notify::default());
    let watcher = client::consumer(&config::watcher(&config), notify.clone())?;
    let reader = client::consumer(&config, notify.clone())?;
    let upstream = Brokers { consumer: Arc::new(watcher), addresses: settings.brokers.clone(), notify };
    Ok((upstream, BrokerFetch::new(reader)))
}

/// A consumer group of its own: librdkafka needs one, although nothing is ever committed or shared in it.
fn group() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("vitrine-{}-{:x}", std::process::id(), now.as_nanos())
}
