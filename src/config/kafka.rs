//! `[kafka]`: the broker and the topics.

use std::collections::BTreeMap;
use std::time::Duration;

use settings::{Kind, Secret, seconds, whole};
use sinks::kafka_log::is_topic;

const BROKERS: Kind = Kind::Text { allowed: "HOST:PORT, or several separated by commas", takes: is_brokers };
const TOPIC: Kind =
    Kind::Text { allowed: "a topic's name: 1 to 249 of letters, digits, `.`, `_` and `-`", takes: is_topic };
const TOPIC_OR_NONE: Kind = Kind::Text {
    allowed: "a topic's name: 1 to 249 of letters, digits, `.`, `_` and `-`, or nothing",
    takes: |topic| topic.is_empty() || is_topic(topic),
};
const TOPICS: Kind = Kind::List {
    allowed: "a list of topics' names, none twice, such as [\"views\", \"clicks\"]",
    takes: |topics| !topics.is_empty() && topics.iter().all(|topic| is_topic(topic)),
};

settings::section! {
    /// Views are read from Kafka. Events, removals and dead letters are written to it. Without this section, Kafka is
    /// not used.
    pub struct Kafka in "kafka" {
        /// Brokers for the first connection.
        brokers: String = "127.0.0.1:9092", "HOST:PORT,…", BROKERS;
        /// Topics with events. Events that are posted over HTTP are written to the first.
        views: Vec<String> = ["views"], "topics", TOPICS;
        /// Topic to which removals from a history are written, and from which they are read.
        removals: String = "history-removals", "topic", TOPIC;
        /// Compacted topic with merchandising rules, which another program writes: the key is the id, the value the body of
        /// `PUT /v1/rules/{rule}`. docs/merchandising.md explains it. "": no such topic.
        rules: Option<String> = "", "topic", TOPIC_OR_NONE;
        /// Topic for events that cannot be used, with topic, partition, offset and reason.
        dead_letters: String = "dead-letters", "topic", TOPIC;
        /// Interval of the search for new partitions and for missing or recreated topics.
        discovery as "discovery_s": Duration = 5, "s", whole(1, 3600) => seconds;
        /// Keys and values of `[kafka.client]`, for librdkafka; they may hold secrets.
        client: BTreeMap<String, Secret>, fixed(BTreeMap::new());
    }
}

impl Kafka {
    /// A librdkafka configuration with the brokers and the keys of `[kafka.client]`.
    pub fn client_config(&self) -> rdkafka::ClientConfig {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", "vitrine");
        for (key, value) in &self.client {
            config.set(key, value.expose());
        }
        config
    }

    /// All topics with the way each is used.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let views = self.views.iter().map(|topic| (topic.as_str(), "kafka.views"));
        let rules = self.rules.iter().map(|topic| (topic.as_str(), "kafka.rules"));
        let own = [(self.removals.as_str(), "kafka.removals"), (self.dead_letters.as_str(), "kafka.dead_letters")];
        views.chain(rules).chain(own)
    }
}

fn is_brokers(text: &str) -> bool {
    text.split(',').all(|broker| {
        broker.trim().rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::kind::takes;
    use super::*;

    #[test]
    fn topics_and_brokers_are_checked() {
        assert!(takes(&BROKERS, "a:9092,b:9092") && !takes(&BROKERS, "a") && !takes(&BROKERS, "a:0"));
        assert!(takes(&TOPICS, "views, clicks"));
        assert!(!takes(&TOPICS, "[]") && !takes(&TOPICS, "views,views") && !takes(&TOPICS, "a b"));
    }
}
