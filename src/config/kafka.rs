//! `[kafka]`: the broker and the topics.

use std::collections::BTreeMap;

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "kafka",
    sentence: "Views are read from Kafka, and events, removals and dead letters are written to it. Leave the section out to do without.",
    settings: &[
        Setting::new("kafka.brokers", Kind::Brokers, "HOST:PORT,…", "\"127.0.0.1:9092\"", "Brokers to ask first."),
        Setting::new(
            "kafka.views",
            Kind::Topics,
            "topics",
            "[\"views\"]",
            "Topics with view events; events that come over HTTP go to the first.",
        ),
        Setting::new(
            "kafka.removals",
            Kind::Topic,
            "topic",
            "\"history-removals\"",
            "Topic where removals from a history are written and read back.",
        ),
        Setting::new(
            "kafka.dead_letters",
            Kind::Topic,
            "topic",
            "\"dead-letters\"",
            "Topic where events go that cannot be used, with topic, partition, offset and reason.",
        ),
        Setting::new(
            "kafka.discovery_s",
            Kind::Integer { min: 1, max: 3600 },
            "s",
            "5",
            "How often to look for new partitions, and for missing or recreated topics.",
        ),
    ],
};

/// `[kafka]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Kafka {
    pub brokers: String,
    pub views: Vec<String>,
    pub removals: String,
    pub dead_letters: String,
    pub discovery_s: u64,
    /// Keys and values of `[kafka.client]`, for librdkafka; they may hold secrets.
    pub client: BTreeMap<String, super::Secret>,
}

impl Kafka {
    pub(super) fn read(values: &Values) -> Kafka {
        let client = values.client().into_iter().map(|(key, value)| (key, super::Secret::new(value)));
        Kafka {
            brokers: values.text("kafka.brokers"),
            views: values.list("kafka.views"),
            removals: values.text("kafka.removals"),
            dead_letters: values.text("kafka.dead_letters"),
            discovery_s: values.integer("kafka.discovery_s"),
            client: client.collect(),
        }
    }

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
        views.chain([(self.removals.as_str(), "kafka.removals"), (self.dead_letters.as_str(), "kafka.dead_letters")])
    }
}
