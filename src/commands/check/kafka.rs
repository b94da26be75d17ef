//! The broker and every topic, by one metadata request.

use std::io::{self, Write};

use sinks::kafka_log::COMPACT;

use super::CheckReport;
use crate::commands::broker::{BrokerClient, partitions_of};
use crate::config::Kafka;

/// Partitions in the suggested command: enough for a few workers.
const PARTITIONS: u32 = 4;

/// Checks the topics that Vitrine reads, and those in `archived`.
pub(super) fn check(kafka: &Kafka, archived: &[String], report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let (broker, metadata) = match BrokerClient::connect(kafka) {
        Ok(connected) => connected,
        Err(error) => {
            let ways = [
                "start Kafka, or set `kafka.brokers` (VITRINE__KAFKA__BROKERS) to where it runs".to_owned(),
                "with TLS or passwords, `[kafka.client]` needs \"security.protocol\" and what belongs to it".to_owned(),
            ];
            return report.bad(&format!("kafka: {error:#}"), &ways);
        }
    };
    report.good(&format!("kafka: {} brokers known at {}", metadata.brokers().len(), kafka.brokers))?;
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
    match kafka.rules.as_deref().filter(|rules| partitions_of(&metadata, rules).is_some()) {
        Some(rules) => policy(kafka, &broker, rules, report),
        None => Ok(()),
    }
}

/// Notes a topic of rules that may lose rules.
fn policy(kafka: &Kafka, broker: &BrokerClient, rules: &str, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let server = &kafka.brokers;
    match broker.cleanup_policy(rules) {
        Ok(policy) if policy == COMPACT => Ok(()),
        Ok(policy) => report.note(&format!(
            "kafka: topic {rules} (kafka.rules) has cleanup.policy={policy}, so rules can be lost: kafka-configs.sh \
             --bootstrap-server {server} --alter --entity-type topics --entity-name {rules} --add-config cleanup.policy={COMPACT}"
        )),
        Err(error) => report.note(&format!("kafka: the cleanup.policy of topic {rules} (kafka.rules) is unknown: {error:#}")),
    }
}

fn ways(kafka: &Kafka, topic: &str) -> [String; 2] {
    let server = &kafka.brokers;
    let is_of_rules = kafka.rules.as_deref() == Some(topic);
    let policy = if is_of_rules { format!(" --config cleanup.policy={COMPACT}") } else { String::new() };
    [
        format!(
            "kafka-topics.sh --bootstrap-server {server} --create --topic {topic} --partitions {PARTITIONS}{policy}"
        ),
        "or let Vitrine make all topics and tables: vitrine generate --to services --empty --config FILE".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_topic_of_rules_is_made_compacted() {
        let kafka = Kafka { rules: Some("shelf".into()), ..Kafka::default() };
        assert!(ways(&kafka, "shelf")[0].ends_with(" --topic shelf --partitions 4 --config cleanup.policy=compact"));
        assert!(ways(&kafka, "views")[0].ends_with(" --topic views --partitions 4"));
    }
}
