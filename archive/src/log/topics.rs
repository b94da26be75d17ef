//! Topics of Kafka, through clients of the archive's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use dataflow::feed::Waker;
use events::RecordTime;
use sources::kafka::upstream::{Fetch, Lend as _, PartitionId, Record, Tail, Taken, TopicLookup, Upstream};
use sources::kafka::{self, SettingsError};

use super::{Given, Log, LogTail, Looked};
use crate::row::LogRecord;

/// The messages that are taken from the client at a time.
const BATCH: usize = 1024;

/// Topics of Kafka.
pub struct Topics<U, F> {
    upstream: U,
    fetch: F,
    topics: Vec<Arc<str>>,
    /// Topics that need not exist.
    optional: Vec<String>,
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
    Ok(Topics { upstream, fetch, topics, optional })
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
                Ok(TopicLookup::Missing) if self.optional.iter().any(|optional| **optional == **topic) => {}
                Ok(TopicLookup::Missing) => looked.troubles.push(format!("topic {topic} does not exist")),
                Ok(TopicLookup::Refused(reason)) => looked.troubles.push(reason),
                Err(error) => {
                    looked.troubles.push(error.to_string());
                    return looked;
                }
            }
        }
        match self.upstream.ends(&present.into_iter().collect::<Vec<_>>()) {
            Ok(ends) => looked.ends = ends,
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
