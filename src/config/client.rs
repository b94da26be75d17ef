//! `[kafka.client]`: any key of librdkafka, except keys on which Vitrine's guarantees depend.

use settings::{Kind, Section, Setting, Value};

/// The section whose keys are librdkafka's own.
pub(super) const CLIENT: &str = "kafka.client";

/// The section, whose one setting stands for all keys.
pub(super) fn section() -> Section {
    Section {
        name: CLIENT,
        sentence: "Further keys of librdkafka, in quotes: \"security.protocol\" = \"SASL_SSL\". TLS, SCRAM and OAUTHBEARER need a program that was built with `--features kafka-tls`. A key that ends in `_file` names a file with the value: \"sasl.password_file\" = \"/run/secrets/kafka\".",
        settings: vec![KEYS],
    }
}

/// Any key of librdkafka.
pub(super) const KEYS: Setting = Setting {
    key: CLIENT,
    kind: Kind::Client,
    unit: "librdkafka",
    default: || Value::from(""),
    sentence: "Any key of librdkafka. In the environment, write underscores for dots: VITRINE__KAFKA__CLIENT__SECURITY_PROTOCOL.",
    secret: true,
};

/// Keys that users cannot set, each with the reason: positions, durability and completeness depend on them.
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

/// Whether this program was built with TLS for Kafka.
const HAS_TLS: bool = cfg!(feature = "kafka-tls");

/// The command that builds a program with TLS.
const TLS_BUILD: &str = "cargo build --release --features kafka-tls";

/// What is wrong with a key or its value, in words; `None` if librdkafka takes it.
pub(super) fn objection(key: &str, value: &str) -> Option<String> {
    if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == key) {
        return Some(format!("`{CLIENT}` must not set \"{key}\": {reason}"));
    }
    let mechanism = matches!(key, "sasl.mechanism" | "sasl.mechanisms");
    if mechanism && is_one_of(value, &["GSSAPI"]) {
        return Some(format!("`{CLIENT}` \"{key}\": no build of Vitrine has Kerberos (GSSAPI)"));
    }
    // librdkafka itself would refuse a mechanism only when it connects.
    if !HAS_TLS && needs_tls(key, value) {
        return Some(format!(
            "`{CLIENT}` \"{key}\": this program was built without TLS for Kafka, which SCRAM and OAUTHBEARER need too; \
             one that has it is built with `{TLS_BUILD}`"
        ));
    }
    let error = rdkafka::ClientConfig::new().set(key, value).create_native_config().err()?;
    let reason = match error {
        // librdkafka's description ends with the value, which may be a secret.
        rdkafka::error::KafkaError::ClientConfig(_, description, ..)
            if !description.contains(value) || value.is_empty() =>
        {
            description
        }
        _ => "librdkafka refuses it or does not know it in this build".to_owned(),
    };
    Some(format!("`{CLIENT}` \"{key}\": {reason}"))
}

/// Whether librdkafka needs OpenSSL for a key or its value.
fn needs_tls(key: &str, value: &str) -> bool {
    match key {
        "security.protocol" => is_one_of(value, &["SSL", "SASL_SSL"]),
        "sasl.mechanism" | "sasl.mechanisms" => is_one_of(value, &["SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]),
        _ => key.contains("ssl.") || key.contains("oauthbearer"),
    }
}

fn is_one_of(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| value.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_tls_is_taken_by_a_program_that_has_it_and_else_names_the_way_to_one() {
        for (key, value) in [
            ("security.protocol", "SASL_SSL"),
            ("security.protocol", "ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("ssl.ca.location", "/etc/ssl/certs/ca-certificates.crt"),
            ("enable.ssl.certificate.verification", "true"),
        ] {
            let objection = objection(key, value);
            if HAS_TLS {
                assert_eq!(objection, None, "{key} = {value}");
            } else {
                assert!(objection.is_some_and(|said| said.contains("--features kafka-tls")), "{key} = {value}");
            }
        }
    }

    #[test]
    fn passwords_without_tls_need_no_other_build_and_kerberos_is_in_none() {
        for (key, value) in
            [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "u")]
        {
            assert_eq!(objection(key, value), None, "{key} = {value}");
        }
        assert!(objection("sasl.mechanism", "GSSAPI").is_some_and(|said| said.contains("Kerberos")));
    }

    /// Without OpenSSL librdkafka refuses the protocol: the feature is what switches it on.
    #[test]
    fn the_feature_is_what_librdkafka_was_built_with() {
        let taken = rdkafka::ClientConfig::new().set("security.protocol", "SASL_SSL").create_native_config();
        assert_eq!(taken.is_ok(), HAS_TLS);
    }
}
