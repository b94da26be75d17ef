//! The settings of the Kafka source, and the settings of librdkafka made from them.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// The settings of the source.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HOST:PORT` of one broker or several, separated by commas.
    pub brokers: String,
    /// The topics to read: events and removals. Both shapes of event are read on each.
    pub topics: Vec<String>,
    /// Those of them that another part of the program makes if they are missing: a start waits for them, and does not report
    /// that they are missing.
    pub made_here: Vec<String>,
    /// The topic whose records are merchandising rules, if there is one. A replay does not read it.
    pub rules: Option<String>,
    /// The topic whose erasures must be known before events are given, if there is one. A replay finds them by itself.
    pub erasures: Option<String>,
    /// Further settings of librdkafka, by its own names; those that correctness depends on are refused.
    pub client: BTreeMap<String, String>,
    /// How often topics are looked up again: new partitions, topics that were recreated.
    pub discovery: Duration,
    /// Whether an answer was given before that depended on all of these topics: then the source is not caught up while an
    /// existing topic cannot be read.
    pub answered_before: bool,
    /// Whether an answer may have been given before that depended on some of these topics. If not, ticks do not wait for
    /// brokers that do not answer.
    pub awaited: bool,
}

impl Settings {
    /// The settings for these brokers and topics, without settings of librdkafka and without earlier answers.
    #[must_use]
    pub fn new(
        brokers: impl Into<String>,
        topics: impl IntoIterator<Item = impl Into<String>>,
        discovery: Duration,
    ) -> Self {
        Settings {
            brokers: brokers.into(),
            topics: topics.into_iter().map(Into::into).collect(),
            made_here: Vec::new(),
            rules: None,
            erasures: None,
            client: BTreeMap::new(),
            discovery,
            answered_before: false,
            awaited: false,
        }
    }
}

/// The settings cannot work. Values are never repeated: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No broker to connect to.
    #[error("[kafka] brokers is empty")]
    NoBrokers,
    /// No topic to read.
    #[error("[kafka] names no topic to read")]
    NoTopics,
    /// A name that no topic can have.
    #[error("[kafka] `{0}` cannot be a topic: names have 1 to 249 letters, digits, `.`, `_` or `-`")]
    TopicName(String),
    /// A setting that correctness depends on.
    #[error("[kafka.client] `{0}` is set by Vitrine: answers would be wrong with another value")]
    Reserved(String),
    /// librdkafka does not know the setting.
    #[error("[kafka.client] `{0}` is no setting of librdkafka")]
    Unknown(String),
    /// librdkafka knows the setting and does not take its value.
    #[error("[kafka.client] librdkafka does not take the value of `{0}`")]
    Value(String),
    /// Settings that contradict each other.
    #[error("[kafka.client] librdkafka refuses these settings: {0}")]
    Refused(String),
}

impl From<KafkaError> for SettingsError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => SettingsError::Unknown(key),
            KafkaError::ClientConfig(_, _, key, _) => SettingsError::Value(key),
            KafkaError::ClientCreation(reason) => SettingsError::Refused(reason),
            other => SettingsError::Refused(other.to_string()),
        }
    }
}

/// Settings that a user cannot change.
const FIXED: [(&str, &str); 7] = [
    // Positions are ours: a broker's commit must never decide where reading starts.
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // A missing offset must be judged, not skipped.
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
    ("check.crcs", "true"),
];

/// Settings with the same effect as a fixed one, or with a value of our own.
const OTHER_RESERVED: [&str; 6] =
    ["bootstrap.servers", "metadata.broker.list", "group.id", "auto.commit.enable", "group.protocol", "log.queue"];

