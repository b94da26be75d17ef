//! Writing and reading records with acknowledged delivery and exact counts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::{Broker, REQUEST_TIMEOUT};
use crate::wait_until;

const DELIVERY_DEADLINE: Duration = Duration::from_secs(120);
const QUEUE_POLL: Duration = Duration::from_millis(10);

/// A record that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition it was in.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// The record's timestamp, milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The key; none and empty are the same here.
    pub key: Vec<u8>,
    /// The payload; none (a tombstone) and empty are the same here.
    pub payload: Vec<u8>,
}

/// Remembers the first failed delivery.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Option<KafkaError>>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut first = self.0.lock().expect("no holder of this lock panics");
            first.get_or_insert_with(|| error.clone());
        }
    }
}

impl Broker {
    /// Writes the payloads in order, with the current time, to one partition or (`None`) wherever the client puts them;
    /// returns when all are acknowledged.
    #[track_caller]
    pub fn produce<P: AsRef<[u8]>>(&self, topic: &str, partition: Option<i32>, payloads: impl IntoIterator<Item = P>) {
        self.produce_records(topic, partition, None, payloads);
    }

    /// As [`Broker::produce`], with a timestamp (milliseconds since the epoch) for all records.
    #[track_caller]
    pub fn produce_at<P: AsRef<[u8]>>(
        &self,
        topic: &str,
        partition: Option<i32>,
        timestamp_ms: i64,
        payloads: impl IntoIterator<Item = P>,
    ) {
        self.produce_records(topic, partition, Some(timestamp_ms), payloads);
    }

    /// A producer of the test's own, for transactions, pacing or settings such as `("linger.ms", "0")`.
    #[track_caller]
    pub fn producer(&self, settings: &[(&str, &str)]) -> BaseProducer {
        let mut config = self.client_config();
        for (key, value) in settings {
            config.set(*key, *value);
        }
        config.create().expect("the test's producer settings are valid")
    }

    /// The first and the next offset of a partition.
    #[track_caller]
    pub fn watermarks(&self, topic: &str, partition: i32) -> (i64, i64) {
        let watermarks = self.consumer().fetch_watermarks(topic, partition, REQUEST_TIMEOUT);
        watermarks.unwrap_or_else(|error| panic!("no watermarks of {topic}/{partition}: {error}"))
    }

    /// Reads the topic from its beginning until `count` committed records are there; sorted by partition and offset.
    #[track_caller]
    pub fn consume(&self, topic: &str, count: usize, deadline: Duration) -> Vec<Record> {
        self.read_until(topic, &self.consumer(), deadline, |records, _| records >= count)
    }

    /// Reads everything that is in the topic now, once no transaction is under way; sorted by partition and offset.
    #[track_caller]
    pub fn consume_all(&self, topic: &str) -> Vec<Record> {
        self.wait_transactions(topic);
        let partitions = self.partitions(topic);
        let committed = self.consumer_of("read_committed");
        self.read_until(topic, &committed, DELIVERY_DEADLINE, |_, ended| ended == partitions)
    }

    /// Reads the topic from its beginning until `is_done` holds, which is given the number of records and that of the partitions
    /// that were read to their end.
    #[track_caller]
    fn read_until(
        &self,
        topic: &str,
        consumer: &BaseConsumer,
        deadline: Duration,
        is_done: impl Fn(usize, usize) -> bool,
    ) -> Vec<Record> {
        assign_all(consumer, topic, self.partitions(topic));
        let (mut records, mut ended) = (Vec::new(), BTreeSet::new());
        wait_until(deadline, &format!("{topic} is read"), || {
            // Takes all available records without a pause per record, because thousands of pauses would take long.
            while !is_done(records.len(), ended.len()) {
                match consumer.poll(QUEUE_POLL) {
                    Some(Ok(message)) => records.push(Record::from(&message)),
                    Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                    Some(Err(error)) => {
                        assert!(passes(&error), "cannot read {topic}: {error}");
                        return false;
                    }
                    None => return false,
                }
            }
            true
        });
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// Waits until no transaction is under way in the topic: the marker that ends a transaction is written a moment after
    /// the producer's commit or abort has returned.
    #[track_caller]
    pub fn wait_transactions(&self, topic: &str) {
        let (all, committed) = (self.consumer_of("read_uncommitted"), self.consumer_of("read_committed"));
        let end = |of: &BaseConsumer, partition| of.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).ok();
        for partition in 0..self.partitions(topic) {
            wait_until(REQUEST_TIMEOUT, "all transactions have ended", || {
                let last = end(&all, partition as i32);
                last.is_some() && last == end(&committed, partition as i32)
            });
        }
    }

    fn consumer_of(&self, isolation: &str) -> BaseConsumer {
        let mut config = self.client_config();
        config.set("group.id", "harness").set("isolation.level", isolation).set("enable.partition.eof", "true");
        config.create().expect("these settings are valid")
    }

    #[track_caller]
    fn produce_records<P: AsRef<[u8]>>(
        &self,
        topic: &str,
        partition: Option<i32>,
        timestamp_ms: Option<i64>,
        payloads: impl IntoIterator<Item = P>,
    ) {
        let failures = Failures::default();
        let mut config = self.client_config();
        // Idempotent: in order and once each, even when the broker is killed in between.
        config.set("enable.idempotence", "true").set("message.max.bytes", "16000000");
        let producer: BaseProducer<Failures> =
            config.create_with_context(failures.clone()).expect("these settings are valid");
        for payload in payloads {
            let mut record = BaseRecord::<[u8], _>::to(topic).payload(payload.as_ref());
            record.partition = partition;
            record.timestamp = timestamp_ms;
            while let Err((error, back)) = producer.send(record) {
                let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
                assert!(error == full, "cannot write to {topic}: {error}");
                record = back;
                producer.poll(QUEUE_POLL);
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(DELIVERY_DEADLINE).expect("all records are acknowledged in time");
        let failed = failures.0.lock().expect("no holder of this lock panics").take();
        assert!(failed.is_none(), "a record for {topic} was not delivered: {failed:?}");
    }
}

/// Whether a consumer goes on by itself after this error: on a busy machine a request takes too long, or the connection
/// is made again.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, RequestTimedOut};
    let code = error.rdkafka_error_code();
    let passing = [AllBrokersDown, BrokerTransportFailure, OperationTimedOut, RequestTimedOut];
    code.is_some_and(|code| passing.contains(&code))
}

/// Lets a consumer read all partitions of a topic from their beginnings.
#[track_caller]
fn assign_all(consumer: &BaseConsumer, topic: &str, partitions: usize) {
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        let added = assignment.add_partition_offset(topic, partition as i32, Offset::Beginning);
        added.expect("the beginning is an offset");
    }
    assert!(assignment.count() > 0, "there is no topic {topic}");
    consumer.assign(&assignment).expect("partitions that exist can be assigned");
}

impl From<&BorrowedMessage<'_>> for Record {
    fn from(message: &BorrowedMessage<'_>) -> Record {
        Record {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().unwrap_or_default().to_vec(),
            payload: message.payload().unwrap_or_default().to_vec(),
        }
    }
}
