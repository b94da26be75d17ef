//! What the source asks of Kafka, so that the same code runs against brokers and against a log in memory.

use std::collections::BTreeMap;

use dataflow::feed::Waker;
use rdkafka::Message;

pub use super::assignments::PartitionId;
pub use super::fingerprint::{Ends, Fingerprint, Reread};

/// Kafka did not answer, or refused. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// What a topic looks like to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there, with these partitions.
    Partitions(Vec<i32>),
    /// There is no such topic.
    Missing,
    /// It cannot be read, for now at least. Holds the reason.
    Refused(String),
}

/// What the watcher asks. Calls may block, within bounds.
pub trait Upstream {
    /// Lets what has piled up in the client be told.
    fn serve(&self);

    /// A topic's partitions. It is never made.
    ///
    /// # Errors
    /// As of all these methods: no answer.
    fn look_up(&self, topic: &str) -> Result<Found, Unanswered>;

    /// The ends of these partitions.
    ///
    /// # Errors
    /// See [`Upstream::look_up`].
    fn ends(&self, ids: &[PartitionId]) -> Result<BTreeMap<PartitionId, Ends>, Unanswered>;

    /// Reads remembered records again. What is not answered in time is left out.
    ///
    /// # Errors
    /// See [`Upstream::look_up`].
    fn reread(
        &self,
        remembered: &BTreeMap<PartitionId, Fingerprint>,
    ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered>;
}

/// What a worker's feed asks. No call blocks.
pub trait Fetch {
    /// One partition that is being read.
    type Tail: Tail;

    /// Starts to read a partition at `next`; `waker` is called when something has arrived.
    ///
    /// # Errors
    /// When the client refuses.
    fn start(&self, id: &PartitionId, next: i64, waker: &Waker) -> Result<Self::Tail, Unanswered>;

    /// Lets what has piled up in the client be told. Records never come this way.
    fn serve(&self);
}

/// What came of a partition.
#[derive(Debug)]
pub enum Polled<M> {
    /// A record.
    Record(M),
    /// There is nothing more for now; everything before this offset has been given, where it is known.
    End(Option<i64>),
    /// Reading fails. Holds the reason.
    Failed(String),
}

/// One partition that is being read. Dropping it does not stop that; [`Tail::stop`] does.
pub trait Tail {
    /// A record.
    type Record<'a>: Message
    where
        Self: 'a;

    /// What has arrived, if anything.
    fn poll(&self) -> Option<Polled<Self::Record<'_>>>;

    /// Stops reading. What has been fetched and not been read is dropped.
    fn stop(self);
}
