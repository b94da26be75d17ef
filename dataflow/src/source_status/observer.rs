//! An observer of what sources read: it sees what users do with products, and changes nothing in the graph.

use std::fmt;
use std::sync::Arc;

use crate::ids::{OrderKey, ProductKey, UserKey};
use crate::time::Millis;

/// What a user did with products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Viewed or clicked, or put into the cart.
    Interest,
    /// Bought.
    Purchase,
}

/// An event that a source has read, or a line of an order of the tables. It may be a repeat.
#[derive(Clone, Copy, Debug)]
pub struct ReadEvent<'a> {
    /// The user.
    pub user: UserKey,
    /// The products, as far as their ids are known.
    pub products: &'a [ProductKey],
    /// What the user did with them.
    pub signal: Signal,
    /// When.
    pub at: Millis,
    /// The order of a purchase. Events and lines of one order have the same key if the event names the order's id.
    pub order: Option<OrderKey>,
    /// The recommendation that led to it, if the event names one.
    pub answer: Option<&'a str>,
    /// The device or program that the event names.
    pub device: Option<&'a str>,
}

/// Sees each event once it is read. Called by the threads that read: it must be quick, and must not block.
pub trait EventObserver: Send + Sync {
    /// An event was read.
    fn read(&self, event: &ReadEvent<'_>);

    /// Whether it also sees the orders of the tables.
    fn sees_orders(&self) -> bool {
        false
    }

    /// A line of an order counts now; called by the workers. A line is shown again when its order changes.
    fn ordered(&self, _line: &ReadEvent<'_>) {}

    /// A user is to be forgotten.
    fn erased(&self, user: UserKey);
}

/// The place of the observer, shared by the status of all sources.
#[derive(Clone, Default)]
pub(super) struct ObserverPlace(pub(super) Option<Arc<dyn EventObserver>>);

impl fmt::Debug for ObserverPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "observed" } else { "not observed" })
    }
}
