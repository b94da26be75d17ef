//! A worker's rows as of a tick, read from the batches its arrangements shared.

use differential_dataflow::difference::Semigroup;
use differential_dataflow::trace::cursor::{Cursor, CursorList, Navigable};
use differential_dataflow::trace::{BatchReader, TraceReader};
use timely::progress::Antichain;

use crate::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use crate::rows::{CatalogueRow, LineRow, OrderRow, Placed};
use crate::stamp::Stamp;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ValBatch, ValTrace};

/// The arrangements that hold what was given, from which everything else follows.
pub struct BaseTraces {
    /// See [`crate::graph::history`].
    pub stamps: ValTrace<UserKey, ProductKey, Stamp>,
    /// See [`crate::graph::buyers`].
    pub orders: ValTrace<OrderKey, (UserKey, Placed), Diff>,
    /// See [`crate::graph::buyers`].
    pub lines: ValTrace<OrderKey, (ProductKey, RowKey), Diff>,
    /// See [`crate::graph::bestsellers`].
    pub catalogue: ValTrace<ProductKey, CategoryKey, Diff>,
}

impl BaseTraces {
    pub(crate) fn compact(&mut self, since: &Antichain<Time>, upper: &Antichain<Time>) {
        compact(&mut self.stamps, since, upper);
        compact(&mut self.orders, since, upper);
        compact(&mut self.lines, since, upper);
        compact(&mut self.catalogue, since, upper);
    }

    /// Shares the batches, to be read as of `tick`.
    pub(crate) fn base(&self, tick: Time) -> Base {
        Base {
            tick,
            stamps: batches(&self.stamps),
            orders: batches(&self.orders),
            lines: batches(&self.lines),
            catalogue: batches(&self.catalogue),
        }
    }
}

/// A worker's rows as of a tick. Shared: it holds on to the batches until it is dropped.
#[derive(Default)]
pub struct Base {
    tick: Time,
    stamps: Vec<ValBatch<UserKey, ProductKey, Stamp>>,
    orders: Vec<ValBatch<OrderKey, (UserKey, Placed), Diff>>,
    lines: Vec<ValBatch<OrderKey, (ProductKey, RowKey), Diff>>,
    catalogue: Vec<ValBatch<ProductKey, CategoryKey, Diff>>,
}

impl Base {
    /// Every (user, product) with its stamp, in ascending order.
    pub fn stamps(&self, mut take: impl FnMut((UserKey, ProductKey), Stamp)) {
        rows(&self.stamps, self.tick, |user, product, stamp| take((*user, *product), stamp));
    }

    /// Every order with the number of its copies, in ascending order.
    pub fn orders(&self, mut take: impl FnMut(OrderRow, Diff)) {
        rows(&self.orders, self.tick, |order, &(user, placed), diff| {
            take(OrderRow { order: *order, user, placed }, diff);
        });
    }

    /// Every order line with the number of its copies, in ascending order.
    pub fn lines(&self, mut take: impl FnMut(LineRow, Diff)) {
        rows(&self.lines, self.tick, |order, &(product, row), diff| {
            take(LineRow { order: *order, product, row }, diff)
        });
    }

    /// Every row of the catalogue with the number of its copies, in ascending order.
    pub fn catalogue(&self, mut take: impl FnMut(CatalogueRow, Diff)) {
        rows(&self.catalogue, self.tick, |product, category, diff| {
            take(CatalogueRow { product: *product, category: *category }, diff);
        });
    }
}

/// Calls `take` with every row that is there as of `tick`.
fn rows<K, V, R>(batches: &Vec<ValBatch<K, V, R>>, tick: Time, mut take: impl FnMut(&K, &V, R))
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Semigroup + Ord + Clone + 'static,
{
    let mut cursor = CursorList::new(batches.iter().map(Navigable::cursor).collect(), batches);
    while let Some(key) = cursor.get_key(batches) {
        while let Some(value) = cursor.get_val(batches) {
            let mut sum: Option<R> = None;
            cursor.map_times(batches, |at, diff| {
                if *at <= tick {
                    match &mut sum {
                        Some(sum) => sum.plus_equals(diff),
                        None => sum = Some(diff.clone()),
                    }
                }
            });
            if let Some(sum) = sum.filter(|sum| !sum.is_zero()) {
                take(key, value, sum);
            }
            cursor.step_val(batches);
        }
        cursor.step_key(batches);
    }
}

/// The batches of a trace that hold anything.
pub(crate) fn batches<Tr: TraceReader>(trace: &Tr) -> Vec<Tr::Batch> {
    let mut batches = Vec::with_capacity(16);
    trace.map_batches(|batch| {
        if !batch.is_empty() {
            batches.push(batch.clone());
        }
    });
    batches
}

/// The upper of a trace; that of a finished graph counts as no progress.
pub(crate) fn upper<Tr: TraceReader<Time = Time>>(trace: &mut Tr) -> Time {
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    upper.as_option().copied().unwrap_or(0)
}

/// Lets times before `since` become one, and batches before `upper` merge. A handle that did not say so would keep every
/// batch since the start.
pub(crate) fn compact<Tr: TraceReader<Time = Time>>(trace: &mut Tr, since: &Antichain<Time>, upper: &Antichain<Time>) {
    trace.set_logical_compaction(since.borrow());
    trace.set_physical_compaction(upper.borrow());
}
