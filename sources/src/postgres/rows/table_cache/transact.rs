//! Applies edits to the rows held; the difference is fed.

use dataflow::ids::{OrderKey, ProductKey, RowKey};
use dataflow::tables::{LineRow, OrderRow, Placed};

use crate::postgres::rows::order_window::OrderWindow;

use super::{ChangeSet, TableCache, orders, products};
use crate::postgres::names::SourceTable;
use crate::postgres::rows::row_edit::{PartialRow, RowEdit};

impl TableCache {
    /// Applies a whole transaction; returns how many orders it dated ahead, so that they do not count yet.
    pub(crate) fn transact(&mut self, mut edits: Vec<RowEdit>, span: OrderWindow, change: &mut ChangeSet) -> usize {
        let mut ahead = 0;
        // Lines are last: they depend on the orders that exist at the end of the transaction.
        edits.retain(|edit| {
            let of_line = edit.is_of_line();
            ahead += usize::from(!of_line && self.apply(edit, span, change));
            of_line
        });
        for edit in &edits {
            self.apply(edit, span, change);
        }
        self.settle(&mut change.catalogue);
        ahead
    }

    /// Applies one change; whether it dated an order ahead.
    fn apply(&mut self, edit: &RowEdit, span: OrderWindow, change: &mut ChangeSet) -> bool {
        match edit {
            RowEdit::Order(row) => return self.put_order(*row, span, change),
            RowEdit::OrderDeleted(order) => self.remove_order(*order, change),
            RowEdit::Line(line) => self.lines.put(*line, &mut change.lines),
            RowEdit::LineUpdated { from, line } => {
                let before = self.take_line(*from, line.row, change);
                self.change_line(before.is_some(), *line, change);
            }
            RowEdit::LineDeleted(row) => self.lines.remove(*row, &mut change.lines),
            RowEdit::Product { product, categories } => {
                let set = self.category_sets.number(categories.keys());
                self.catalogue.put(*product, set, &mut products(&self.category_sets, change));
            }
            RowEdit::ProductDeleted(product) => {
                self.catalogue.remove(product, &mut products(&self.category_sets, change));
            }
            RowEdit::PartialRow(partly) => return self.complete(**partly, span, change),
            RowEdit::Truncate(which) => self.truncate(*which, change),
        }
        false
    }

    fn put_order(&mut self, row: OrderRow, span: OrderWindow, change: &mut ChangeSet) -> bool {
        let OrderRow { order, user, placed } = row;
        let created_at = placed.created_at();
        let held = self.orders.get(&order);
        // One that is too old and is held stays until it is swept, together with its lines.
        if created_at > span.cutoff() || held.is_some() {
            self.orders.put(order, (user, placed), &mut orders(change));
        }
        created_at > span.latest() && held.is_none_or(|(_, before)| before.created_at() <= span.latest())
    }

    fn remove_order(&mut self, order: OrderKey, change: &mut ChangeSet) {
        self.orders.remove(&order, &mut orders(change));
    }

    /// What is held of a line that is about to be put as `row`, and was `from` before.
    fn take_line(&mut self, from: RowKey, row: RowKey, change: &mut ChangeSet) -> Option<(OrderKey, ProductKey)> {
        let before = self.lines.get(from).or_else(|| self.lines.get(row));
        if from != row {
            self.lines.remove(from, &mut change.lines);
        }
        before
    }

    /// A line that is not held has most likely left with its order: its changes do nothing, unless its order is held now.
    /// Only a line that is new waits for an order.
    fn change_line(&mut self, is_held: bool, line: LineRow, change: &mut ChangeSet) {
        if is_held || self.orders.get(&line.order).is_some() {
            self.lines.put(line, &mut change.lines);
        }
    }

