//! What is remembered of the tables: the rows that were fed, so that whatever comes next is a difference.

mod counting;
mod expiry;
mod reading;
mod transact;
#[cfg(test)]
mod unheld_tests;

pub(crate) use expiry::sweep_every;

use std::collections::{HashMap, HashSet};

use dataflow::ids::{CategoryKey, OrderKey, ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::tables::{self, CatalogueRow, LineRow, OrderRow, Placed};
use dataflow::time::{Diff, Millis};
use foldhash::fast::RandomState;

use crate::deleted::Deleted;
use crate::postgres::Resumed;
use crate::postgres::rows::category_sets::{CategorySet, CategorySets};
use crate::postgres::rows::first_seen::FirstSeen;
use crate::postgres::rows::held_lines::HeldLines;
use crate::postgres::rows::order_window::OrderWindow;
use crate::postgres::rows::orphan_lines::OrphanLines;
use crate::postgres::rows::unheld_rows::UnheldRows;
use crate::refusals::Refusals;
use crate::row_store::RowStore;

/// A difference of all three tables; it becomes visible in one tick.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeSet {
    pub(crate) orders: Vec<(OrderRow, Diff)>,
    pub(crate) lines: Vec<(LineRow, Diff)>,
    pub(crate) catalogue: Vec<(CatalogueRow, Diff)>,
}

impl ChangeSet {
    pub(crate) fn len(&self) -> usize {
        self.orders.len() + self.lines.len() + self.catalogue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives it to the graph.
    pub(crate) fn give(self, inputs: &mut Inputs) {
        self.catalogue.into_iter().for_each(|(row, diff)| inputs.update::<tables::Catalogue>(row, diff));
        self.orders.into_iter().for_each(|(row, diff)| inputs.update::<tables::Orders>(row, diff));
        self.lines.into_iter().for_each(|(row, diff)| inputs.update::<tables::Lines>(row, diff));
    }
}

/// What is remembered of the tables.
pub(crate) struct TableCache {
    pub(crate) orders: RowStore<OrderKey, (UserKey, Placed)>,
    pub(crate) lines: HeldLines,
    pub(crate) catalogue: RowStore<ProductKey, CategorySet>,
    pub(crate) category_sets: CategorySets,
    pub(crate) deleted: Deleted,
    pub(crate) first_seen: FirstSeen,
    pub(crate) refusals: Refusals,
    /// Orders that lines were seen of and that are not there themselves, and since when.
    pub(crate) orphans: HashMap<OrderKey, Millis, RandomState>,
    /// Rows of an earlier process that this one cannot know again: they go with the first reading.
    pub(crate) strays: ChangeSet,
    /// Lines without an order.
    pub(crate) orphan_lines: OrphanLines,
    /// Rows of the tables that are not among these.
    pub(crate) unheld: UnheldRows,
}

impl TableCache {
    fn new(lines: HeldLines) -> Self {
        TableCache {
            orders: RowStore::by_key(),
            lines,
            catalogue: RowStore::by_key(),
            category_sets: CategorySets::default(),
            deleted: Deleted::default(),
            first_seen: FirstSeen::default(),
            refusals: Refusals::default(),
            orphans: HashMap::default(),
            strays: ChangeSet::default(),
            orphan_lines: OrphanLines::default(),
            unheld: UnheldRows::default(),
        }
    }

    /// For tables that are read again and again: by key where they allow it, until one does not.
    pub(crate) fn of_readings(resumed: Option<&Resumed>) -> Self {
        let mut cache = TableCache::new(HeldLines::ByRow(RowStore::by_row()));
        if let Some(rows) = resumed {
            cache.hold(rows);
            for row in rows.catalogue.iter().filter(|row| !cache.deleted.hold(row)) {
                cache.catalogue.hold(row.product, cache.category_sets.number(&[row.category]));
            }
        }
        cache
    }

    /// For tables whose log is followed: by key.
    pub(crate) fn of_log(resumed: Option<&Resumed>) -> Self {
        let mut cache = TableCache::new(HeldLines::ByKey(RowStore::by_key()));
        match resumed {
            None => {}
            Some(rows) if rows.fingerprint.is_some() => {
                cache.hold(rows);
                cache.unheld = UnheldRows::of_earlier_process();
                cache.hold_products(&rows.catalogue);
            }
            // Read by a process that did not follow the log: their lines have no keys, and equal rows may be among them.
            Some(rows) => {
                let listed = rows.catalogue.iter().filter(|row| !cache.deleted.hold(row));
                cache.strays = ChangeSet {
                    orders: rows.orders.iter().map(|row| (*row, -1)).collect(),
                    lines: rows.lines.iter().map(|row| (*row, -1)).collect(),
                    catalogue: listed.map(|row| (*row, -1)).collect(),
                };
            }
        }
        cache
    }

    fn hold(&mut self, rows: &Resumed) {
        self.first_seen.begin();
        for OrderRow { order, user, placed } in rows.orders.iter().copied() {
            self.orders.hold(order, (user, placed));
            self.first_seen.seen(order, placed.created_at());
        }
        self.first_seen.finish();
        rows.lines.iter().for_each(|line| self.lines.hold(*line));
    }

    /// Loads the rows of products that have one row each in their table, with all their categories.
    fn hold_products(&mut self, rows: &[CatalogueRow]) {
        let TableCache { catalogue, category_sets, deleted, .. } = self;
        let mut rows: Vec<CatalogueRow> = rows.iter().filter(|row| !deleted.hold(row)).copied().collect();
        rows.sort_unstable_by_key(|row| (row.product, row.category));
        for of_product in rows.chunk_by(|one, other| one.product == other.product) {
            let categories: Vec<CategoryKey> = of_product.iter().map(|row| row.category).collect();
            catalogue.hold(of_product[0].product, category_sets.number(&categories));
        }
    }

    /// Forgets sets of categories that no product has any more, if there are many.
    fn forget_category_sets(&mut self) {
        if self.category_sets.are_many() {
            let mut used = HashSet::default();
            self.catalogue.for_each(|_, set| {
                used.insert(*set);
            });
            self.category_sets.keep(&used);
        }
    }

    /// Adds to a change the rows of products that were deleted or come back.
    pub(crate) fn settle(&mut self, change: &mut Vec<(CatalogueRow, Diff)>) {
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

    /// Forgets deleted products of which no line was held for as long as orders are kept.
    pub(crate) fn forget_deleted(&mut self, span: OrderWindow, change: &mut Vec<(CatalogueRow, Diff)>) {
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
fn orders(change: &mut ChangeSet) -> impl FnMut(OrderKey, (UserKey, Placed), Diff) {
    |order, (user, placed), diff| change.orders.push((OrderRow { order, user, placed }, diff))
}

/// Adds changes of the catalogue to a change.
fn products(sets: &CategorySets, change: &mut ChangeSet) -> impl FnMut(ProductKey, CategorySet, Diff) {
    |product, set, diff| {
        let rows = sets.get(set).iter().map(|category| (CatalogueRow { product, category: *category }, diff));
        change.catalogue.extend(rows);
    }
}
