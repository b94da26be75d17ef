//! What is remembered of the tables: the rows that were fed, so that whatever comes next is a difference.

mod counting;
mod expiry;
mod reading;
mod transact;

pub(super) use expiry::sweep_every;

use std::collections::{HashMap, HashSet};

use dataflow::ids::{CategoryKey, OrderKey, ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::rules::AHEAD_MS;
use dataflow::tables::{self, CatalogueRow, LineRow, OrderRow, Placed};
use dataflow::time::{Diff, Millis};
use foldhash::fast::RandomState;

use super::Resumed;
use super::damage::Damage;
use super::first_seen::FirstSeen;
use super::lines::Lines;
use super::unmatched::Unmatched;
use super::zone::Zones;
use crate::deleted::Deleted;
use crate::refusals::Refusals;
use crate::row_store::RowStore;

/// A difference of all three tables; it becomes visible in one tick.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) orders: Vec<(OrderRow, Diff)>,
    pub(super) lines: Vec<(LineRow, Diff)>,
    pub(super) catalogue: Vec<(CatalogueRow, Diff)>,
}

impl Change {
    pub(super) fn len(&self) -> usize {
        self.orders.len() + self.lines.len() + self.catalogue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives it to the graph.
    pub(super) fn give(self, inputs: &mut Inputs) {
        self.catalogue.into_iter().for_each(|(row, diff)| inputs.update::<tables::Catalogue>(row, diff));
        self.orders.into_iter().for_each(|(row, diff)| inputs.update::<tables::Orders>(row, diff));
        self.lines.into_iter().for_each(|(row, diff)| inputs.update::<tables::Lines>(row, diff));
    }
}

/// Which times count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) now: Millis,
    pub(super) window_ms: Millis,
}

impl Span {
    /// Orders count that are later than this.
    pub(super) fn cutoff(self) -> Millis {
        self.now.saturating_sub(self.window_ms)
    }

    /// Orders that are later than this do not count yet.
    pub(super) fn latest(self) -> Millis {
        self.now.saturating_add(AHEAD_MS)
    }
}

/// What is remembered of the tables.
pub(super) struct TableCache {
    pub(super) orders: RowStore<OrderKey, (UserKey, Placed)>,
    pub(super) lines: Lines,
    pub(super) catalogue: RowStore<ProductKey, CategoryKey>,
    pub(super) deleted: Deleted,
    pub(super) first_seen: FirstSeen,
    pub(super) refusals: Refusals,
    /// Orders that lines were seen of and that are not there themselves, and since when.
    pub(super) orphans: HashMap<OrderKey, Millis, RandomState>,
    /// Rows of an earlier process that this one cannot know again: they go with the first reading.
    pub(super) strays: Change,
    /// The zones of times that are stored without one.
    pub(super) zones: Zones,
    /// Lines without an order.
    pub(super) unmatched: Unmatched,
    /// Rows that the server could not read.
    pub(super) damage: Damage,
}

impl TableCache {
    fn new(lines: Lines) -> Self {
        TableCache {
            orders: RowStore::by_key(),
            lines,
            catalogue: RowStore::by_key(),
            deleted: Deleted::default(),
            first_seen: FirstSeen::default(),
            refusals: Refusals::default(),
            orphans: HashMap::default(),
            strays: Change::default(),
            zones: Zones::default(),
            unmatched: Unmatched::default(),
            damage: Damage::default(),
        }
    }

    /// For tables that are read again and again: by key where they allow it, until one does not.
    pub(super) fn of_readings(resumed: Option<&Resumed>) -> Self {
        let mut memory = TableCache::new(Lines::ByRow(RowStore::by_row()));
        if let Some(rows) = resumed {
            memory.hold(rows);
        }
        memory
    }

    /// For tables whose log is followed: by key.
    pub(super) fn of_log(resumed: Option<&Resumed>) -> Self {
        let mut memory = TableCache::new(Lines::ByKey(RowStore::by_key()));
        match resumed {
            None => {}
            Some(rows) if rows.fingerprint.is_some() => memory.hold(rows),
            // Read by a process that did not follow the log: their lines have no keys, and equal rows may be among them.
            Some(rows) => {
                let listed = rows.catalogue.iter().filter(|row| !memory.deleted.hold(row));
                memory.strays = Change {
                    orders: rows.orders.iter().map(|row| (*row, -1)).collect(),
                    lines: rows.lines.iter().map(|row| (*row, -1)).collect(),
                    catalogue: listed.map(|row| (*row, -1)).collect(),
                };
            }
        }
        memory
    }

    fn hold(&mut self, rows: &Resumed) {
        self.first_seen.begin();
        for OrderRow { order, user, placed } in rows.orders.iter().copied() {
            self.orders.hold(order, (user, placed));
            self.first_seen.seen(order, placed.created_at());
        }
        self.first_seen.finish();
        rows.lines.iter().for_each(|line| self.lines.hold(*line));
        for row in rows.catalogue.iter().filter(|row| !self.deleted.hold(row)) {
            self.catalogue.hold(row.product, row.category);
        }
    }

    /// Adds to a change what it means for products that were deleted, or come back.
    pub(super) fn settle(&mut self, change: &mut Vec<(CatalogueRow, Diff)>) {
        let TableCache { catalogue, deleted, .. } = self;
        if catalogue.is_by_key() {
            deleted.settle(change, |product| catalogue.get(&product).is_some());
        } else if !deleted.is_empty() || change.iter().any(|(_, diff)| *diff < 0) {
            let mut listed: HashSet<ProductKey, RandomState> = HashSet::default();
            catalogue.for_each(|product, _| {
                listed.insert(*product);
            });
            deleted.settle(change, |product| listed.contains(&product));
        }
    }

    /// Forgets deleted products that nobody has bought for a window.
    pub(super) fn forget_deleted(&mut self, span: Span, change: &mut Vec<(CatalogueRow, Diff)>) {
        if self.deleted.is_empty() {
            return;
        }
        let mut sold: HashSet<ProductKey, RandomState> = HashSet::default();
        self.lines.for_each_product(|product| {
            if self.deleted.contains(product) {
                sold.insert(product);
            }
        });
        self.deleted.forget(&sold, span.now, span.cutoff(), change);
    }
}

/// Adds changes of orders to a change.
fn orders(change: &mut Change) -> impl FnMut(OrderKey, (UserKey, Placed), Diff) {
    |order, (user, placed), diff| change.orders.push((OrderRow { order, user, placed }, diff))
}

/// Adds changes of the catalogue to a change.
fn products(change: &mut Change) -> impl FnMut(ProductKey, CategoryKey, Diff) {
    |product, category, diff| change.catalogue.push((CatalogueRow { product, category }, diff))
}
