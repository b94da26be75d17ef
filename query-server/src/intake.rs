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
    /// What is wrong with it, without its value.
    pub reason: String,
}

/// Nothing was accepted, and a later attempt may succeed. The reason is shown to the caller and holds no ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Where events and removals go: a log that outlives this process.
///
/// Dropping a returned future may leave its write done or undone.
pub trait Intake: Send + Sync {
    /// Whether `event`, one JSON text, is an event of a known shape.
    ///
    /// # Errors
    /// When it is not.
    fn check(&self, event: &[u8]) -> Result<(), Refused>;

    /// Makes checked events durable. None of them holds a line break.
    ///
    /// Resolves once they are acknowledged, to the positions that cover them; one a partition is enough.
    fn append(&self, events: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Position>, Unavailable>>;

    /// Makes the removal of `product` from the history of `user`, as of `at`, durable; resolves like `append`.
    fn remove(&self, user: &str, product: &str, at: Millis) -> BoxFuture<'_, Result<Position, Unavailable>>;
}
