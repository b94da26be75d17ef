//! What the source needs of Kafka, so that the same code runs against brokers and against a log in memory.

use std::collections::BTreeMap;

use dataflow::feed::{StreamFingerprint, Waker};
use rdkafka::Message;
use rdkafka::error::{KafkaError, KafkaResult};

pub use super::assignments::PartitionId;
pub use super::fingerprint::{Ends, Reread, fingerprint};

/// Kafka did not answer, or refused. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// The result of looking a topic up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicLookup {
    /// It is there, with these partitions.
    Partitions(Vec<i32>),
    /// There is no such topic.
    Missing,
    /// It cannot be read, for now at least. Holds the reason.
    Refused(String),
}

/// What the watcher needs. Calls may block, within bounds.
pub trait Upstream {
    /// Runs the client's callbacks.
    fn serve(&self);

    /// A topic's partitions. The topic is never created.
    ///
    /// # Errors
    /// As of all these methods: no answer.
    fn look_up(&self, topic: &str) -> Result<TopicLookup, Unanswered>;

    /// The ends of these partitions.
    ///
    /// # Errors
    /// See [`Upstream::look_up`].
    fn ends(&self, ids: &[PartitionId]) -> Result<BTreeMap<PartitionId, Ends>, Unanswered>;

    /// Reads remembered records again. Partitions that do not answer in time are left out.
    ///
    /// # Errors
    /// See [`Upstream::look_up`].
    fn reread(
        &self,
        remembered: &BTreeMap<PartitionId, StreamFingerprint>,
    ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered>;
}

/// What a worker's feed needs. No call blocks.
pub trait Fetch {
    /// One partition that is being read.
    type Tail: Tail;

    /// Starts to read a partition at `next`; `waker` is called when something has arrived.
    ///
    /// # Errors
    /// When the client refuses.
    fn start(&self, id: &PartitionId, next: i64, waker: &Waker) -> KafkaResult<Self::Tail>;

    /// Runs the client's callbacks. Records never come this way.
    fn serve(&self);
}

/// What a partition gave.
#[derive(Debug)]
pub enum Polled<M> {
    /// A record.
    Record(M),
    /// There is nothing more for now. Holds the offset before which everything has been given, if it is known.
    End(Option<i64>),
    /// Reading fails.
    Failed(KafkaError),
}

/// One partition that is being read. Dropping it does not stop the reading; [`Tail::stop`] does.
pub trait Tail {
    /// A record.
    type Record<'a>: Message
    where
        Self: 'a;

    /// The next thing that has arrived, if any.
    fn poll(&self) -> Option<Polled<Self::Record<'_>>>;

    /// Stops reading. Records that were fetched and not read are dropped.
    fn stop(self);
}
