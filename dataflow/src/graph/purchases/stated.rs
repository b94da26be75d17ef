//! Purchases from events, and which of them count.
//!
//! ```text
//! event purchases ─▶ (id -> order, user, time, product) ─┬▶ by id ─▶ bought: each (order, product) once
//! orders ─▶ (id -> known), if both count ────────────────┘
//! ```
//! The id is the half of an order's key that all its keys have in common: lines of a file of orders may have several keys for
//! one id ([`OrderKey::of_lines`]).
//!
//! An order counts once however many events name it: it is the user's and of the time that the earliest of them states, with each
//! product that one of them has. If both sources count, a purchase whose order is in the table of orders is left to the table,
//! which also knows cancellations.

use std::collections::BTreeMap;

use differential_dataflow::{Data, VecCollection};
use serde::{Deserialize, Serialize};

use super::Bought;
use crate::ids::{OrderKey, ProductKey, UserKey};
use crate::ops::list::for_each_difference;
use crate::ops::periods::{Periods, compare};
use crate::rules::PurchaseSource;
use crate::tables::Placed;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, by_key};

/// What users bought by the events that count.
pub(in crate::graph) type Stated<'s> = VecCollection<'s, Time, (UserKey, Bought), Diff>;

/// The purchases that count, of those in the tables of orders and those that events state.
pub(in crate::graph) fn counted<'s, D: Data>(
    from: PurchaseSource,
    ordered: impl FnOnce() -> VecCollection<'s, Time, D, Diff>,
    stated: Option<VecCollection<'s, Time, D, Diff>>,
) -> VecCollection<'s, Time, D, Diff> {
    match (from, stated) {
        (PurchaseSource::Orders, _) | (_, None) => ordered(),
        (PurchaseSource::Events, Some(stated)) => stated,
        (PurchaseSource::Both, Some(stated)) => ordered().concat(stated),
    }
}

/// What is known of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Told {
    /// The table of orders has it.
    Known,
    /// An event states it, at this time.
    Event { placed: Placed, user: UserKey, product: ProductKey, order: OrderKey },
}

/// What users bought by the events that count; nothing if the rules count no events.
pub(in crate::graph) fn bought<'s>(
    events: ByKey<'s, OrderKey, ((UserKey, Placed), ProductKey), Diff>,
    orders: ByKey<'s, OrderKey, (UserKey, Placed), Diff>,
    from: PurchaseSource,
) -> Option<Stated<'s>> {
    let stated = || {
        events.flat_map_ref(|order, ((user, placed), product)| {
            let told = Told::Event { placed: *placed, user: *user, product: *product, order: *order };
            Some((order.id_half(), told))
        })
    };
    let told = match from {
        PurchaseSource::Orders => return None,
        PurchaseSource::Events => stated(),
        PurchaseSource::Both => stated().concat(orders.flat_map_ref(|order, _| Some((order.id_half(), Told::Known)))),
    };
    let told = by_key(told, "EventPurchasesByOrder", |id| *id);
    Some(compare(told, Periods::TICKS, "EventPurchases", |_: &u64, before, after, changes| {
        for_each_difference(&counting(before), &counting(after), |row, diff| changes.push((*row, diff)));
    }))
}

/// The rows of an id that count, in order.
fn counting(told: &[(Told, Diff)]) -> Vec<(UserKey, Bought)> {
    let mut first: BTreeMap<OrderKey, (UserKey, Placed)> = BTreeMap::new();
    let mut rows = Vec::with_capacity(told.len());
    // Rows are in the order of their times.
    for (told, _) in told {
        match *told {
            Told::Known => return Vec::new(),
            Told::Event { placed, user, product, order } => {
                let (user, placed) = *first.entry(order).or_insert((user, placed));
                rows.push((user, Bought::new(placed.created_at(), order, product)));
            }
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;
    use crate::ids::Ids;

    #[test]
    fn an_order_is_that_of_its_earliest_event_unless_the_table_has_the_order() {
        let ids = Dictionary::new(Ids::new([0; 16]));
        let (order, [ada, ben]) = (ids.order("o-1"), ["ada", "ben"].map(|user| ids.user(user)));
        let [tea, cup] = ["tea", "cup"].map(|product| ids.product(product).unwrap());
        let event = |at, user, product| (Told::Event { placed: Placed::new(at, true), user, product, order }, 1);
        let mut told = vec![event(5, ben, tea), event(7, ada, tea), event(7, ada, cup), event(9, ben, cup)];
        told.sort_unstable();
        let mut right = vec![(ben, Bought::new(5, order, tea)), (ben, Bought::new(5, order, cup))];
        right.sort_unstable();
        assert_eq!(counting(&told), right);
        told.insert(0, (Told::Known, 1));
        assert_eq!(counting(&told), []);
        assert_eq!(counting(&[]), []);
    }
}