    /// Fills in values that were not sent. If they are not held either, the row was not held before and is not now.
    fn complete(&mut self, partly: PartialRow, span: OrderWindow, change: &mut ChangeSet) -> bool {
        match partly {
            PartialRow::Order { from, order, user, at, counts } => {
                let before = self.orders.get(&from).or_else(|| self.orders.get(&order));
                if from != order {
                    self.remove_order(from, change);
                }
                let user = user.or(before.map(|(user, _)| user));
                let at = at.or(before.map(|(_, placed)| placed.created_at()));
                let counts = counts.or(before.map(|(_, placed)| placed.counts()));
                let (Some(user), Some(at), Some(counts)) = (user, at, counts) else { return false };
                return self.put_order(OrderRow { order, user, placed: Placed::new(at, counts) }, span, change);
            }
            PartialRow::Line { from, row, order, product } => {
                let before = self.take_line(from, row, change);
                let order = order.or(before.map(|(order, _)| order));
                if let (Some(order), Some(product)) = (order, product.or(before.map(|(_, product)| product))) {
                    self.change_line(before.is_some(), LineRow { order, product, row }, change);
                }
            }
            PartialRow::Product { from, product, available } => {
                let before = self.catalogue.get(&from).or_else(|| self.catalogue.get(&product));
                let now = before.map(|set| self.category_sets.marked(set, available));
                let mut out = products(&self.category_sets, change);
                if from != product {
                    self.catalogue.remove(&from, &mut out);
                }
                if let Some(set) = now {
                    self.catalogue.put(product, set, &mut out);
                }
            }
        }
        false
    }

    fn truncate(&mut self, which: SourceTable, change: &mut ChangeSet) {
        match which {
            SourceTable::Products => self.catalogue.clear(&mut products(&self.category_sets, change)),
            SourceTable::Orders => self.orders.clear(&mut orders(change)),
            SourceTable::OrderItems => self.lines.keep(|_| false, &mut change.lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Resumed;
    use crate::postgres::rows::category_sets::RowCategories;
    use dataflow::dictionary::Dictionary;
    use dataflow::feed::StreamFingerprint;
    use dataflow::ids::{CategoryKey, Ids};
    use dataflow::tables::CatalogueRow;
    use dataflow::time::Diff;
    use std::collections::BTreeMap;

    #[test]
    fn categories_of_an_earlier_process_are_those_of_one_row() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let [lamp, chair] = ["lamp", "chair"].map(|id| dictionary.product(id).unwrap());
        let [light, house, seat] = ["light", "house", "seat"].map(|id| dictionary.category(id).unwrap());
        let row = |product, category| CatalogueRow { product, category };
        let catalogue = vec![row(lamp, light), row(chair, house), row(lamp, house), row(chair, CategoryKey::DELETED)];
        let fingerprint = Some(StreamFingerprint { at: 1, hash: 1 });
        let resumed = Resumed { fingerprint, catalogue, ..Resumed::default() };
        let mut cache = TableCache::of_log(Some(&resumed));
        let mut transact = |edit| {
            let mut change = ChangeSet::default();
            cache.transact(vec![edit], OrderWindow { now: 1000, kept_ms: 1000 }, &mut change);
            let mut sums: BTreeMap<CatalogueRow, Diff> = BTreeMap::new();
            change.catalogue.into_iter().for_each(|(row, diff)| *sums.entry(row).or_default() += diff);
            sums.retain(|_, diff| *diff != 0);
            sums
        };
        let same = RowEdit::Product { product: lamp, categories: RowCategories::Several(vec![house, light]) };
        assert_eq!(transact(same), BTreeMap::new());
        let kept = RowEdit::PartialRow(Box::new(PartialRow::Product { from: lamp, product: lamp, available: true }));
        assert_eq!(transact(kept.clone()), BTreeMap::new());
        let sold_out =
            RowEdit::PartialRow(Box::new(PartialRow::Product { from: lamp, product: lamp, available: false }));
        assert_eq!(transact(sold_out), BTreeMap::from([(row(lamp, CategoryKey::UNAVAILABLE), 1)]));
        assert_eq!(transact(kept), BTreeMap::from([(row(lamp, CategoryKey::UNAVAILABLE), -1)]));
        let moved = RowEdit::Product { product: lamp, categories: RowCategories::Several(vec![seat, light]) };
        assert_eq!(transact(moved), BTreeMap::from([(row(lamp, house), -1), (row(lamp, seat), 1)]));
        let deleted =
            BTreeMap::from([(row(lamp, seat), -1), (row(lamp, light), -1), (row(lamp, CategoryKey::DELETED), 1)]);
        assert_eq!(transact(RowEdit::ProductDeleted(lamp)), deleted);
    }
}
