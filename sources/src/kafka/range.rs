//! Topics as a replay reads them: every record from the first offset to the end that a partition had when the range was
//! pinned.
//!
//! ```text
//! pin: topics, partitions, first offsets and ends ─▶ open, once a worker: a queue a partition ─▶ PartitionReplay ─▶ Inputs
//!      └ an archive, if there is one: the offsets before                  └ first the archive, then the topic
//! ```
//! The records of a partition begin in the archive and continue in the topic at the offset after the archive's last. An offset
//! that is in neither is an error.
//!
//! Unlike the source that follows (see [`crate::kafka`]), a range is finite, and so is its patience: a fault that the source
//! would retry for ever is an error here after a while.

mod reader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::feed::WorkerContext;
use dataflow::inputs::Inputs;
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::source_status::SourceRegistry;
use dataflow::time::Time;
use events::TimeBounds;
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use super::assignments::PartitionId;
use super::client::{self, Consumer};
use super::config::{self, Settings, SettingsError};
use super::fetch::BrokerFetch;
use super::fingerprint::Ends;
use super::join::{JoinError, Joined, join};
use super::notify::Notify;
use super::past::Past;
use super::upstream::Fetch as _;
use super::{NAME, assignment, group};
use crate::replay::{LetterHandler, PartitionReplay, ReplayBounds, ReplayErasures, ReplayProgress};
use reader::{ReplayReader, Tails};

/// Why topics cannot be replayed, or not to their end.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No broker.
    #[error("no Kafka broker of {brokers} answered within {seconds} s: {reason}")]
    Unreachable {
        /// The addresses that were asked.
        brokers: String,
        /// For how long.
        seconds: u64,
        /// The client's reason.
        reason: String,
    },
    /// A topic is missing.
    #[error("topic \"{0}\" does not exist")]
    NoTopic(String),
    /// A partition cannot be read.
    #[error("{partition} cannot be read: {reason}")]
    Partition {
        /// The topic and the partition.
        partition: String,
        /// The reason of the client or the broker.
        reason: String,
    },
    /// The archive and the topic do not meet.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Records are gone: the topic is another one, or has lost its end.
    #[error(
        "{partition} ends at offset {at}, and ended at {end} when the replay began: the topic was made anew, or its end \
         was cut off"
    )]
    Shorter {
        /// The topic and the partition.
        partition: String,
        /// Its end now.
        at: i64,
        /// The end that was pinned.
        end: i64,
    },
    /// No record has come for too long.
    #[error("nothing has come from {partition} for {seconds} s, at offset {next} of {end}{reason}")]
    Silent {
        /// The topic and the partition.
        partition: String,
        /// For how long.
        seconds: u64,
        /// The offset that is read next.
        next: i64,
        /// The end that was pinned.
        end: i64,
        /// The error that was reported meanwhile.
        reason: String,
    },
}

/// How long a range waits before it fails.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For an answer of the brokers when the range is pinned.
    pub answer: Duration,
    /// For the next record of a partition.
    pub record: Duration,
}

impl Default for Patience {
    /// Five seconds for an answer, a minute for a record.
    fn default() -> Self {
        Patience { answer: Duration::from_secs(5), record: Duration::from_secs(60) }
    }
}

/// The records of a partition up to its pinned end.
#[derive(Clone, Debug)]
struct OffsetRange {
    id: PartitionId,
    from: Joined,
    end: i64,
}

/// Topics with their ends pinned.
pub struct Range {
    config: ClientConfig,
    patience: Patience,
    offsets: Vec<OffsetRange>,
    missing: Vec<String>,
    progress: Arc<ReplayProgress>,
    past: Option<Arc<dyn Past>>,
    erased: Option<Arc<ReplayErasures>>,
}

