//! Topics as a past: every record from the first offset to the end that a partition had when the range was pinned.
//!
//! ```text
//! pin: topics, partitions, first offsets and ends ─▶ open, once a worker: Consumer ─▶ a queue a partition ─▶ PartitionReplay
//! ```
//! Unlike the source that follows (see [`crate::kafka`]), a range is finite, and so is its patience: what would be tried
//! again for ever there is an error here once it has lasted.

mod reader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::feed::WorkerContext;
use dataflow::inputs::Inputs;
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::source_status::SourceRegistry;
use dataflow::time::Time;
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use super::assignments::PartitionId;
use super::client::{self, Consumer, Context};
use super::config::{self, Settings, SettingsError};
use super::notify::Notify;
use super::{NAME, assignment, group};
use crate::replay::{Asked, PartitionReplay, Progress, Refused};
use reader::{Bounds, ReplayReader};

/// Why topics cannot be replayed, or not to their end.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No broker.
    #[error("no Kafka broker of {brokers} answered within {seconds} s: {reason}")]
    Unreachable {
        /// Who was asked.
        brokers: String,
        /// For how long.
        seconds: u64,
        /// What the client says.
        reason: String,
    },
    /// A topic is not there.
    #[error("topic \"{0}\" does not exist")]
    NoTopic(String),
    /// A partition cannot be read.
    #[error("{partition} cannot be read: {reason}")]
    Partition {
        /// The topic and the partition.
        partition: String,
        /// What the client or the broker says.
        reason: String,
    },
    /// Records that were there are gone: the topic is another one, or has lost its end.
    #[error(
        "{partition} ends at offset {at}, and ended at {end} when the replay began: the topic was made anew, or its end \
         was cut off"
    )]
    Shorter {
        /// The topic and the partition.
        partition: String,
        /// Where it ends.
        at: i64,
        /// The end that was pinned.
        end: i64,
    },
    /// Nothing has come for too long.
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
        /// What was reported meanwhile.
        reason: String,
    },
}

/// How long a range waits before it is an error.
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

/// The records between two offsets of a partition.
#[derive(Clone, Debug)]
struct Span {
    id: PartitionId,
    first: i64,
    end: i64,
}

/// Topics with their ends pinned.
pub struct Range {
    config: ClientConfig,
    patience: Patience,
    bounds: Bounds,
    spans: Vec<Span>,
    missing: Vec<String>,
    progress: Arc<Progress>,
}

impl Range {
    /// Finds the first offsets and the ends of the topics of `settings`. A topic that is one of `optional` may be missing.
    ///
    /// # Errors
    /// When no broker answers in time, or a topic is not there or not to be read.
    pub fn pin(settings: Settings, optional: &[&str], patience: Patience) -> Result<Range, RangeError> {
        let config = config::reader(&settings, &group())?;
        let consumer: Consumer =
            config.create_with_context(Context::new(Arc::new(Notify::default()))).map_err(SettingsError::from)?;
        // All topics are asked for: naming one that is missing could make it.
        let metadata = consumer.fetch_metadata(None, patience.answer).map_err(|error| RangeError::Unreachable {
            brokers: settings.brokers.clone(),
            seconds: patience.answer.as_secs(),
            reason: words(&error),
        })?;
        let (mut spans, mut missing) = (Vec::new(), Vec::new());
        let progress = Arc::new(Progress::default());
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
                let (first, end) = ends.map_err(|error| unreadable(&id, &error))?;
                progress.more(u64::try_from(end - first).unwrap_or(0));
                spans.push(Span { id, first, end });
            }
        }
        spans.sort_by(|a, b| a.id.cmp(&b.id));
        let bounds = Bounds { future_max_ms: settings.future_max_ms, past_max_ms: settings.past_max_ms };
        Ok(Range { config, patience, bounds, spans, missing, progress })
    }

    /// The optional topics that are not there.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// How many records have been read of how many.
    #[must_use]
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Opens a worker's share, in the worker's thread: partition p of every topic is read by worker p modulo their number.
    ///
    /// # Errors
    /// When a partition cannot be assigned.
    pub fn open(
        &self,
        worker: &WorkerContext,
        asked: Asked,
        status: &SourceRegistry,
        refused: &Refused,
    ) -> Result<Box<dyn ReplaySource>, RangeError> {
        let context = Context::new(Arc::new(Notify::default()));
        let consumer: Arc<Consumer> = Arc::new(self.config.create_with_context(context).map_err(SettingsError::from)?);
        let status = status.source(NAME);
        let mine = self.spans.iter().filter(|span| assignment::owner(span.id.partition, worker.peers) == worker.index);
        let stretches = mine
            .map(|span| {
                let Span { id, first, end } = span.clone();
                let lane = PartitionReplay::new(asked, status.clone(), refused.clone());
                ReplayReader::start(&consumer, &worker.waker, id.clone(), (first, end), lane, self.progress.clone())
                    .map_err(|error| unreadable(&id, &error))
            })
            .collect::<Result<_, _>>()?;
        let (bounds, patience, progress) = (self.bounds, self.patience.record, self.progress.clone());
        Ok(Box::new(KafkaPast { stretches, consumer, bounds, until: asked.until, patience, progress, silent: None }))
    }
}

/// One worker's partitions.
struct KafkaPast {
    stretches: Vec<ReplayReader>,
    // After the stretches, whose queues are parts of it.
    consumer: Arc<Consumer>,
    bounds: Bounds,
    until: Time,
    patience: Duration,
    progress: Arc<Progress>,
    /// Since when nothing has come though something is to come.
    silent: Option<Instant>,
}

impl KafkaPast {
    /// An error if nothing has come for too long.
    fn judge_silence(&mut self, moved: bool) -> Result<(), RangeError> {
        let Some(waits) = self.stretches.iter().find(|stretch| stretch.waits()).filter(|_| !moved) else {
            self.silent = None;
            return Ok(());
        };
        let since = *self.silent.get_or_insert_with(Instant::now);
        if since.elapsed() < self.patience {
            return Ok(());
        }
        Err(waits.silent(since.elapsed()))
    }
}

impl ReplaySource for KafkaPast {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        client::serve(&self.consumer);
        let (mut all, mut moved) = (Went { records: 0, reached: true }, false);
        for stretch in &mut self.stretches {
            let before = stretch.next();
            let left = budget.saturating_sub(all.records);
            let went = stretch.feed(inputs, step, left, &self.bounds, self.until)?;
            // Aborted records and what lies beyond the last step count as read: the bar is to come to its end.
            self.progress.went(u64::try_from(stretch.next() - before).unwrap_or(0));
            moved |= stretch.next() > before || left == 0;
            all.records += went.records;
            all.reached &= went.reached;
        }
        self.judge_silence(moved || all.reached)?;
        Ok(all)
    }
}

fn unreadable(id: &PartitionId, error: &KafkaError) -> RangeError {
    RangeError::Partition { partition: id.to_string(), reason: words(error) }
}

/// The reason alone where there is one: the rest of the error says what was called.
fn words(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}
