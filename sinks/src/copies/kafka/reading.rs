//! Reading the topic: the last record of every key, one partition after the other.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

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
    consumer: BaseConsumer<Reports>,
    topic: String,
}

/// What the client reports is for debugging. librdkafka also reports the end of a partition, which each reading reaches; other
/// errors are returned by the reading.
struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the Kafka client reports an error");
    }
}

impl ConsumerContext for Reports {}

impl Reading {
    pub(super) fn open(base: &ClientConfig, topic: &str) -> Result<Reading, DestinationError> {
        let mut config = base.clone();
        for (key, value) in SETTINGS {
            config.set(*key, *value);
        }
        let consumer = config.create_with_context(Reports).map_err(|error| refused("making a Kafka client", &error))?;
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use rdkafka::mocking::MockCluster;
    use tracing::field::{Field, Visit};
    use tracing::{Event, Level, Metadata, Subscriber, span};

    use super::*;

    /// The levels and the fields of what is logged.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<(Level, String)>>>);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0 += &format!("{field}={value:?} ");
        }
    }

    impl Subscriber for Logged {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn the_end_of_a_partition_is_logged_for_debugging_only() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("lists", 1, 1).unwrap();
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", cluster.bootstrap_servers());
        let logged = Logged::default();
        tracing::subscriber::with_default(logged.clone(), || {
            let reading = Reading::open(&base, "lists").unwrap();
            assert_eq!(reading.partition(0, None), Ok(Vec::new()));
        });
        let logged = logged.0.lock().unwrap();
        assert!(logged.iter().any(|(_, fields)| fields.contains("PartitionEOF")), "{logged:?}");
        assert!(logged.iter().all(|(level, _)| *level == Level::DEBUG), "{logged:?}");
    }
}
