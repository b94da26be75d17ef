//! What the server asks of the side that writes: check an event, make events and removals durable.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use dataflow::feed::Position;
use dataflow::time::Millis;

/// A future on the heap, free to move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event is wrong and would stay wrong: it is refused before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// The field at fault; `None` when it is the event as a whole.
    pub field: Option<String>,
    /// What is wrong with it, the field's name included, without its value.
    pub reason: String,
}

/// Why a write is not known to be durable. Reasons are shown to the caller and hold no ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The event at `index` of those given is wrong and would stay wrong; none of them was written.
    #[error("event {index}: {refused}")]
    Malformed {
        /// The event's place among those given, from 0.
        index: usize,
        /// What is wrong with it.
        refused: Refused,
    },
    /// The log refuses an event, and would at every attempt; others may have been written.
    #[error("{reason}")]
    RefusedByLog {
        /// The event's place among those given, from 0, where it is known.
        index: Option<usize>,
        /// The log's reason.
        reason: String,
    },
    /// Nothing was accepted, and a later attempt may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// Not acknowledged: all, some or nothing may have been accepted, and a later attempt may succeed.
    #[error("{0}")]
    Unsure(String),
}

/// Where events and removals go: a log that outlives this process.
///
/// Dropping a returned future may leave its write done or undone.
pub trait EventWriter: Send + Sync {
    /// Whether `event`, one JSON text, is an event of a known shape.
    ///
    /// # Errors
    /// When it is not.
    fn check(&self, event: &[u8]) -> Result<(), Refused>;

    /// Makes checked events durable. None of them holds a line break.
    ///
    /// Resolves once they are acknowledged, to the positions that cover them; one a partition is enough. An event that
    /// can never be written is found before the first is.
    fn append(&self, events: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Position>, NotTaken>>;

    /// Makes the removal of `product` from the history of `user`, as of `at`, durable; resolves like `append`.
    fn remove(&self, user: &str, product: &str, at: Millis) -> BoxFuture<'_, Result<Position, NotTaken>>;
}
