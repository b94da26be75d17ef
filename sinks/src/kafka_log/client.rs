//! What librdkafka says by itself, put into our log.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// Whether the brokers are there is told by the answers to appends and by reports, so librdkafka's own lines are for
/// whoever looks for a cause.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tell(&error, reason);
    }
}

pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(?level, facility, message, "librdkafka");
}

pub(super) fn tell(error: &KafkaError, reason: &str) {
    tracing::debug!(%error, reason, "the Kafka client has trouble");
}
