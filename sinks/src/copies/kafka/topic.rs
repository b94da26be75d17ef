//! The topic of a copy: checked, and made if it is missing.

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

use super::refused;
use crate::copies::destination::{DestinationError, Presence};
use crate::kafka_log::{COMPACT, COMPACTED_SETTINGS, cleanup_policy, create_topic, exists, of_admin};

/// Makes the topic if it is missing, and checks that it keeps the last record of every key.
pub(super) fn prepare(base: &ClientConfig, topic: &str, partitions: usize) -> Result<(), DestinationError> {
    let admin = admin(base)?;
    if presence(&admin, topic)? == Presence::Missing {
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let created = create_topic(&admin, topic, partitions, COMPACTED_SETTINGS);
        let is_ours =
            created.map_err(|reason| DestinationError::Refused { doing: format!("creating topic {topic}"), reason })?;
        if is_ours {
            tracing::info!(topic, partitions, "created the topic of a copy of lists");
            // Its policy is known, and brokers may not tell it yet.
            return Ok(());
        }
    }
    check_policy(&admin, topic)
}

/// Checks that the topic keeps the last record of every key, if it is there. Changes nothing.
pub(super) fn inspect(base: &ClientConfig, topic: &str) -> Result<Presence, DestinationError> {
    let admin = admin(base)?;
    let presence = presence(&admin, topic)?;
    if presence == Presence::Present {
        check_policy(&admin, topic)?;
    }
    Ok(presence)
}

fn admin(base: &ClientConfig) -> Result<AdminClient<DefaultClientContext>, DestinationError> {
    of_admin(base).create().map_err(|error| refused("making a Kafka client", &error))
}

fn presence(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<Presence, DestinationError> {
    let is_there = exists(admin, topic).map_err(|error| DestinationError::Away {
        place: format!("topic {topic}"),
        reason: error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string()),
    })?;
    Ok(if is_there { Presence::Present } else { Presence::Missing })
}

fn check_policy(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<(), DestinationError> {
    let policy = cleanup_policy(admin, topic);
    let policy = policy.map_err(|reason| DestinationError::Refused {
        doing: "asking for the topic's cleanup.policy".into(),
        reason,
    })?;
    if policy == COMPACT { Ok(()) } else { Err(DestinationError::Policy { topic: topic.to_owned(), policy }) }
}
