//! Orders: the user, the time, and whether the order counts.

use serde::{Deserialize, Serialize};

use super::Table;
use crate::ids::{OrderKey, UserKey};
use crate::time::{Diff, Millis};

/// The table of orders. Key: order. Value: the user, the time, and whether the order counts. Difference: the number of
/// rows.
pub struct Orders;

impl Table for Orders {
    const NAME: &'static str = "orders";
    const NUMBER: u8 = 2;
    type Key = OrderKey;
    type Value = (UserKey, Placed);
    type Diff = Diff;
    type Row = OrderRow;

    const OF_FEATURES: bool = true;

    fn route(order: &OrderKey) -> u64 {
        order.route()
    }

    /// An erasure leaves orders in the table.
    fn subject(_: &OrderKey, (user, placed): &Self::Value, _: &Diff) -> Option<(UserKey, Millis)> {
        Some((*user, placed.created_at()))
    }
}

/// When an order was created, and whether it counts. Both fit in eight bytes, because there are many orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Placed(u64);

impl Placed {
    /// Set if the order does not count; no real time reaches this bit.
    const IGNORED: u64 = 1 << 63;

    /// Created at `at`; `counts` follows from the order's status.
    #[must_use]
    pub fn new(created_at: Millis, counts: bool) -> Self {
        Placed(created_at.min(Placed::IGNORED - 1) | if counts { 0 } else { Placed::IGNORED })
    }

    /// When the order was created; its time in the window starts then.
    #[must_use]
    pub fn created_at(self) -> Millis {
        self.0 & !Placed::IGNORED
    }

    /// Whether the order counts while it is in the window. Orders that do not count are held too, because their status
    /// may change.
    #[must_use]
    pub fn counts(self) -> bool {
        self.0 & Placed::IGNORED == 0
    }
}

/// One order: the user, the time, and whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderRow {
    /// The order's id.
    pub order: OrderKey,
    /// The user who ordered.
    pub user: UserKey,
    /// When the order was created, and whether it counts.
    pub placed: Placed,
}

impl OrderRow {
    /// An order that counts.
    #[must_use]
    pub fn counting(order: OrderKey, user: UserKey, created_at: Millis) -> Self {
        OrderRow { order, user, placed: Placed::new(created_at, true) }
    }
}

impl From<(OrderKey, (UserKey, Placed))> for OrderRow {
    fn from((order, (user, placed)): (OrderKey, (UserKey, Placed))) -> Self {
        OrderRow { order, user, placed }
    }
}

impl From<OrderRow> for (OrderKey, (UserKey, Placed)) {
    fn from(row: OrderRow) -> Self {
        (row.order, (row.user, row.placed))
    }
}
