//! The log of events, removals and dead letters, independent of its storage.

mod error;
mod room;

use std::fmt;
use std::pin::Pin;

use dataflow::feed::Position;

pub use error::{AppendError, Refused, Unavailable};
pub use room::Bound;
pub(crate) use room::{Permit, Room};

/// The purpose of a record; the log maps it to a topic or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Events: views and all others but removals.
    Views,
    /// Removals from a history.
    Removals,
    /// Records that were refused.
    DeadLetters,
}

/// One record to write.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Records of one key stay in order and in one partition: the user's id, or the origin of a dead letter. Files do not
    /// keep it.
    pub key: Vec<u8>,
    /// The bytes that are written.
    pub payload: Vec<u8>,
}

impl Record {
    /// The bytes of the record that count towards a log's bound.
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.payload.len()
    }
}

/// Sizes only: keys and payloads are personal data.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} + {} bytes)", self.key.len(), self.payload.len())
    }
}

/// An append under way. Dropping it does not take the records back.
pub type Appending = Pin<Box<dyn Future<Output = Result<Vec<Position>, AppendError>> + Send>>;

/// A durable log: acknowledged records survive any crash.
pub trait EventLog: Send + Sync {
    /// Appends the records and, once all of them are durable, answers one position for each partition they went to,
    /// with `next` after the last of them there: whoever has read up to `next` has seen them.
    ///
    /// The call itself does not block; the future needs no reactor. The records of one append are accepted together or,
    /// if a fault is known beforehand, not at all. A failure in the middle (a broker that dies between two partitions,
    /// a full disk) returns [`Unavailable`] although some of the records may have become durable
    /// ([`Unavailable::wrote_nothing`] says whether none was). So a caller may only retry records that may be in the
    /// log twice. Events are such records: only the latest time of a (user, product) counts.
    ///
    /// # Errors
    /// [`Refused`]: a record can never be written. [`Unavailable`]: not now.
    fn append(&self, stream: Stream, records: Vec<Record>) -> Appending;

    /// Whether there is a place to write to. Without one, every append fails with [`Unavailable::Unconfigured`].
    fn is_configured(&self) -> bool {
        true
    }

    /// The most that a record's key and payload may have together, in bytes; a longer record is always refused.
    fn record_bytes_max(&self) -> usize {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_user() {
        let record = Record { key: b"user-120".to_vec(), payload: b"{}".to_vec() };
        assert_eq!(format!("{record:?}"), "Record(8 + 2 bytes)");
    }
}
