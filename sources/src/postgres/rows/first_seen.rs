//! The time at which each order was first read: the order's time where the table has none.

use std::collections::HashMap;

use dataflow::ids::OrderKey;
use dataflow::time::Millis;
use foldhash::fast::RandomState;

/// The times of all orders in the table, those that have left the window included: without them an old order would be
/// new again.
#[derive(Default)]
pub(crate) struct FirstSeen {
    orders: HashMap<OrderKey, Seen, RandomState>,
    generation: u32,
}

struct Seen {
    at: Millis,
    generation: u32,
}

impl FirstSeen {
    /// Begins a new reading of the table.
    pub(crate) fn begin(&mut self) {
        self.generation += 1;
    }

    /// The table has this order at `now`; when was it seen first?
    pub(crate) fn seen(&mut self, order: OrderKey, now: Millis) -> Millis {
        let seen = self.orders.entry(order).or_insert(Seen { at: now, generation: 0 });
        seen.generation = self.generation;
        seen.at
    }

    /// When an order of this reading was seen first.
    pub(crate) fn of(&self, order: OrderKey) -> Option<Millis> {
        self.orders.get(&order).filter(|seen| seen.generation == self.generation).map(|seen| seen.at)
    }

    /// The whole table has been read: other orders are gone.
    pub(crate) fn finish(&mut self) {
        let generation = self.generation;
        self.orders.retain(|_, seen| seen.generation == generation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::Ids;

    #[test]
    fn an_order_keeps_its_time_until_it_is_gone() {
        let order = Ids::new([0; 16]).order("1");
        let mut orders = FirstSeen::default();
        orders.begin();
        assert_eq!((orders.seen(order, 10), orders.of(order)), (10, Some(10)));
        orders.finish();
        orders.begin();
        assert_eq!(orders.of(order), None, "not in this reading yet");
        assert_eq!(orders.seen(order, 20), 10);
        orders.finish();
        orders.begin();
        orders.finish();
        orders.begin();
        assert_eq!(orders.seen(order, 30), 30);
    }
}
