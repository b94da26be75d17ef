//! What the archiver needs of a log: topics of Kafka, files that grow, or a log in memory.

mod files;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::Waker;
use sources::kafka::upstream::{Ends, PartitionId};

use crate::row::LogRecord;

pub use files::Files;
pub use topics::{Topics, topics};

/// Partitions that are there, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The first offset and the end of each partition.
    pub ends: BTreeMap<PartitionId, Ends>,
    /// Why some partitions, or all, are not there.
    pub troubles: Vec<String>,
    /// The topics that do not exist now.
    pub missing: Vec<Arc<str>>,
    /// The age at which a topic deletes records, if it does and that is known.
    pub retention: BTreeMap<Arc<str>, Duration>,
}

/// What a partition gives.
#[derive(Clone, Debug)]
pub enum Given<'a> {
    /// The next record.
    Record(LogRecord<'a>),
    /// There is nothing more for now: everything before this offset has been given.
    End(i64),
    /// Reading fails; the rest is read by another start. Holds the reason.
    Failed(String),
}

/// A log with partitions. Only [`Log::look`] may block, for some seconds.
pub trait Log {
    /// A partition that is being read.
    type Tail: LogTail;

    /// The names of the topics.
    fn topics(&self) -> Vec<Arc<str>>;

    /// Runs the client's callbacks.
    fn serve(&mut self);

    /// Looks up all partitions.
    fn look(&mut self) -> Looked;

    /// Starts to read a partition at an offset. The waker is called when something has arrived.
    ///
    /// # Errors
    /// The reason in words.
    fn start(&mut self, id: &PartitionId, next: i64, waker: &Waker) -> Result<Self::Tail, String>;
}

/// A partition that is being read.
pub trait LogTail {
    /// Gives what has arrived, until `take` returns false. Never blocks.
    fn read(&mut self, take: &mut dyn FnMut(Given<'_>) -> bool);

    /// Stops reading.
    fn stop(self);
}
