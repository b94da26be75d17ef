//! Orders and their lines become purchases; purchases in the window become distinct buyers per product.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;
use timely::dataflow::StreamVec;

use super::Plan;
use crate::ids::{OrderKey, ProductKey, RowKey, UserKey};
use crate::ops::window::buyers_in_window;
use crate::rows::{LineRow, OrderRow, Placed, Purchase};
use crate::time::{Diff, Time};
use crate::trace::arranged::{ValTrace, by_key, by_self};

/// Buyers, and what they follow from.
pub struct Buyers<'s> {
    /// (product, distinct buyers in the window), with the worker the product routes to; products without buyers are
    /// absent.
    pub per_product: VecCollection<'s, Time, (ProductKey, Diff), Diff>,
    /// Key: order, with the worker it routes to. Value: who ordered, when, and whether that counts. Difference: how many
    /// rows say so.
    pub orders: ValTrace<OrderKey, (UserKey, Placed), Diff>,
    /// Key: order, with the same worker. Value: a product in it, and by which row. Difference: how many rows say so.
    pub lines: ValTrace<OrderKey, (ProductKey, RowKey), Diff>,
}

/// Counts every product's distinct buyers; the window's edge follows `now`, which comes to every worker.
pub fn count<'s>(
    orders: VecCollection<'s, Time, OrderRow, Diff>,
    lines: VecCollection<'s, Time, LineRow, Diff>,
    now: StreamVec<'s, Time, Time>,
    plan: &Plan,
) -> Buyers<'s> {
    let orders = by_key(orders.map(|row| (row.order, (row.user, row.placed))), "OrdersById", |id| id.route());
    let lines = by_key(lines.map(|row| (row.order, (row.product, row.row))), "LinesByOrder", |id| id.route());
    let traces = (orders.trace.clone(), lines.trace.clone());
    let purchases = orders.join_core(lines, |_, &(user, placed), &(product, _)| {
        placed.counts().then(|| Purchase { product, user, created_at: placed.created_at() })
    });
    let gained = buyers_in_window(purchases, now, plan.rules.window_ms, plan.late_lines.clone());
    let per_product = by_self(gained, "BuyersByProduct", |product| product.route()).count_total();
    Buyers { per_product, orders: traces.0, lines: traces.1 }
}
