//! Shows the orders of the tables to the observer of what sources read.
//!
//! ```text
//! orders ─┐
//! lines ──┴▶ lines of orders that count ─▶ the observer
//! ```
//! An order or a line that is taken back is not shown: the observer sees what happened, and does not keep the table.

use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::super::erased_orders::{LinesByOrder, LivingOrders};
use crate::source_status::{EventObserver, ReadEvent, Signal};

/// Shows each line of an order that counts as a purchase, in the worker that the order routes to. A line is shown again when
/// its order changes.
pub(in crate::graph) fn show(orders: &LivingOrders<'_>, lines: LinesByOrder<'_>, observer: Arc<dyn EventObserver>) {
    let bought = orders.with_lines(lines, |order, user, at, product| (order, user, at, product));
    bought.inner.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "PurchasesObserved", move |_, _| {
        move |input, _output| {
            input.for_each(|_, lines| {
                for ((order, user, at, product), _, diff) in lines.drain(..) {
                    if diff > 0 {
                        let (products, signal, order) = ([product], Signal::Purchase, Some(order));
                        observer.ordered(&ReadEvent {
                            user,
                            products: &products,
                            signal,
                            at,
                            order,
                            answer: None,
                            device: None,
                        });
                    }
                }
            });
        }
    });
}
