//! `[kafka.client]`: any key of librdkafka's, but those that Vitrine's own promises rest on.

use super::kind::Kind;
use super::setting::{CLIENT, Section, Setting};

pub(super) const SECTION: Section = Section {
    name: CLIENT,
    sentence: "Further keys of librdkafka, in quotes: \"security.protocol\" = \"SASL_SSL\". A key with `_file` at its end \
               names a file that holds the value: \"sasl.password_file\" = \"/run/secrets/kafka\".",
    settings: &[Setting::new(
        CLIENT,
        Kind::Client,
        "librdkafka",
        "\"\"",
        "Any key of librdkafka; in the environment, dots are underscores: VITRINE__KAFKA__CLIENT__SECURITY_PROTOCOL.",
    )
    .secret()],
};

/// Keys that are not free, and why: positions, durability and completeness rest on them.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "set `kafka.brokers` instead"),
    ("metadata.broker.list", "set `kafka.brokers` instead"),
    ("group.id", "Vitrine assigns partitions itself"),
    ("partition.assignment.strategy", "Vitrine assigns partitions itself"),
    ("group.protocol", "Vitrine assigns partitions itself"),
    ("auto.commit.enable", "Vitrine keeps its own positions"),
    ("enable.auto.commit", "Vitrine keeps its own positions"),
    ("enable.auto.offset.store", "Vitrine keeps its own positions"),
    ("auto.offset.reset", "Vitrine keeps its own positions"),
    ("enable.partition.eof", "Vitrine needs it to know when it has caught up"),
    ("isolation.level", "only committed records may be shown"),
    ("acks", "a write is acknowledged only when all replicas have it"),
    ("request.required.acks", "a write is acknowledged only when all replicas have it"),
    ("enable.idempotence", "a write is acknowledged only when it is stored, and stored once"),
    ("check.crcs", "a damaged record must not be shown"),
    ("log.queue", "Vitrine reads librdkafka's log itself"),
    ("allow.auto.create.topics", "a consumer must never create a topic"),
];

/// What is wrong with a key or its value, in words; `None` if librdkafka takes it.
pub(super) fn objection(key: &str, value: &str) -> Option<String> {
    if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == key) {
        return Some(format!("`{CLIENT}` must not set \"{key}\": {reason}"));
    }
    let error = rdkafka::ClientConfig::new().set(key, value).create_native_config().err()?;
    let reason = match error {
        // The description of librdkafka's ends with the value, which may be a secret.
        rdkafka::error::KafkaError::ClientConfig(_, description, ..)
            if !description.contains(value) || value.is_empty() =>
        {
            description
        }
        _ => "librdkafka refuses it or does not know it in this build".to_owned(),
    };
    Some(format!("`{CLIENT}` \"{key}\": {reason}"))
}
