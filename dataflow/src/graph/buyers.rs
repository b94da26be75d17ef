//! Orders and their lines become purchases; purchases in the window become distinct buyers per product.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;
use timely::dataflow::StreamVec;

use super::Plan;
use super::erased_orders::{LinesByOrder, LivingOrders};
use super::purchases::stated::{Stated, counted};
use crate::ids::ProductKey;
use crate::ops::window::{Purchase, buyers_in_window};
use crate::time::{Diff, Time};
use crate::trace::arranged::by_self;

/// (product, distinct buyers in the window), in the worker that the product routes to; products without buyers are
/// absent. The window's edge follows `now`, which every worker receives.
pub(super) fn count<'s>(
    orders: &LivingOrders<'s>,
    lines: LinesByOrder<'s>,
    stated: Option<Stated<'s>>,
    now: StreamVec<'s, Time, Time>,
    plan: &Plan,
) -> VecCollection<'s, Time, (ProductKey, Diff), Diff> {
    let stated = stated.map(|stated| {
        stated.map(|(user, bought)| Purchase { product: bought.product, user, created_at: bought.order().0 })
    });
    let ordered = || orders.with_lines(lines, |_, user, created_at, product| Purchase { product, user, created_at });
    let purchases = counted(plan.rules.purchases, ordered, stated);
    let gained = buyers_in_window(purchases, now, plan.rules.window_ms, plan.late_lines.clone());
    by_self(gained, "BuyersByProduct", |product| product.route()).count_total()
}
