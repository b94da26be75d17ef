//! The contents of the topics, read by a separate consumer and reduced to the latest event of each user and product.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use harness::kafka::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::SOON;

const POLL: Duration = Duration::from_millis(20);

/// Topics as they were read, also after they are gone.
#[derive(Default)]
pub(crate) struct TopicContents {
    /// By topic and partition: the offset to read next.
    next: BTreeMap<(String, i32), i64>,
    /// By user and product: when the last view or removal was, in milliseconds, and whether it was a removal. Of both at
    /// the same time the removal counts.
    latest: BTreeMap<String, BTreeMap<String, (u64, bool)>>,
    /// Ids of the messages.
    messages: BTreeSet<String>,
    /// By user and product: removals that were written.
    removals: HashMap<(String, String), usize>,
    records: usize,
}

impl TopicContents {
    /// Reads each topic to its end, as far as transactions are committed.
    pub(crate) fn catch_up(&mut self, kafka: &Broker, topics: &[&str]) {
        topics.iter().for_each(|topic| self.read(kafka, topic));
    }

    /// The topic will be another one of the same name.
    pub(crate) fn begin_anew(&mut self, topic: &str) {
        self.next.retain(|(known, _), _| known != topic);
    }

    /// Products in the order of the last view, latest first, with its time; `key` orders those of the same time.
    pub(crate) fn history<K: Ord>(&self, user: &str, key: impl Fn(&str) -> K) -> Vec<(&str, u64)> {
        let products = self.latest.get(user).into_iter().flatten();
        let viewed = products.filter(|(_, (_, removed))| !removed);
        let mut viewed: Vec<(&str, u64)> = viewed.map(|(product, (at, _))| (product.as_str(), *at)).collect();
        viewed.sort_by_key(|(product, at)| (std::cmp::Reverse(*at), key(product)));
        viewed
    }

    /// Whether a message of that id was read.
    pub(crate) fn has(&self, message: &str) -> bool {
        self.messages.contains(message)
    }

    /// How many removals of a product were read.
    pub(crate) fn removals(&self, user: &str, product: &str) -> usize {
        self.removals.get(&(user.to_owned(), product.to_owned())).copied().unwrap_or(0)
    }

    /// How many records were read.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    fn read(&mut self, kafka: &Broker, topic: &str) {
        let partitions = i32::try_from(kafka.partitions(topic)).expect("a handful of partitions");
        let mut config = kafka.client_config();
        config
            .set("group.id", "mirror")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .set("isolation.level", "read_committed");
        let consumer: BaseConsumer = config.create().expect("these settings are valid");
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            let from =
                self.next.get(&(topic.to_owned(), partition)).map_or(Offset::Beginning, |at| Offset::Offset(*at));
            assignment.add_partition_offset(topic, partition, from).expect("an offset that was read");
        }
        consumer.assign(&assignment).expect("partitions that exist can be assigned");
        let start = Instant::now();
        let mut ended = BTreeSet::new();
        while (ended.len() as i32) < partitions {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    ended.remove(&message.partition());
                    self.next.insert((topic.to_owned(), message.partition()), message.offset() + 1);
                    self.take(&message);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                }
                // A broker that has just come back refuses for a moment.
                Some(Err(_)) | None => {}
            }
            assert!(start.elapsed() < SOON, "{topic} is not read to its end: {ended:?} of {partitions} partitions");
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let event: Value = serde_json::from_slice(message.payload().unwrap_or_default()).expect("events are JSON");
        let text = |value: &Value| value.as_str().expect("an id is text").to_owned();
        let (user, product) = (text(&event["userid"]), text(&event["properties"]["productid"]));
        let stated = (event["timestamp"].as_f64().expect("a number of seconds") * 1000.0).round() as u64;
        let appended = message.timestamp().to_millis().and_then(|at| u64::try_from(at).ok());
        let removed = event["event"] == "ProductRemoved";
        // A view is not later than its record; a removal covers what it was meant to cover.
        let at = if removed { stated } else { stated.min(appended.expect("Kafka stamps every record")) };
        let latest = self.latest.entry(user.clone()).or_default().entry(product.clone()).or_default();
        *latest = (at, removed).max(*latest);
        if removed {
            *self.removals.entry((user, product)).or_default() += 1;
        }
        self.messages.insert(text(&event["messageid"]));
        self.records += 1;
    }
}
