//! Looking topics up, without ever creating one.

use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use crate::kafka::client::Consumer;
use crate::kafka::upstream::TopicLookup;

/// Asks a broker for a topic.
pub(super) fn look_up(consumer: &Consumer, topic: &str, timeout: Duration) -> KafkaResult<TopicLookup> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(TopicLookup::Missing);
    };
    Ok(match found.error() {
        None if found.partitions().is_empty() => TopicLookup::Missing,
        None => match found.partitions().iter().find(|partition| partition.leader() < 0) {
            Some(orphan) => TopicLookup::Refused(format!("partition {topic}/{} has no leader", orphan.id())),
            None => TopicLookup::Partitions(found.partitions().iter().map(|partition| partition.id()).collect()),
        },
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => TopicLookup::Missing,
        Some(error) => TopicLookup::Refused(format!("topic {topic} cannot be read: {}", RDKafkaErrorCode::from(error))),
    })
}
