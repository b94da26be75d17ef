//! The Kafka source: topics of events and removals, read by the workers themselves, offsets as positions.
//!
//! ```text
//!                 ┌──────────────── kafka-watch (one thread a process) ─────────────────┐
//!                 │ topics, partitions, ends, remembered records read again ─▶ judgement │──▶ board
//!                 └──────┬──────────────────────────────▲───────────────────────────────┘
//!              orders    │ Assignments                   PartitionProgress │ position, last record; Notify: come and look
//!        ┌───────────────▼──────────────────────────────┴──────────────┐
//! Kafka ─▶ Consumer ─▶ a queue a partition ─▶ Reader ─▶ RecordApplier ─▶ Inputs │  one a worker, in the worker's thread
//!        └─────────────────────────────────────────────────┬───────────┘
//!                                                          └─▶ dead letters
//! ```
//! # Positions
//! The position of a partition is the offset that is read next: one more than that of the last record fed, or the
//! partition's end when that was reached (which is further on after aborted transactions and compaction). Nothing is
//! ever committed to the broker. Partition p of every topic is read by worker p modulo the workers of all processes.
//!
//! # Snapshot and following
//! A topic is its own snapshot: reading starts at a kept position (see [`Resume`]) or at the first record. The end of
//! each partition at its start is the goal. The source is catching up until every partition that was there has reached
//! its goal, or librdkafka said that it ended; from then on it is live, also while partitions that appear later are
//! read. The worker polls without waiting; librdkafka's threads fetch ahead, bounded a partition
//! (`queued.max.messages.kbytes`), and wake the worker. When the graph takes no more (a budget of 0), nothing is
//! polled, the queues fill, and fetching stops. Lag comes from the ends that the watcher asks for every second, not
//! from librdkafka's statistics, whose JSON would have to be made and read in the workers.
//!
//! # Errors
//! - *This record is wrong* (definite): a dead letter, counted by its reason; the stream goes on. When the outlet is full
//!   the partition waits with the letter in hand; its position stays before the record.
//! - *A broker is away, a topic is not there, a partition has no leader* (transient): told as the reason of
//!   `Retrying`, tried again for ever. Answers go on from what has been read. A topic is never created. Ticks do not wait
//!   for brokers that do not answer, unless an earlier process answered with what they hold: histories are then as of when
//!   they answered last.
//! - *A topic was deleted and made anew, or lost its end*: librdkafka 2.12 would go on at the old offset without an
//!   error and skip what lies before. Topic ids would tell, but the binding has no call
//!   that shows them. Instead a record that was read some seconds ago is read again at every look; when another one
//!   is in its place, or none, or the partition ends before the position, it is read again from its first record. That
//!   is harmless, since repeated records change nothing, also where compaction has taken the record that was remembered.
//!   In the first moments, before a record is remembered, only a shorter topic is found out, and one that begins earlier.
//!   An end that was cut off and written anew within one rest between two looks is found out if the record that is
//!   compared was in it; else what was written anew up to the old end is not read.
//!   A position is kept with a record that was vouched for in this way, and another process goes on behind that record,
//!   not at the position: what was read since may be of a topic that nobody had found out yet. The first look at what
//!   was read comes within a second or so. Before it there is no such record, and another process begins anew.
//! - *Records arrive damaged* (`check.crcs`): librdkafka says so and goes on behind them. The reader does not: it ends,
//!   and the watcher starts another one where it was, for as long as they are damaged.
//! - *Records were deleted before they were read*: named in the log with their offsets; reading goes on behind them.

mod assignment;
mod assignments;
pub mod by_hand;
mod client;
mod config;
mod feed;
mod fetch;
mod fingerprint;
mod notify;
pub mod range;
mod reader;
mod record;
pub mod upstream;
mod watch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use dataflow::feed::{Feed, Position, WorkerContext};
use dataflow::hearing::Part;
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock;
use events::DeadLetterSender;
use rdkafka::ClientConfig;

use assignments::{AllAssignments, Assignments};
use client::{Consumer, Context};
use feed::{Common, KafkaFeed};
use fetch::Fetching;
use notify::Notify;
use watch::{Brokers, Charge, Watch};

pub use config::{Settings, SettingsError};

/// The source's name on the board.
pub const NAME: &str = "kafka";

/// The position kept for a topic's partition, from which it is read on if its proof is found there; none: it is read
/// from its first record.
pub type Resume = Arc<dyn Fn(&str, i32) -> Option<Position> + Send + Sync>;

/// A running source: its watcher, and what its feeds are made from. Dropping it stops the watcher.
pub struct Source {
    config: ClientConfig,
    common: Common,
    all_assignments: Arc<AllAssignments>,
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
        Source::resuming(settings, clock, status, dead_letters, Arc::new(|_, _| None))
    }

    /// Starts watching topics that are read from kept positions on.
    ///
    /// # Errors
    /// When the settings cannot work. Brokers that are away are no error.
    pub fn resuming(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        dead_letters: DeadLetterSender,
        resume: Resume,
    ) -> Result<Self, SettingsError> {
        let config = config::reader(&settings, &group())?;
        let notify = Arc::new(Notify::default());
        let all_assignments = Arc::new(AllAssignments::default());
        let status = status.source(NAME);
        status.gives(&[Part::Views]);
        let consumer = Arc::new(config::watcher(&config).create_with_context(Context::new(notify.clone()))?);
        let upstream = Brokers { consumer, addresses: settings.brokers, notify: notify.clone() };
        let charge = Charge {
            upstream,
            topics: settings.topics.iter().map(|topic| topic.as_str().into()).collect(),
            discovery: settings.discovery,
            resume,
            answered_before: settings.answered_before,
            awaited: settings.awaited,
            all_assignments: all_assignments.clone(),
            notify: notify.clone(),
            status: status.clone(),
        };
        let watch = Watch::new(charge);
        let watcher = std::thread::Builder::new()
            .name("kafka-watch".into())
            .spawn(move || watch.run())
            .map_err(|error| SettingsError::Refused(format!("no thread to watch topics: {error}")))?;
        let Settings { future_max_ms, past_max_ms, .. } = settings;
        let common = Common { clock, status, dead_letters, notify, future_max_ms, past_max_ms };
        Ok(Source { config, common, all_assignments, watcher: Some(watcher) })
    }

    /// Opens a worker's share, in the worker's thread.
    #[must_use]
    pub fn open(&self, worker: &WorkerContext) -> Box<dyn Feed> {
        let context = Context::new(self.common.notify.clone());
        let consumer: Consumer =
            self.config.create_with_context(context).expect("the watcher's consumer was made from the same settings");
        let assignments = Arc::new(Assignments::new(worker.index, worker.waker.clone()));
        self.all_assignments.add(assignments.clone(), worker.peers);
        let feed = KafkaFeed::new(Fetching::new(consumer), assignments, worker.waker.clone(), self.common.clone());
        self.common.notify.ring();
        Box::new(feed)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.common.notify.stop();
        if let Some(watcher) = self.watcher.take()
            && watcher.join().is_err()
        {
            tracing::error!("the watcher of Kafka's topics had ended in a panic");
        }
    }
}

/// A consumer group of nobody else: librdkafka wants one, though nothing is ever committed or shared in it.
fn group() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("vitrine-{}-{:x}", std::process::id(), now.as_nanos())
}
