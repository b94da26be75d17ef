//! Writing lists in transactions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use super::refused;
use crate::copies::destination::DestinationError;
use crate::kafka_log::of_producer;

/// How long a step of a transaction may take.
const STEP_MAX: Duration = Duration::from_secs(20);

/// The keys of the producer; `of_producer` has set those on which durability depends.
const SETTINGS: &[(&str, &str)] = &[
    ("transaction.timeout.ms", "30000"),
    ("message.timeout.ms", "20000"),
    // Records of a transaction are sent together.
    ("linger.ms", "5"),
];

/// How long to wait for room in the producer.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// A transactional producer.
pub(super) struct Producing {
    producer: BaseProducer<Offsets>,
    topic: String,
}

/// The offset of the last record that was written to each partition.
#[derive(Clone, Default)]
struct Offsets(Arc<Mutex<BTreeMap<i32, i64>>>);

impl ClientContext for Offsets {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the Kafka client reports an error");
    }
}

impl ProducerContext for Offsets {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        // A failed delivery also fails the transaction.
        if let Ok(message) = result {
            let mut offsets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let last = offsets.entry(message.partition()).or_insert(message.offset());
            *last = (*last).max(message.offset());
        }
    }
}

impl Producing {
    /// Opens a producer, and ends the open transaction of an earlier one of this process.
    pub(super) fn open(base: &ClientConfig, topic: &str, process: usize) -> Result<Producing, DestinationError> {
        let mut config = of_producer(base);
        config.remove("delivery.timeout.ms").remove("queue.buffering.max.ms");
        for (key, value) in SETTINGS {
            config.set(*key, *value);
        }
        config.set("transactional.id", format!("vitrine-copy-{topic}-{process}"));
        let context = Offsets::default();
        let producer: BaseProducer<Offsets> =
            config.create_with_context(context).map_err(|error| refused("making a Kafka client", &error))?;
        let begun = producer.init_transactions(STEP_MAX);
        begun.map_err(|error| refused("ending earlier transactions", &error))?;
        Ok(Producing { producer, topic: topic.to_owned() })
    }

    /// The offset of the last record that was written to a partition; none if there is none.
    pub(super) fn written(&self, partition: i32) -> Option<i64> {
        self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).copied()
    }

    /// Removes lists from a partition.
    pub(super) fn remove(&self, partition: i32, keys: impl Iterator<Item = String>) -> Result<(), DestinationError> {
        let mut keys = keys.peekable();
        if keys.peek().is_none() {
            return Ok(());
        }
        self.transaction(keys.map(|key| (partition, key, None)))
    }

    /// Writes records (partition, key, value; none is a tombstone) in one transaction.
    pub(super) fn transaction(
        &self,
        records: impl Iterator<Item = (i32, String, Option<Vec<u8>>)>,
    ) -> Result<(), DestinationError> {
        self.producer.begin_transaction().map_err(|error| refused("beginning a transaction", &error))?;
        for (partition, key, value) in records {
            self.send(partition, &key, value.as_deref())?;
        }
        // The acknowledgements are taken here, which a commit would wait for.
        self.producer.flush(STEP_MAX).map_err(|error| refused("writing to the topic", &error))?;
        self.producer.commit_transaction(STEP_MAX).map_err(|error| refused("committing a transaction", &error))
    }

    fn send(&self, partition: i32, key: &str, value: Option<&[u8]>) -> Result<(), DestinationError> {
        let mut record = BaseRecord::<str, [u8]>::to(&self.topic).key(key).partition(partition);
        record.payload = value;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.producer.poll(ROOM_WAIT);
                }
                Err((error, _)) => return Err(refused("writing to the topic", &error)),
            }
        }
    }
}
