//! Orders and their lines become purchases; purchases in the window become distinct buyers per product.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;
use timely::dataflow::StreamVec;

use super::erased_orders::{LinesByOrder, LivingOrders};
use super::purchases::stated::{Stated, counted};
use crate::ids::ProductKey;
use crate::ops::window::{LateLines, Purchase, buyers_in_window};
use crate::rules::PurchaseSource;
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::by_self;

/// The purchases that count, in the window or not.
pub(super) fn purchases<'s>(
    orders: &LivingOrders<'s>,
    lines: LinesByOrder<'s>,
    stated: Option<Stated<'s>>,
    from: PurchaseSource,
) -> VecCollection<'s, Time, Purchase, Diff> {
    let stated = stated.map(|stated| {
        stated.map(|(user, bought)| Purchase { product: bought.product, user, created_at: bought.order().0 })
    });
    let ordered = || orders.with_lines(lines, |_, user, created_at, product| Purchase { product, user, created_at });
    counted(from, ordered, stated)
}

/// (product, distinct buyers in the window), in the worker that the product routes to; products without buyers are
/// absent. The window's edge follows `now`, which every worker receives. `late` counts lines that
/// came too late for everything.
pub(super) fn count<'s>(
    purchases: VecCollection<'s, Time, Purchase, Diff>,
    now: StreamVec<'s, Time, Time>,
    window_ms: Millis,
    late: LateLines,
) -> VecCollection<'s, Time, (ProductKey, Diff), Diff> {
    let gained = buyers_in_window(purchases, now, window_ms, late);
    by_self(gained, "BuyersByProduct", |product| product.route()).count_total()
}
