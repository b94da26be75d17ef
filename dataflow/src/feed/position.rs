//! The place in a stream from which reading continues.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The place in a partition from which reading continues: all records before `next` have been fed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The stream's name: a topic, a file, a database.
    pub stream: Arc<str>,
    /// The partition within the stream; 0 if the stream has only one.
    pub partition: i32,
    /// The offset of the next record to read.
    pub next: i64,
    /// The fingerprint by which a later reader recognises the stream.
    pub fingerprint: Option<StreamFingerprint>,
    /// The fingerprint of the record that was read last, if the source has one: a later reader that finds both goes on at `next`.
    #[serde(default)]
    pub last: Option<StreamFingerprint>,
}

impl Position {
    /// A position in a stream that no later process reads, or that needs no fingerprint.
    #[must_use]
    pub fn new(stream: impl Into<Arc<str>>, partition: i32, next: i64) -> Self {
        Position { stream: stream.into(), partition, next, fingerprint: None, last: None }
    }
}

/// A fingerprint of a record before this position. It detects that a stream was recreated or truncated under the same
/// name. The source alone defines its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamFingerprint {
    /// The offset of the record.
    pub at: i64,
    /// The hash of the record.
    pub hash: u64,
}
