//! Where a reader of a stream would go on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where a reader of a stream would go on: everything before `next` has been fed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The stream's name: a topic, a file, a database.
    pub stream: Arc<str>,
    /// The partition within the stream; 0 where there is but one.
    pub partition: i32,
    /// The offset that is read next.
    pub next: i64,
    /// What a later reader can know the stream again by.
    pub fingerprint: Option<StreamFingerprint>,
}

impl Position {
    /// A position in a stream that is never read again by another process, or needs no proof.
    #[must_use]
    pub fn new(stream: impl Into<Arc<str>>, partition: i32, next: i64) -> Self {
        Position { stream: stream.into(), partition, next, fingerprint: None }
    }
}

/// A trait of a stream before a position: another stream of the same name, or one that was cut short and written anew,
/// has another one there. What it stands for is the source's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamFingerprint {
    /// Where it was taken.
    pub at: i64,
    /// What was found there.
    pub hash: u64,
}
