//! Purchases as events state them: one row for each product of a purchase.

use serde::{Deserialize, Serialize};

use super::{Pair, Placed, Table};
use crate::ids::{OrderKey, ProductKey, UserKey};
use crate::rules::Rules;
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::EraseRule;

/// The table of purchases from events. Key: order. Value: the user and the time of the event, and a product. Difference:
/// the number of events that say so. A row leaves the table when the rules keep it no longer. It has rows only if the rules
/// count them.
pub struct EventPurchases;

impl Table for EventPurchases {
    const NAME: &'static str = "event_purchases";
    const NUMBER: u8 = 9;
    type Key = OrderKey;
    type Value = ((UserKey, Placed), ProductKey);
    type Diff = Diff;
    type Row = EventPurchaseRow;

    const OF_FEATURES: bool = true;

    fn route(order: &OrderKey) -> u64 {
        order.route()
    }

    fn products(_: &OrderKey, (_, product): &Self::Value, _: &Diff) -> [Option<ProductKey>; 2] {
        [Some(*product), None]
    }

    fn expiry((_, ((_, placed), _)): &Pair<Self>, diff: &Diff, (rules, _): (&Rules, Time)) -> Option<(Millis, Diff)> {
        let kept_ms = rules.orders_kept_ms();
        (kept_ms < Millis::MAX).then(|| (placed.created_at().saturating_add(kept_ms), -diff))
    }

    fn erasure() -> Option<EraseRule<OrderKey, Self::Value, Diff>> {
        Some(EraseRule {
            subject: |_, ((user, placed), _), _| Some((*user, placed.created_at())),
            by_user: None,
            taken_out: |copies, erased| (erased.at <= erased.until).then_some(-copies),
            dated: |_, _| {},
            is_void: |_| false,
        })
    }
}

/// One product of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventPurchaseRow {
    /// The order: `metadata.order_id` of the event, or the event itself.
    pub order: OrderKey,
    /// The user who bought it.
    pub user: UserKey,
    /// The product bought.
    pub product: ProductKey,
    /// The time of the event.
    pub at: Millis,
}

impl From<(OrderKey, ((UserKey, Placed), ProductKey))> for EventPurchaseRow {
    fn from((order, ((user, placed), product)): (OrderKey, ((UserKey, Placed), ProductKey))) -> Self {
        EventPurchaseRow { order, user, product, at: placed.created_at() }
    }
}

impl From<EventPurchaseRow> for (OrderKey, ((UserKey, Placed), ProductKey)) {
    fn from(row: EventPurchaseRow) -> Self {
        (row.order, ((row.user, Placed::new(row.at, true)), row.product))
    }
}
