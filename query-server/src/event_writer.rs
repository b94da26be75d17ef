//! The interface to the side that writes: check events, and make events, removals, erasures and merchandising rules
//! durable.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use dataflow::feed::Position;
use dataflow::merchandising::{RuleId, RuleText};
use dataflow::time::Millis;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event that is wrong and will stay wrong. It is refused before anything is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidEvent {
    /// The field at fault; `None` when the event as a whole is wrong.
    pub field: Option<String>,
    /// What is wrong with the field. The text names the field and does not hold its value.
    pub reason: String,
}

/// Why a write is not known to be durable. Callers see the reasons, which hold no ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The event at `index` is wrong and will stay wrong. No event was written.
    #[error("event {index}: {event}")]
    Malformed {
        /// The event's index among the given events, from 0.
        index: usize,
        /// What is wrong with the event.
        event: InvalidEvent,
    },
    /// The log refuses an event and would refuse it again. Other events may have been written.
    #[error("{reason}")]
    RefusedByLog {
        /// The event's index among the given events, from 0, if it is known.
        index: Option<usize>,
        /// The log's reason.
        reason: String,
    },
    /// There is no log, so that nothing can be accepted.
    #[error("{0}")]
    Off(String),
    /// Nothing was accepted. A later attempt may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// There was no acknowledgement: all, some or no events may have been accepted. A later attempt may succeed.
    #[error("{0}")]
    Unsure(String),
}

/// The log of events, removals, erasures and merchandising rules, which outlives this process.
///
/// A caller that drops a returned future does not learn whether its write was done.
pub trait EventWriter: Send + Sync {
    /// Whether there is a log at all.
    ///
    /// # Errors
    /// When there is none; every write fails with the same error then.
    fn check_log(&self) -> Result<(), WriteError> {
        Ok(())
    }

    /// Whether `event`, one JSON text, has a known shape.
    ///
    /// # Errors
    /// When it does not.
    fn check(&self, event: &[u8]) -> Result<(), InvalidEvent>;

    /// Writes checked events, none of which holds a line break.
    ///
    /// Resolves once they are acknowledged, to positions that cover them, at least one for each partition written to. No
    /// event is written when one of them can never be.
    fn append(&self, events: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Position>, WriteError>>;

    /// The present by the clock that dates events without a time: an event that is written later is dated no earlier.
    fn present(&self) -> Millis;

    /// Writes the removal of `product` from the history of `user`, dated `at`. Resolves like `append`.
    fn remove(&self, user: &str, product: &str, at: Millis) -> BoxFuture<'_, Result<Position, WriteError>>;

    /// Writes the erasure of `user`: nothing of the user counts that was at `at` or before. Resolves like `append`.
    fn erase(&self, user: &str, at: Millis) -> BoxFuture<'_, Result<Position, WriteError>>;

    /// Writes a merchandising rule, dated `at`; `None`: the rule is deleted. Resolves like `append`.
    fn write_rule(
        &self,
        rule: RuleId,
        text: Option<&RuleText>,
        at: Millis,
    ) -> BoxFuture<'_, Result<Position, WriteError>>;
}
