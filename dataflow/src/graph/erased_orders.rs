//! The orders of erased users: the shop's tables still have them, and no list may count them.
//!
//! ```text
//! orders (arranged) ─▶ ┌────────┐
//! erasures ──────────▶ │ erased │ ─▶ rows of orders at or before an erasure of their user
//!                      └────────┘
//! ```
//! An erasure looks at all orders once, whatever their number; several erasures of a tick do so together. Without
//! erasures, a change of an order costs nothing here.

use std::collections::{BTreeMap, HashMap};

use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, Navigable};
use differential_dataflow::{AsCollection, Data, VecCollection};
use foldhash::fast::RandomState;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Antichain;

use super::index::{Index, Placement, Published, Wiring};
use crate::ids::{OrderKey, ProductKey, RowKey, UserKey};
use crate::tables::{ErasedUntil, Placed};
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::{ByKey, ErasureStream, ValBatch, by_key};
use crate::trace::handle;
use crate::trace::walk::walk;

/// Orders by their key: the user and the time.
pub(super) type OrdersByKey<'s> = ByKey<'s, OrderKey, (UserKey, Placed), Diff>;

/// Lines by their order.
pub(super) type LinesByOrder<'s> = ByKey<'s, OrderKey, (ProductKey, RowKey), Diff>;

type Row = (OrderKey, (UserKey, Placed));
/// Erasures that were given in ticks whose orders may not have come yet.
type Heard = BTreeMap<Time, (Capability<Time>, Vec<(UserKey, ErasedUntil)>)>;

type OrderBatch = ValBatch<OrderKey, (UserKey, Placed), Diff>;

/// The index of orders that do not count only because their user is erased: cancelled orders are not among them. Key: user.
/// Row: the order. Difference: the number of its rows. Changes with erasures and orders.
pub struct ErasedOrders;

impl Index for ErasedOrders {
    const NAME: &'static str = "erased_orders";
    const PLACEMENT: Placement = Placement::Sharded;
    type Key = UserKey;
    type Row = OrderKey;
    type Stored = OrderKey;
    type Count = Diff;

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn read(order: &OrderKey, rows: Diff) -> Option<(OrderKey, Diff)> {
        Some((*order, rows))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let erased = wiring.erased_orders().as_collection(|order, (user, placed)| (placed.counts(), (*user, *order)));
        let by_user = erased.filter(|(counts, _)| *counts).map(|(_, row)| row);
        Published::unlisted(by_key(by_user, "ErasedOrdersByUser", ErasedOrders::route))
    }
}

/// All orders, and those of them that do not count because their user is erased.
#[derive(Clone)]
pub(super) struct LivingOrders<'s> {
    pub(super) all: OrdersByKey<'s>,
    pub(super) erased: OrdersByKey<'s>,
}

impl<'s> LivingOrders<'s> {
    pub(super) fn new(all: OrdersByKey<'s>, erasures: ErasureStream<'s>) -> Self {
        let erased = by_key(erased(all.clone(), erasures), "ErasedOrdersByKey", |order| order.route());
        LivingOrders { all, erased }
    }

    /// What `row` makes of each line of an order that counts.
    pub(super) fn with_lines<D: Data>(
        &self,
        lines: LinesByOrder<'s>,
        row: impl Fn(OrderKey, UserKey, Millis, ProductKey) -> D + Clone + 'static,
    ) -> VecCollection<'s, Time, D, Diff> {
        let of = |orders: &OrdersByKey<'s>| {
            let row = row.clone();
            orders.clone().join_core(lines.clone(), move |order, &(user, placed), &(product, _)| {
                placed.counts().then(|| row(*order, user, placed.created_at(), product))
            })
        };
        of(&self.all).concat(of(&self.erased).negate())
    }
}