/// Defaults that a user may change.
const DEFAULTS: [(&str, &str); 9] = [
    ("client.id", "vitrine"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("socket.keepalive.enable", "true"),
    ("socket.nagle.disable", "true"),
    // The bound of fetched records that are not fed yet, per partition.
    ("queued.max.messages.kbytes", "4096"),
    // The default of a second caps the throughput whenever the queue was full for a moment.
    ("fetch.queue.backoff.ms", "1"),
    // A record ends the broker's wait at once; a partition that joins waits for the end of the request before it.
    ("fetch.wait.max.ms", "100"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
];

/// The watcher fetches single records, and asks for nothing beyond.
const WATCHER: [(&str, &str); 2] = [("queued.min.messages", "1"), ("fetch.message.max.bytes", "4096")];

/// The settings of the consumers that feed.
pub(super) fn reader(settings: &Settings, group: &str) -> Result<ClientConfig, SettingsError> {
    validate(settings)?;
    let mut config = ClientConfig::new();
    for (key, value) in DEFAULTS {
        config.set(key, value);
    }
    for (key, value) in &settings.client {
        config.set(key, value);
    }
    for (key, value) in FIXED {
        config.set(key, value);
    }
    config.set("bootstrap.servers", &settings.brokers).set("group.id", group);
    let asked_to_explain = settings.client.contains_key("debug");
    config.set_log_level(if asked_to_explain { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Warning });
    Ok(config)
}

/// The settings of the consumer that watches.
pub(super) fn watcher(reader: &ClientConfig) -> ClientConfig {
    let mut config = reader.clone();
    for (key, value) in WATCHER {
        config.set(key, value);
    }
    config
}

fn validate(settings: &Settings) -> Result<(), SettingsError> {
    if settings.brokers.trim().is_empty() {
        return Err(SettingsError::NoBrokers);
    }
    if settings.topics.is_empty() {
        return Err(SettingsError::NoTopics);
    }
    if let Some(bad) = settings.topics.iter().find(|topic| !is_topic_name(topic)) {
        return Err(SettingsError::TopicName(bad.clone()));
    }
    let fixed = |key: &str| FIXED.iter().any(|(name, _)| *name == key) || OTHER_RESERVED.contains(&key);
    match settings.client.keys().find(|key| fixed(key)) {
        Some(key) => Err(SettingsError::Reserved(key.clone())),
        None => Ok(()),
    }
}

fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    const DISCOVERY: Duration = Duration::from_secs(1);

    fn made(client: &[(&str, &str)]) -> Result<(), SettingsError> {
        let mut settings = Settings::new("127.0.0.1:1", ["views"], DISCOVERY);
        settings.client = client.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let config = reader(&settings, "group")?;
        let _: BaseConsumer = config.create()?;
        let _: BaseConsumer = watcher(&config).create()?;
        Ok(())
    }

    #[test]
    fn librdkafka_takes_the_settings() {
        assert_eq!(made(&[]), Ok(()));
        assert_eq!(made(&[("fetch.wait.max.ms", "20"), ("queued.max.messages.kbytes", "1024")]), Ok(()));
    }

    #[test]
    fn settings_that_correctness_depends_on_are_refused_by_name() {
        for key in FIXED.map(|(key, _)| key).into_iter().chain(OTHER_RESERVED) {
            assert_eq!(made(&[(key, "true")]), Err(SettingsError::Reserved(key.into())));
        }
    }

    #[test]
    fn wrong_settings_are_named_without_their_values() {
        assert_eq!(made(&[("sasl.pasword", "secret")]), Err(SettingsError::Unknown("sasl.pasword".into())));
        assert_eq!(made(&[("fetch.wait.max.ms", "secret")]), Err(SettingsError::Value("fetch.wait.max.ms".into())));
        let refused = made(&[("reconnect.backoff.ms", "5000"), ("reconnect.backoff.max.ms", "10")]);
        assert!(matches!(refused, Err(SettingsError::Refused(_))), "{refused:?}");
    }

    #[test]
    fn names_that_no_topic_can_have_are_refused() {
        let with =
            |topics: &[&str]| reader(&Settings::new("b:1", topics.iter().copied(), DISCOVERY), "group").map(|_| ());
        assert_eq!(with(&[]), Err(SettingsError::NoTopics));
        for bad in ["", "a b", "a/b", "ä", "..", &"x".repeat(250)] {
            assert_eq!(with(&["views", bad]), Err(SettingsError::TopicName(bad.into())));
        }
        assert_eq!(with(&["views", "a.b_c-9", &"x".repeat(249)]), Ok(()));
        assert_eq!(
            reader(&Settings::new(" ", ["views"], DISCOVERY), "group").map(|_| ()),
            Err(SettingsError::NoBrokers)
        );
    }
}
