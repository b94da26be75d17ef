//! One place of a history: a product and its latest event.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::Viewed;
use crate::ids::ProductKey;
use crate::stamp::Stamp;
use crate::time::{Millis, Time};

/// A product at its place in a history. The natural order is the order of the places: latest event first, a removal
/// before a view of the same time, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    stamp: Reverse<Stamp>,
    /// The product.
    pub product: ProductKey,
}

impl Place {
    /// The place of `product` with its latest event.
    pub(crate) fn new(stamp: Stamp, product: ProductKey) -> Self {
        Place { stamp: Reverse(stamp), product }
    }

    /// The view, unless the product was removed.
    pub(crate) fn viewed(self) -> Option<Viewed> {
        self.stamp.0.viewed_at().map(|at| Viewed::new(at, self.product))
    }

    /// The time of the product's latest event; none if its events are erased.
    pub(crate) fn event_at(self) -> Option<Millis> {
        self.stamp.0.event_at()
    }

    /// Whether the place is that of an erased product: the product has no place then.
    pub(crate) fn is_erased(self) -> bool {
        self.stamp.0.is_erased()
    }

    /// The time at which the place expires, if events count for `history_ms` from their times on. Later places expire earlier.
    pub(super) fn expiry(self, history_ms: Millis) -> Time {
        self.stamp.0.expiry(history_ms)
    }

    /// Whether the product was not removed.
    pub(crate) fn is_visible(self) -> bool {
        self.stamp.0.viewed_at().is_some()
    }
}
