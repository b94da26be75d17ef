//! The producer's librdkafka settings: fixed ones that guarantees depend on, and defaults.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

/// Settings that a user cannot change.
const OWNED: &[(&str, &str)] = &[
    // An answer means that every replica has the record.
    ("acks", "all"),
    // A repeated request does not write twice and does not change the order.
    ("enable.idempotence", "true"),
    CREATE_NO_TOPIC,
];

/// A wrong name in the configuration is reported; with automatic creation librdkafka would create the topic.
const CREATE_NO_TOPIC: (&str, &str) = ("allow.auto.create.topics", "false");

/// The most bytes a batch may have, and a batch may be one record: room for the longest event, its key and their framing.
pub const MESSAGE_BYTES_MAX: &str = "1052672";

/// What librdkafka counts for the framing of a record without headers, in bytes.
const FRAMING_BYTES: usize = 36;

/// Settings that apply unless the operator sets the first name of the list or one of its aliases.
const DEFAULTS: &[(&[&str], &str)] = &[
    // Sent at once: a request waits for its acknowledgement, and batches form by themselves while others are under way.
    (&["linger.ms", "queue.buffering.max.ms"], "0"),
    // A request is not held back until the broker has confirmed the bytes of the request before it.
    (&["socket.nagle.disable"], "true"),
    // After how many milliseconds a caller hears that the broker is away.
    (&["message.timeout.ms", "delivery.timeout.ms"], "5000"),
    // A missing topic is known as missing before the records for it time out.
    (&["topic.metadata.propagation.max.ms"], "2000"),
    // A broker that is back is found again within a second or so.
    (&["reconnect.backoff.max.ms"], "1000"),
    (&["message.max.bytes"], MESSAGE_BYTES_MAX),
    // As Java's producers do: all events of a user are in one partition, whoever wrote them.
    (&["partitioner"], "murmur2_random"),
    // Above the log's own bound, which counts an append as a whole.
    (&["queue.buffering.max.messages"], "1000000"),
    (&["queue.buffering.max.kbytes"], "262144"),
];

/// The settings of a producer over the operator's own.
pub(crate) fn of_producer(base: &ClientConfig) -> ClientConfig {
    let mut config = base.clone();
    for (names, value) in DEFAULTS {
        if names.iter().all(|name| base.get(name).is_none()) {
            config.set(names[0], *value);
        }
    }
    for (name, value) in OWNED {
        config.set(*name, *value);
    }
    config
}

/// The settings of an admin client: without those that would make it request a producer's id.
pub(crate) fn of_admin(base: &ClientConfig) -> ClientConfig {
    let mut config = base.clone();
    config.remove("enable.idempotence").set(CREATE_NO_TOPIC.0, CREATE_NO_TOPIC.1);
    config
}

/// The most that a record's key and payload may have together, in bytes.
pub(super) fn record_bytes_max(config: &ClientConfig) -> Result<usize, KafkaError> {
    let value = config.create_native_config()?.get("message.max.bytes")?;
    let bytes: usize = value.parse().expect("librdkafka's sizes are numbers");
    Ok(bytes.saturating_sub(FRAMING_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_settings_go_before_defaults_but_not_before_promises() {
        let mut base = ClientConfig::new();
        base.set("delivery.timeout.ms", "900").set("linger.ms", "7").set("acks", "1").set("message.max.bytes", "2000");
        let config = of_producer(&base);
        let set: Vec<Option<&str>> = ["delivery.timeout.ms", "message.timeout.ms", "linger.ms", "acks"]
            .iter()
            .map(|key| config.get(key))
            .collect();
        assert_eq!(set, [Some("900"), None, Some("7"), Some("all")]);
        assert_eq!(record_bytes_max(&config).unwrap(), 2000 - FRAMING_BYTES);
        let longest_event = (1 << 20) + dataflow::ids::ID_BYTES_MAX;
        assert!(record_bytes_max(&of_producer(&ClientConfig::new())).unwrap() >= longest_event);
    }
}
