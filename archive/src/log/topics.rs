//! Topics of Kafka, through clients of the archive's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::feed::Waker;
use events::RecordTime;
use sources::kafka::upstream::{Fetch, Lend as _, PartitionId, Record, Tail, Taken, TopicLookup, Upstream};
use sources::kafka::{self, SettingsError};

use super::{Given, Log, LogTail, Looked};
use crate::row::LogRecord;

/// The messages that are taken from the client at a time.
const BATCH: usize = 1024;

/// How often the topics' retention is asked for, and how soon again if that fails.
const RETENTION: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(60));

/// Topics of Kafka.
pub struct Topics<U, F> {
    upstream: U,
    fetch: F,
    topics: Vec<Arc<str>>,
    /// Topics that need not exist.
    optional: Vec<String>,
    settings: kafka::Settings,
    /// The last answer on retention, and when it is asked for again.
    retention: (BTreeMap<Arc<str>, Duration>, Instant),
}

/// Connects to the brokers. A broker that is away is no error, and neither is an `optional` topic that does not exist.
///
/// # Errors
/// When the settings cannot work.
pub fn topics(
    settings: &kafka::Settings,
    optional: Vec<String>,
) -> Result<Topics<impl Upstream + use<>, impl Fetch + use<>>, SettingsError> {
    let (upstream, fetch) = kafka::connect(settings)?;
    let topics = settings.topics.iter().map(|topic| topic.as_str().into()).collect();
    let (settings, retention) = (settings.clone(), (BTreeMap::new(), Instant::now()));
    Ok(Topics { upstream, fetch, topics, optional, settings, retention })
}

impl<U, F> Topics<U, F> {
    /// How long the topics keep records, as far as that is known. A broker that answered just now is asked from time to time.
    fn retention(&mut self) -> BTreeMap<Arc<str>, Duration> {
        let (known, again) = &mut self.retention;
        if Instant::now() >= *again {
            let pause = match kafka::retention(&self.settings) {
                Ok(found) => {
                    *known = found;
                    RETENTION.0
                }
                Err(reason) => {
                    tracing::debug!(%reason, "archive: the topics' retention is not known");
                    RETENTION.1
                }
            };
            *again = Instant::now() + pause;
        }
        known.clone()
    }
}

impl<U: Upstream, F: Fetch> Log for Topics<U, F> {
    type Tail = TopicTail<F::Tail>;

    fn topics(&self) -> Vec<Arc<str>> {
        self.topics.clone()
    }

    fn serve(&mut self) {
        self.upstream.serve();
        self.fetch.serve();
    }

    fn look(&mut self) -> Looked {
        let mut looked = Looked::default();
        let mut present = BTreeSet::new();
        for topic in &self.topics {
            match self.upstream.look_up(topic) {
                Ok(TopicLookup::Partitions(partitions)) => {
                    present.extend(
                        partitions.into_iter().map(|partition| PartitionId { topic: topic.clone(), partition }),
                    );
                }
                Ok(TopicLookup::Missing) => {
                    looked.missing.push(topic.clone());
                    if !self.optional.iter().any(|optional| **optional == **topic) {
                        looked.troubles.push(format!("topic {topic} does not exist"));
                    }
                }
                Ok(TopicLookup::Refused(reason)) => looked.troubles.push(reason),
                Err(error) => {
                    looked.troubles.push(error.to_string());
                    return looked;
                }
            }
        }
        match self.upstream.ends(&present.into_iter().collect::<Vec<_>>()) {
            Ok(ends) => {
                looked.ends = ends;
                looked.retention = self.retention();
            }
            Err(error) => looked.troubles.push(error.to_string()),
        }
        looked
    }

    fn start(&mut self, id: &PartitionId, next: i64, waker: &Waker) -> Result<Self::Tail, String> {
        self.fetch.start(id, next, waker).map(TopicTail).map_err(|error| error.to_string())
    }
}

/// A partition of a topic.
pub struct TopicTail<T>(T);

impl<T: Tail> LogTail for TopicTail<T> {
    fn read(&mut self, take: &mut dyn FnMut(Given<'_>) -> bool) {
        self.0.fill(BATCH);
        while let Some(taken) = self.0.take() {
            let goes_on = match taken {
                Taken::Record(record) => take(Given::Record(log_record(&record.lend()))),
                Taken::End(end) => take(Given::End(end)),
                Taken::Failed(error) => take(Given::Failed(error.to_string())),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn stop(self) {
        self.0.stop();
    }
}

fn log_record<'a>(record: &Record<'a>) -> LogRecord<'a> {
    let time = record.timestamp.to_millis().and_then(RecordTime::of);
    LogRecord { offset: record.offset, next: record.offset + 1, time, key: record.key, payload: record.payload }
}
