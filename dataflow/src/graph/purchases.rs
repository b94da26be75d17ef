//! What every user bought, order by order, and how often each product is bought: the rows behind "buy again" and behind
//! the purchases among the features.
//!
//! ```text
//! orders ─┐
//! lines ──┼▶ purchases by user ─┬▶ purchases (with the owner of the user)
//! events ─┘ (if they count)     └▶ sales: orders and buyers of each product (every process)
//! ```
//! The rows of an order do not change when the user orders again: how long ago an order was is counted when it is read.
//! Orders that do not count are left out. An order or a line that is taken back is taken out, as if it had never been.

pub(super) mod observed;
pub(super) mod stated;

use std::cmp::Reverse;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};

use self::stated::{Stated, counted};
use super::erased_orders::{LinesByOrder, LivingOrders};
use super::index::{Index, Placement, Published, StoredRows, Wiring};
use super::touched::TouchedList;
use crate::ids::{OrderKey, ProductKey, UserKey};
use crate::ops::list::for_each_difference;
use crate::ops::periods::{Periods, compare};
use crate::rules::{PurchaseSource, Rules};
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::by_key;

/// A product in an order of a user: ordered by the order, newest first, ties by the order's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bought {
    created_at: Reverse<Millis>,
    order: OrderKey,
    /// The product.
    pub product: ProductKey,
}

impl Bought {
    /// A product in an order.
    #[must_use]
    pub fn new(created_at: Millis, order: OrderKey, product: ProductKey) -> Self {
        Bought { created_at: Reverse(created_at), order, product }
    }

    /// The time and the key of the order.
    #[must_use]
    pub fn order(&self) -> (Millis, OrderKey) {
        (self.created_at.0, self.order)
    }
}

/// The index of purchases. Key: user. Row: a product in an order that counts, newest order first. Difference: the number
/// of such lines. Changes with orders and lines.
pub struct Purchases;

impl Index for Purchases {
    const NAME: &'static str = "purchases";
    const PLACEMENT: Placement = Placement::Sharded;
    const TOUCHES: Option<fn(&Self::Key) -> TouchedList> = Some(|key| TouchedList::Activity(*key));
    const OF_FEATURES: bool = true;
    type Key = UserKey;
    type Row = Bought;
    type Stored = Bought;
    type Count = Diff;

    fn is_on(rules: &Rules) -> bool {
        rules.counts_older_purchases()
    }

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn read(stored: &Bought, lines: Diff) -> Option<(Bought, Diff)> {
        Some((*stored, lines))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::unlisted(wiring.purchases().clone())
    }
}

/// The purchases of every user, in the worker that the user routes to.
pub(super) fn by_user<'s>(
    orders: &LivingOrders<'s>,
    lines: LinesByOrder<'s>,
    stated: Option<Stated<'s>>,
    from: PurchaseSource,
) -> StoredRows<'s, Purchases> {
    let bought = |order, user, created_at, product| (user, Bought::new(created_at, order, product));
    by_key(counted(from, || orders.with_lines(lines, bought), stated), "Purchases", Purchases::route)
}

/// What is counted of a product's sales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sale {
    /// The orders that the product is in.
    Orders,
    /// The users who bought it.
    Buyers,
}

/// The index of sales. Key: product. Row: what is counted; the number of copies is the count. Changes with orders and
/// lines.
pub struct Sales;

impl Index for Sales {
    const NAME: &'static str = "sales";
    const PLACEMENT: Placement = Placement::PerProcess;
    type Key = ProductKey;
    type Row = Sale;
    type Stored = Sale;
    type Count = Diff;

    fn is_on(rules: &Rules) -> bool {
        rules.buy_again.enabled
    }

    fn route(product: &ProductKey) -> u64 {
        product.route()
    }

    fn read(stored: &Sale, count: Diff) -> Option<(Sale, Diff)> {
        Some((*stored, count))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let sales = by_key(sales(wiring.purchases().clone()), "Sales", Sales::route);
        Published::per_process(wiring, sales, None)
    }
}

/// The changes of the orders and buyers of each product.
fn sales(purchases: StoredRows<'_, Purchases>) -> VecCollection<'_, Time, (ProductKey, Sale), Diff> {
    compare(purchases, Periods::TICKS, "SalesOfUsers", |_: &UserKey, before, after, changes| {
        let [before, after] = [before, after].map(|rows: &[(Bought, Diff)]| {
            let rows: Vec<Bought> = rows.iter().map(|(bought, _)| *bought).collect();
            let mut products: Vec<ProductKey> = rows.iter().map(|bought| bought.product).collect();
            products.sort_unstable();
            products.dedup();
            (rows, products)
        });
        for_each_difference(&before.0, &after.0, |bought, diff| changes.push(((bought.product, Sale::Orders), diff)));
        for_each_difference(&before.1, &after.1, |product, diff| changes.push(((*product, Sale::Buyers), diff)));
    })
}
