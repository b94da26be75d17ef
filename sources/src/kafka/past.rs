//! Records of a partition that its topic may have deleted: the archive as its readers see it.

use std::ops::Range;

use dataflow::feed::Waker;

use super::assignments::PartitionId;
use super::upstream::Record;

/// The offsets of a partition that an archive has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastOffsets {
    /// From the first to the one after the last.
    pub range: Range<i64>,
    /// Those in between that it lacks, in their order.
    pub missing: Vec<Range<i64>>,
}

/// Why an archive does not say what it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PastError {
    /// It is being listed: the answer comes with the list.
    #[error("it is being listed")]
    Listing,
    /// It cannot be reached, or has offsets twice. Holds the reason.
    #[error("{0}")]
    Unreadable(String),
}

/// An archive of topics.
pub trait Past: Send + Sync {
    /// The offsets of a partition that are there; none without any. `low` is the first offset that the topic still has: an
    /// archive that grows may be looked at again if it does not reach up to it. Never blocks for long.
    ///
    /// # Errors
    /// See [`PastError`].
    fn offsets(&self, id: &PartitionId, low: i64) -> Result<Option<PastOffsets>, PastError>;

    /// Whether offsets that are neither in the archive nor in the topic are passed over.
    fn allows_gaps(&self) -> bool;

    /// Starts to read the records at these offsets. The waker is called when some have arrived.
    fn open(&self, id: &PartitionId, offsets: Range<i64>, waker: &Waker) -> Box<dyn PastRecords>;
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
