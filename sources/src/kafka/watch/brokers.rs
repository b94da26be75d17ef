//! The watcher's requests to brokers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::StreamFingerprint;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use super::{ends, reread, topics};
use crate::kafka::assignments::PartitionId;
use crate::kafka::client::{self, Consumer};
use crate::kafka::fingerprint::{Ends, Reread};
use crate::kafka::notify::Notify;
use crate::kafka::upstream::{TopicLookup, Unanswered, Upstream};

/// The longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// The brokers, through the watcher's own consumer.
pub(in crate::kafka) struct Brokers {
    pub(in crate::kafka) consumer: Arc<Consumer>,
    pub(in crate::kafka) addresses: String,
    pub(in crate::kafka) notify: Arc<Notify>,
}

impl Brokers {
    fn unanswered(&self, error: &KafkaError) -> Unanswered {
        self.consumer.context().failed(error);
        let reason = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
        Unanswered(format!("no answer from the brokers at {}: {reason}", self.addresses))
    }
}

impl Upstream for Brokers {
    fn serve(&self) {
        while client::serve(&self.consumer) {}
    }

    fn look_up(&self, topic: &str) -> Result<TopicLookup, Unanswered> {
        topics::look_up(&self.consumer, topic, ANSWER_MAX).map_err(|error| self.unanswered(&error))
    }

    fn ends(&self, ids: &[PartitionId]) -> Result<BTreeMap<PartitionId, Ends>, Unanswered> {
        ends::ends(&self.consumer, ids.iter(), ANSWER_MAX).map_err(|error| self.unanswered(&error))
    }

    fn reread(
        &self,
        remembered: &BTreeMap<PartitionId, StreamFingerprint>,
    ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered> {
        reread::reread(&self.consumer, remembered, ANSWER_MAX, &self.notify).map_err(|error| self.unanswered(&error))
    }
}
