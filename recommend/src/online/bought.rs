//! The newest purchases that belong to an answer, so that an order that an event and a table state counts once.

use std::collections::{HashSet, VecDeque};

use dataflow::ids::ProductKey;

/// What all keys of an order's id have in common, and a product of the order.
pub(super) type Purchase = (u64, ProductKey);

/// At most `max` purchases.
pub(super) struct Bought {
    max: usize,
    purchases: HashSet<Purchase>,
    /// The same, oldest first.
    in_order: VecDeque<Purchase>,
}

impl Bought {
    pub(super) fn new(max: usize) -> Self {
        Bought { max, purchases: HashSet::new(), in_order: VecDeque::new() }
    }

    pub(super) fn has(&self, purchase: Purchase) -> bool {
        self.purchases.contains(&purchase)
    }

    /// Remembers a purchase, and forgets the oldest if there are too many.
    pub(super) fn add(&mut self, purchase: Purchase) {
        if self.purchases.insert(purchase) {
            self.in_order.push_back(purchase);
        }
        if self.in_order.len() > self.max
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.purchases.remove(&oldest);
        }
    }

    /// The purchases that are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.purchases.len(), self.in_order.len());
        self.purchases.len()
    }
}
