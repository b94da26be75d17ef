//! Creating, growing, truncating and deleting topics, each visible in the broker's metadata before the call returns.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::{Broker, POLL, REQUEST_TIMEOUT};
use crate::wait_until;

impl Broker {
    /// Creates a topic of `partitions` partitions.
    #[track_caller]
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.create_topic_with(topic, partitions, &[]);
    }

    /// Creates a topic with settings of its own, such as `("max.message.bytes", "4194304")`.
    #[track_caller]
    pub fn create_topic_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let what = format!("there is a broker for topic {topic}");
        wait_until(REQUEST_TIMEOUT, &what, || {
            let made = block_on(self.admin().create_topics([&new], &options()));
            let made = made.expect("Kafka answers a request to make a topic");
            made.into_iter().all(|result| match result {
                Ok(_) => true,
                // On a busy machine the broker's heartbeats come late, and until the next one it counts as gone.
                Err((_, RDKafkaErrorCode::InvalidReplicationFactor)) => false,
                Err((topic, code)) => panic!("topic {topic} is not made: {code}"),
            })
        });
        self.wait_partitions(topic, partitions as usize);
    }

    /// Deletes a topic and waits until its name is gone.
    #[track_caller]
    pub fn delete_topic(&self, topic: &str) {
        let deleted = block_on(self.admin().delete_topics(&[topic], &options()));
        for result in deleted.expect("Kafka answers a request to delete a topic") {
            result.unwrap_or_else(|(topic, code)| panic!("topic {topic} is not deleted: {code}"));
        }
        self.wait_partitions(topic, 0);
    }

    /// Adds partitions to a topic until it has `total`.
    #[track_caller]
    pub fn grow_topic(&self, topic: &str, total: i32) {
        let grown = NewPartitions::new(topic, total as usize);
        let grown = block_on(self.admin().create_partitions([&grown], &options()));
        for result in grown.expect("Kafka answers a request to add partitions") {
            result.unwrap_or_else(|(topic, code)| panic!("topic {topic} does not grow: {code}"));
        }
        self.wait_partitions(topic, total as usize);
    }

    /// Removes every record of a partition before the offset `first_kept`.
    #[track_caller]
    pub fn truncate(&self, topic: &str, partition: i32, first_kept: i64) {
        let mut offsets = TopicPartitionList::new();
        let offset = Offset::Offset(first_kept);
        offsets.add_partition_offset(topic, partition, offset).expect("an offset of a record");
        let truncated = block_on(self.admin().delete_records(&offsets, &options()));
        let truncated = truncated.expect("Kafka answers a request to delete records");
        for element in truncated.elements() {
            element.error().expect("the records are deleted");
        }
    }

    /// The number of partitions a topic has; 0 if there is no such topic. Never creates the topic.
    #[track_caller]
    pub fn partitions(&self, topic: &str) -> usize {
        // Requests the metadata of all topics, because naming a topic could create it.
        let metadata = self.consumer().fetch_metadata(None, REQUEST_TIMEOUT);
        let metadata = metadata.expect("Kafka answers a metadata request");
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        found.map_or(0, |found| found.partitions().len())
    }

    fn wait_partitions(&self, topic: &str, partitions: usize) {
        let consumer = self.consumer();
        let what = format!("topic {topic} has {partitions} partitions with a leader");
        wait_until(REQUEST_TIMEOUT, &what, || {
            let Ok(metadata) = consumer.fetch_metadata(None, POLL) else { return false };
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let led =
                found.map_or(0, |found| found.partitions().iter().filter(|partition| partition.leader() >= 0).count());
            led == partitions
        });
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client_config().create().expect("these settings are valid")
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

/// The admin client answers from a thread of its own; it needs no reactor, only a thread that waits.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without reactor always starts").block_on(future)
}