/// The orders of erased users, as rows of the table of orders, in the worker that has the order.
fn erased<'s>(orders: OrdersByKey<'s>, erasures: ErasureStream<'s>) -> VecCollection<'s, Time, Row, Diff> {
    let mut trace = orders.trace;
    let name = "ErasedOrders";
    let stream = orders.stream.binary_frontier::<_, CapacityContainerBuilder<Vec<(Row, Time, Diff)>>, _, _, _, _>(
        erasures,
        Pipeline,
        Pipeline,
        name,
        move |_, _| {
            let mut search = Search::default();
            // Batches, until all their orders and all erasures up to their last tick have come.
            let mut waiting: Vec<(Capability<Time>, OrderBatch)> = Vec::new();
            let mut coming = Heard::new();
            move |(orders, orders_frontier), (erasures, erasures_frontier), output| {
                orders.for_each(|capability, data| {
                    waiting.extend(data.drain(..).map(|batch| (capability.retain(0), batch)));
                });
                erasures.for_each(|capability, data| {
                    for ((user, ()), tick, until) in data.drain(..) {
                        let heard = coming.entry(tick);
                        heard.or_insert_with(|| (capability.delayed(&tick, 0), Vec::new())).1.push((user, until));
                    }
                });
                let first = |frontier: Option<&Time>| frontier.copied().unwrap_or(Time::MAX);
                let reached =
                    first(orders_frontier.frontier().first()).min(first(erasures_frontier.frontier().first()));
                let whole: Vec<_> = waiting.extract_if(.., |(_, batch)| is_before(batch, reached)).collect();
                // An erasure looks at all orders up to its tick, so those of a batch that waits come first.
                let next = waiting.first().and_then(|(_, batch)| batch.lower().as_option().copied());
                let complete = next.unwrap_or(reached).min(reached);
                let later = coming.split_off(&complete);
                let heard = std::mem::replace(&mut coming, later);
                for (capability, batch) in whole {
                    let mut session = output.session(&capability);
                    search.changed(&batch, &heard, |row, time, diff| session.give((row, time, diff)));
                }
                for (tick, (capability, users)) in heard {
                    let mut session = output.session(&capability);
                    search.erase(&users, tick, &handle::batches(&trace), |row, diff| session.give((row, tick, diff)));
                }
                let upper = handle::upper(&mut trace);
                handle::compact(&mut trace, &Antichain::from_elem(complete), &Antichain::from_elem(upper));
            }
        },
    );
    stream.as_collection()
}

/// Whether all times of a batch come before this one.
fn is_before(batch: &OrderBatch, reached: Time) -> bool {
    batch.upper().as_option().is_none_or(|upper| *upper <= reached)
}

/// The erasures so far, and the search for the orders that they cover.
#[derive(Default)]
struct Search {
    until: HashMap<UserKey, Millis, RandomState>,
}

impl Search {
    /// Gives the changed orders of a batch that erasures of earlier ticks cover: those that were searched for, and those of
    /// `heard`.
    fn changed(&self, batch: &OrderBatch, heard: &Heard, mut give: impl FnMut(Row, Time, Diff)) {
        if self.until.is_empty() && heard.is_empty() {
            return;
        }
        let mut cursor = batch.cursor();
        while let Some(order) = cursor.get_key(batch) {
            while let Some((user, placed)) = cursor.get_val(batch) {
                let known = self.until.get(user).copied();
                cursor.map_times(batch, |time, diff| {
                    let heard = heard.range(..time).flat_map(|(_, (_, users))| users);
                    let until = heard.filter(|(of, _)| of == user).map(|(_, until)| until.0).max();
                    if Some(placed.created_at()) <= known.max(until) {
                        give((*order, (*user, *placed)), *time, *diff);
                    }
                });
                cursor.step_val(batch);
            }
            cursor.step_key(batch);
        }
    }

    /// Gives the orders as of the tick of these erasures that they cover and no earlier one did.
    fn erase(
        &mut self,
        users: &[(UserKey, ErasedUntil)],
        tick: Time,
        orders: &Vec<OrderBatch>,
        mut give: impl FnMut(Row, Diff),
    ) {
        let mut grown: HashMap<UserKey, (Option<Millis>, Millis), RandomState> = HashMap::default();
        for (user, until) in users {
            let known = self.until.get(user).copied();
            if Some(until.0) > known {
                grown.entry(*user).or_insert((known, until.0)).1 = until.0;
                self.until.insert(*user, until.0);
            }
        }
        if grown.is_empty() {
            return;
        }
        walk(orders, tick, |order, (user, placed), rows: Diff| {
            if let Some((known, until)) = grown.get(user)
                && Some(placed.created_at()) > *known
                && placed.created_at() <= *until
            {
                give((*order, (*user, *placed)), rows);
            }
        });
    }
}
