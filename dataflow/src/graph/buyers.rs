//! Orders and their lines become purchases; purchases in the window become distinct buyers per product.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;
use timely::dataflow::operators::vec::{Broadcast, Map};

use super::Plan;
use crate::ids::ProductKey;
use crate::ops::window::buyers_in_window;
use crate::rows::{LineRow, OrderRow, Purchase};
use crate::time::{Diff, Time};
use crate::trace::arranged::{by_key, by_self};

/// (product, distinct buyers in the window), with the worker the product routes to; products without buyers are absent.
pub fn per_product<'s>(
    orders: VecCollection<'s, Time, OrderRow, Diff>,
    lines: VecCollection<'s, Time, LineRow, Diff>,
    now: VecCollection<'s, Time, Time, Diff>,
    plan: &Plan,
) -> VecCollection<'s, Time, (ProductKey, Diff), Diff> {
    let orders = by_key(orders.map(|row| (row.order, (row.user, row.created_at))), "OrdersById", |id| id.route());
    let lines = by_key(lines.map(|row| (row.order, row.product)), "LinesByOrder", |id| id.route());
    let purchases =
        orders.join_core(lines, |_, &(user, created_at), &product| Some(Purchase { product, user, created_at }));
    let now = now.inner.map(|(now, _, _)| now).broadcast();
    let gained = buyers_in_window(purchases, now, plan.rules.window_ms, plan.late_lines.clone());
    by_self(gained, "BuyersByProduct", |product| product.route()).count_total()
}
