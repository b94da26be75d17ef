//! The broker and every topic, by one metadata request.

use std::io::{self, Write};

use super::CheckReport;
use crate::commands::broker::{BrokerClient, partitions_of};
use crate::config::Kafka;

/// Partitions in the suggested command: enough for a few workers.
const PARTITIONS: u32 = 4;

/// Checks the topics that Vitrine reads, and those in `archived`.
pub(super) fn check(kafka: &Kafka, archived: &[String], report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let metadata = match BrokerClient::connect(kafka) {
        Ok((_, metadata)) => metadata,
        Err(error) => {
            let ways = [
                "start Kafka, or set `kafka.brokers` (VITRINE__KAFKA__BROKERS) to where it runs".to_owned(),
                "with TLS or passwords, `[kafka.client]` needs \"security.protocol\" and what belongs to it".to_owned(),
            ];
            return report.bad(&format!("kafka: {error:#}"), &ways);
        }
    };
    report.good(&format!(
        "kafka: {} of {} brokers known at {}",
        metadata.brokers().len(),
        metadata.brokers().len(),
        kafka.brokers
    ))?;
    let only_archived = archived.iter().filter(|topic| kafka.topics().all(|(read, _)| read != **topic));
    let only_archived = only_archived.map(|topic| (topic.as_str(), "archive.topics"));
    for (topic, setting) in kafka.topics().chain(only_archived) {
        match partitions_of(&metadata, topic) {
            Some(partitions) => {
                report.good(&format!("kafka: topic {topic} ({setting}) has {partitions} partitions"))?
            }
            None if topic != kafka.removals && topic != kafka.dead_letters => {
                report.bad(&format!("kafka: topic {topic} ({setting}) is missing"), &ways(kafka, topic))?
            }
            None => report.note(&format!(
                "kafka: topic {topic} ({setting}) is missing; `vitrine serve` makes it when it starts"
            ))?,
        }
    }
    Ok(())
}

fn ways(kafka: &Kafka, topic: &str) -> [String; 2] {
    let server = &kafka.brokers;
    [
        format!("kafka-topics.sh --bootstrap-server {server} --create --topic {topic} --partitions {PARTITIONS}"),
        "or let Vitrine make all topics and tables: vitrine generate --to services --empty --config FILE".into(),
    ]
}
