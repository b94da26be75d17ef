//! Looking topics up, without ever creating one.
//!
//! Another part of the program may make some of the topics that are read. A start that finds such a topic missing waits for
//! it: nothing is wrong, and the other part reports it if the topic cannot be made.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::Watcher;
use crate::kafka::assignments::PartitionId;
use crate::kafka::client::Consumer;
use crate::kafka::upstream::{TopicLookup, Unanswered, Upstream};

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

impl<U: Upstream> Watcher<U> {
    /// Looks all topics up.
    pub(super) fn look_up_topics(&mut self) -> Result<(), Unanswered> {
        let (mut present, mut troubles, mut refused) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut expected = Vec::new();
        for topic in &self.parts.topics {
            match self.parts.upstream.look_up(topic)? {
                TopicLookup::Partitions(partitions) => {
                    present.extend(
                        partitions.into_iter().map(|partition| PartitionId { topic: topic.clone(), partition }),
                    );
                }
                TopicLookup::Missing if self.expected.contains(topic) => expected.push(topic.clone()),
                TopicLookup::Missing => troubles.push(missing(topic, self.parts.made_here.contains(topic))),
                TopicLookup::Refused(reason) => {
                    // It still exists: its partitions are not dropped.
                    present.extend(self.present.iter().filter(|id| id.topic == *topic).cloned());
                    refused.push(topic.clone());
                    troubles.push(reason);
                }
            }
        }
        (self.present, self.topic_troubles, self.refused, self.expected) = (present, troubles, refused, expected);
        Ok(())
    }
}

/// What is wrong with a missing topic; `is_made_here`: it was there, and another part of this program makes it.
fn missing(topic: &str, is_made_here: bool) -> String {
    match is_made_here {
        true => format!(
            "topic {topic} does not exist any more: it is made when something is written to it next, or create it"
        ),
        false => format!(
            "topic {topic} does not exist: create it, or name another one under [kafka]; this topic is never made here"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use dataflow::feed::StreamFingerprint;
    use dataflow::source_status::{SourceRegistry, State};

    use super::*;
    use crate::kafka::fingerprint::{Ends, Reread};
    use crate::kafka::watch::WatcherParts;

    /// Brokers that have these topics, without records.
    #[derive(Clone, Default)]
    struct Topics(Arc<Mutex<BTreeSet<&'static str>>>);

    impl Upstream for Topics {
        fn serve(&self) {}

        fn look_up(&self, topic: &str) -> Result<TopicLookup, Unanswered> {
            let is_there = self.0.lock().unwrap().contains(topic);
            Ok(if is_there { TopicLookup::Partitions(vec![0]) } else { TopicLookup::Missing })
        }

        fn ends(&self, ids: &[PartitionId]) -> Result<BTreeMap<PartitionId, Ends>, Unanswered> {
            Ok(ids.iter().map(|id| (id.clone(), Ends { low: 0, high: 0 })).collect())
        }

        fn reread(
            &self,
            _: &BTreeMap<PartitionId, StreamFingerprint>,
        ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered> {
            Ok(BTreeMap::new())
        }
    }

    #[test]
    fn only_a_topic_that_nobody_makes_is_wrong_before_it_is_there() {
        let (topics, registry) = (Topics::default(), SourceRegistry::default());
        let mut watcher = Watcher::new(WatcherParts {
            upstream: topics.clone(),
            topics: vec!["views".into(), "removals".into()],
            made_here: vec!["removals".into()],
            discovery: Duration::MAX,
            resume: Arc::new(|_, _| None),
            past: None,
            erasures: None,
            answered_before: false,
            awaited: false,
            all_assignments: Arc::default(),
            notify: Arc::default(),
            status: registry.source("kafka"),
        });
        let mut look = || {
            watcher.turn(true);
            registry.snapshot()[0].state.clone()
        };
        let State::Retrying(reason) = look() else { panic!("views are missing") };
        assert_eq!(reason, missing("views", false));
        topics.0.lock().unwrap().insert("views");
        assert_eq!((look(), look()), (State::CatchingUp, State::CatchingUp), "removals are about to be made");
        topics.0.lock().unwrap().insert("removals");
        assert_eq!(look(), State::Live);
        topics.0.lock().unwrap().remove("removals");
        let State::Retrying(reason) = look() else { panic!("removals are gone") };
        assert_eq!(reason, missing("removals", true));
    }
}
