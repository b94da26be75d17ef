//! Records of a partition that its topic may have deleted: what an archive gives to a replay.

use std::ops::Range;

use dataflow::feed::Waker;

use crate::kafka::assignments::PartitionId;
use crate::kafka::upstream::Record;

/// An archive of topics.
pub trait Past: Send + Sync {
    /// The offsets of a partition that are there, from the first to the one after the last; none without any.
    ///
    /// # Errors
    /// In words, when offsets between them are missing or there twice.
    fn offsets(&self, id: &PartitionId) -> Result<Option<Range<i64>>, String>;

    /// Starts to read the records at these offsets. The waker is called when some have arrived.
    fn open(&self, id: &PartitionId, waker: &Waker) -> Box<dyn PastRecords>;
}

/// The records of one partition, in the order of their offsets.
pub trait PastRecords {
    /// What comes next; none if it has not arrived yet. Never blocks.
    fn take(&mut self) -> Option<PastTaken<'_>>;
}

/// What an archive gives.
#[derive(Debug)]
pub enum PastTaken<'a> {
    /// The next record.
    Record(Record<'a>),
    /// All records have been given.
    End,
    /// The rest cannot be read. Holds the reason.
    Failed(String),
}
