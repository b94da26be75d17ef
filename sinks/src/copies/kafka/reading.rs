//! Reading the topic: the last record of every key, one partition after the other.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::{refused, value};
use crate::copies::destination::{DestinationError, FoundList};
use crate::copies::rows::Digest;

/// How long the broker may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// How long one wait for a record takes at most.
const POLL: Duration = Duration::from_millis(100);

/// The keys of the consumer. Records of open and aborted transactions are not read.
const SETTINGS: &[(&str, &str)] = &[
    ("group.id", "vitrine-copy"),
    ("enable.auto.commit", "false"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
    ("allow.auto.create.topics", "false"),
    ("auto.offset.reset", "earliest"),
];

/// A consumer of the topic.
pub(super) struct Reading {
    consumer: BaseConsumer,
    topic: String,
}

impl Reading {
    pub(super) fn open(base: &ClientConfig, topic: &str) -> Result<Reading, DestinationError> {
        let mut config = base.clone();
        for (key, value) in SETTINGS {
            config.set(*key, *value);
        }
        let consumer = config.create().map_err(|error| refused("making a Kafka client", &error))?;
        Ok(Reading { consumer, topic: topic.to_owned() })
    }

    /// The number of partitions.
    pub(super) fn partitions(&self) -> Result<i32, DestinationError> {
        let asked = self.consumer.fetch_metadata(Some(&self.topic), SILENCE_MAX);
        let metadata = asked.map_err(|error| refused("asking for the topic's partitions", &error))?;
        let found = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let partitions = found.map_or(0, |topic| topic.partitions().len());
        match i32::try_from(partitions).unwrap_or(i32::MAX) {
            0 => Err(DestinationError::Refused {
                doing: "asking for the topic's partitions".into(),
                reason: format!("topic {} has none", self.topic),
            }),
            partitions => Ok(partitions),
        }
    }

    /// The lists of a partition, up to its end, and at least up to the offset `written`, if there is one: a commit is
    /// answered before readers see the records.
    pub(super) fn partition(&self, partition: i32, written: Option<i64>) -> Result<Vec<FoundList>, DestinationError> {
        let doing = "reading the topic";
        let mut assignment = TopicPartitionList::new();
        let from = assignment.add_partition_offset(&self.topic, partition, Offset::Beginning);
        from.and_then(|()| self.consumer.assign(&assignment)).map_err(|error| refused(doing, &error))?;
        let (mut lists, mut last, mut heard) = (HashMap::new(), None, Instant::now());
        let mut is_at_end = false;
        while !is_at_end || last < written {
            match self.consumer.poll(POLL) {
                Some(Ok(record)) if record.partition() == partition => {
                    (is_at_end, last, heard) = (false, Some(record.offset()), Instant::now());
                    take(&mut lists, record.key(), record.payload());
                }
                Some(Err(KafkaError::PartitionEOF(of))) => is_at_end |= of == partition,
                Some(Err(error)) => return Err(refused(doing, &error)),
                Some(Ok(_)) | None if heard.elapsed() > SILENCE_MAX => {
                    return Err(DestinationError::Refused {
                        doing: doing.into(),
                        reason: format!("the broker has sent nothing for {} s", SILENCE_MAX.as_secs()),
                    });
                }
                Some(Ok(_)) | None => {}
            }
        }
        self.consumer.unassign().map_err(|error| refused(doing, &error))?;
        Ok(lists.into_iter().map(|(name, digest)| FoundList { name, digest }).collect())
    }
}

/// A record replaces the one before it with the same key; a tombstone removes it. A key that is no text is not a list's.
fn take(lists: &mut HashMap<String, Option<Digest>>, key: Option<&[u8]>, payload: Option<&[u8]>) {
    let Some(key) = key.and_then(|key| std::str::from_utf8(key).ok()) else { return };
    match payload {
        None => drop(lists.remove(key)),
        Some(payload) => drop(lists.insert(key.to_owned(), value::digest(key, payload))),
    }
}
