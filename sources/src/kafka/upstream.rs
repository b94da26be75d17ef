//! What the source needs of Kafka, so that the same code runs against brokers and against a log in memory.

use std::collections::BTreeMap;

use dataflow::feed::{StreamFingerprint, Waker};
use rdkafka::Message;
use rdkafka::error::KafkaResult;
use rdkafka::message::OwnedMessage;

pub use kafka_batch::{Record, Taken};

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

/// One partition that is being read. Dropping it does not stop the reading; [`Tail::stop`] does.
pub trait Tail {
    /// A record.
    type Record<'a>: Lend
    where
        Self: 'a;

    /// Takes up to `limit` things that have arrived from the client, once all that were taken before have been given.
    fn fill(&mut self, limit: usize);

    /// The next thing that was taken, if any is left.
    fn take(&self) -> Option<Taken<Self::Record<'_>>>;

    /// Stops reading. Records that were fetched and not read are dropped.
    fn stop(self);
}

/// A record in the form in which its tail holds it.
pub trait Lend {
    /// The record.
    fn lend(&self) -> Record<'_>;
}

impl Lend for Record<'_> {
    fn lend(&self) -> Record<'_> {
        *self
    }
}

impl Lend for OwnedMessage {
    fn lend(&self) -> Record<'_> {
        record(self)
    }
}

/// A message of the binding as a record.
pub fn record(message: &impl Message) -> Record<'_> {
    Record { offset: message.offset(), timestamp: message.timestamp(), key: message.key(), payload: message.payload() }
}