impl Range {
    /// Finds the first offsets and the ends of the topics of `settings`. An `optional` topic may be missing. Records that
    /// are in `past` are read from there.
    ///
    /// # Errors
    /// When no broker answers in time, a topic is missing or cannot be read, or records are neither in a topic nor in `past`.
    pub fn pin(
        settings: Settings,
        optional: &[&str],
        patience: Patience,
        past: Option<Arc<dyn Past>>,
    ) -> Result<Range, RangeError> {
        let config = config::reader(&settings, &group())?;
        let consumer = consumer(&config)?;
        // All topics are asked for: naming one that is missing could create it.
        let metadata = consumer.fetch_metadata(None, patience.answer).map_err(|error| RangeError::Unreachable {
            brokers: settings.brokers.clone(),
            seconds: patience.answer.as_secs(),
            reason: words(&error),
        })?;
        let (mut offsets, mut missing) = (Vec::new(), Vec::new());
        let progress = Arc::new(ReplayProgress::default());
        for topic in &settings.topics {
            let known = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none());
            let Some(known) = known.filter(|known| !known.partitions().is_empty()) else {
                if !optional.contains(&topic.as_str()) {
                    return Err(RangeError::NoTopic(topic.clone()));
                }
                missing.push(topic.clone());
                continue;
            };
            let name: Arc<str> = topic.as_str().into();
            for partition in known.partitions() {
                let id = PartitionId { topic: name.clone(), partition: partition.id() };
                let ends = consumer.fetch_watermarks(&id.topic, id.partition, patience.answer);
                let (low, end) = ends.map_err(|error| unreadable(&id, &error))?;
                let from = join(past.as_deref(), &id, None, Ends { low, high: end })?;
                if past.is_some() {
                    from.warn_of_beginning(&id);
                }
                progress.add_total(u64::try_from(end - from.first()).unwrap_or(0));
                offsets.push(OffsetRange { id, from, end });
            }
        }
        offsets.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Range { config, patience, offsets, missing, progress, past, erased: None })
    }

    /// Leaves out what these erasures cover, and the erasures among the records.
    #[must_use]
    pub fn without(self, erased: Arc<ReplayErasures>) -> Range {
        Range { erased: Some(erased), ..self }
    }

    /// The optional topics that are missing.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// How many records have been read of how many.
    #[must_use]
    pub fn progress(&self) -> &Arc<ReplayProgress> {
        &self.progress
    }

    /// Opens a worker's share, in the worker's thread: partition p of every topic is read by worker p modulo their number.
    ///
    /// # Errors
    /// When a partition cannot be assigned.
    pub fn open(
        &self,
        worker: &WorkerContext,
        replay_bounds: ReplayBounds,
        status: &SourceRegistry,
        refused: &LetterHandler,
    ) -> Result<Box<dyn ReplaySource>, RangeError> {
        let fetch = BrokerFetch::new(consumer(&self.config)?);
        let status = status.source(NAME);
        let bounds = TimeBounds::around(replay_bounds.until);
        let own =
            self.offsets.iter().filter(|range| assignment::owner(range.id.partition, worker.peers) == worker.index);
        let mut readers = Vec::new();
        for OffsetRange { id, from, end } in own.cloned() {
            let past = self.past.as_ref().zip(from.archived.as_ref());
            let past = past.map(|(past, archived)| past.open(&id, archived.clone(), &worker.waker));
            let tail = (from.in_topic < end).then(|| fetch.start(&id, from.in_topic, &worker.waker)).transpose();
            let tail = tail.map_err(|error| unreadable(&id, &error))?;
            let replay = PartitionReplay::new(replay_bounds, status.clone(), refused.clone(), self.erased.clone());
            let (tails, range) = (Tails { past, topic: tail }, (from.first(), end));
            readers.push(ReplayReader::new(id, tails, replay, self.progress.clone(), range, bounds));
        }
        let (patience, progress) = (self.patience.record, self.progress.clone());
        Ok(Box::new(KafkaReplay { readers, fetch, patience, progress, silent_since: None }))
    }
}

/// One worker's partitions.
struct KafkaReplay {
    readers: Vec<ReplayReader>,
    // After the readers, whose queues belong to it.
    fetch: BrokerFetch,
    patience: Duration,
    progress: Arc<ReplayProgress>,
    /// Since when no record has come although one is expected.
    silent_since: Option<Instant>,
}

impl KafkaReplay {
    /// Fails if no record has come for too long.
    fn check_silence(&mut self, moved: bool) -> Result<(), RangeError> {
        let Some(waiting) = self.readers.iter().find(|reader| reader.is_waiting()).filter(|_| !moved) else {
            self.silent_since = None;
            return Ok(());
        };
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        if since.elapsed() < self.patience { Ok(()) } else { Err(waiting.silent(since.elapsed())) }
    }
}

impl ReplaySource for KafkaReplay {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        self.fetch.serve();
        let (mut all, mut moved) = (Went { records: 0, reached: true }, false);
        for reader in &mut self.readers {
            let before = reader.next();
            let left = budget.saturating_sub(all.records);
            let went = reader.feed(inputs, step, left)?;
            // Aborted records and records after the last step count as read, so that the progress reaches its end.
            self.progress.add_done(u64::try_from(reader.next() - before).unwrap_or(0));
            moved |= reader.next() > before || left == 0;
            all.records += went.records;
            all.reached &= went.reached;
        }
        self.check_silence(moved || all.reached)?;
        Ok(all)
    }
}

fn consumer(config: &ClientConfig) -> Result<Consumer, SettingsError> {
    Ok(client::consumer(config, Arc::new(Notify::default()))?)
}

fn unreadable(id: &PartitionId, error: &KafkaError) -> RangeError {
    RangeError::Partition { partition: id.to_string(), reason: words(error) }
}

/// The reason alone if there is one: the rest of the error names the call.
fn words(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}
