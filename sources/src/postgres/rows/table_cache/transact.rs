//! Applies edits to the rows held; the difference is fed.

use dataflow::ids::{OrderKey, ProductKey, RowKey};
use dataflow::tables::{LineRow, OrderRow, Placed};
use dataflow::time::Millis;

use crate::postgres::rows::order_window::OrderWindow;

use super::{ChangeSet, TableCache, orders, products};
use crate::postgres::names::SourceTable;
use crate::postgres::rows::row_edit::{PartialRow, RowEdit};

/// What is known of a line as it was before its change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineBefore {
    Held(OrderKey, ProductKey),
    /// It was returned or refused, since this time.
    Unusable(Millis),
    /// It has left with its order, or was never read because of the order's age.
    Unknown,
}

impl LineBefore {
    fn held(self) -> Option<(OrderKey, ProductKey)> {
        match self {
            LineBefore::Held(order, product) => Some((order, product)),
            LineBefore::Unusable(_) | LineBefore::Unknown => None,
        }
    }
}

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
            RowEdit::Order(row) => return self.put_order(*row, true, span, change),
            RowEdit::OrderUpdated(row) => return self.put_order(*row, false, span, change),
            RowEdit::OrderRefused { order, is_new } => {
                let is_known = *is_new || self.orders.get(order).is_some();
                self.orders.remove(order, &mut orders(change));
                self.unheld.refuse_order(*order, is_known, span.now);
            }
            RowEdit::OrderDeleted(order) => self.remove_order(*order, change),
            RowEdit::Line(line) => {
                self.unheld.take_line(line.row);
                self.lines.put(*line, &mut change.lines);
            }
            RowEdit::LineUpdated { from, line } => {
                let before = self.take_line(*from, line.row, change);
                self.change_line(before, *line, span, change);
            }
            RowEdit::LineUnusable { from, row } => {
                let before = self.take_line(from.unwrap_or(*row), *row, change);
                self.lines.remove(*row, &mut change.lines);
                match before {
                    // It is of an order that has left.
                    LineBefore::Unknown if from.is_some() => {}
                    LineBefore::Unusable(since) => self.unheld.put_line(*row, since),
                    LineBefore::Unknown | LineBefore::Held(..) => self.unheld.put_line(*row, span.now),
                }
            }
            RowEdit::LineDeleted(row) => {
                self.unheld.take_line(*row);
                self.lines.remove(*row, &mut change.lines);
            }
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

    fn put_order(&mut self, row: OrderRow, is_new: bool, span: OrderWindow, change: &mut ChangeSet) -> bool {
        let OrderRow { order, user, placed } = row;
        let created_at = placed.created_at();
        let held = self.orders.get(&order);
        // One that is too old and is held stays until it is swept, together with its lines.
        if created_at > span.cutoff() || held.is_some() {
            if held.is_none() {
                self.unheld.order_comes(order, is_new);
            }
            self.orders.put(order, (user, placed), &mut orders(change));
        } else {
            // A cart may get its date later. Its lines wait, if it is new.
            self.unheld.refuse_order(order, is_new, span.now);
        }
        created_at > span.latest() && held.is_none_or(|(_, before)| before.created_at() <= span.latest())
    }

    fn remove_order(&mut self, order: OrderKey, change: &mut ChangeSet) {
        self.orders.remove(&order, &mut orders(change));
        self.unheld.delete_order(order);
    }

    /// What is held of a line that is about to be put as `row`, and was `from` before.
    fn take_line(&mut self, from: RowKey, row: RowKey, change: &mut ChangeSet) -> LineBefore {
        let held = self.lines.get(from).or_else(|| self.lines.get(row));
        let unusable_since = [from, row].map(|key| self.unheld.take_line(key)).into_iter().flatten().min();
        if from != row {
            self.lines.remove(from, &mut change.lines);
        }
        match (held, unusable_since) {
            (Some((order, product)), _) => LineBefore::Held(order, product),
            (None, Some(since)) => LineBefore::Unusable(since),
            (None, None) => LineBefore::Unknown,
        }
    }

    /// A line that was held or could not be used may wait for its order, as a new line does. Any other line that is not held
    /// has left with its order: its changes do nothing, unless its order is held now.
    fn change_line(&mut self, before: LineBefore, line: LineRow, span: OrderWindow, change: &mut ChangeSet) {
        if before != LineBefore::Unknown || self.orders.get(&line.order).is_some() {
            self.lines.put(line, &mut change.lines);
        } else {
            self.unheld.lacks_line(line.order, false, span.now);
        }
    }

    /// Fills in values that were not sent. If they are not held either, only the table has them.
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
                let (Some(user), Some(at), Some(counts)) = (user, at, counts) else {
                    // The server always sends the time, which is never stored apart. An old order is not needed.
                    if at.is_some_and(|at| at > span.cutoff()) {
                        self.unheld.lacks_values();
                    }
                    return false;
                };
                let is_new = from != order;
                return self.put_order(OrderRow { order, user, placed: Placed::new(at, counts) }, is_new, span, change);
            }
            PartialRow::Line { .. } => self.complete_line(partly, span, change),
            PartialRow::Product { from, product, available } => {
                let before = self.catalogue.get(&from).or_else(|| self.catalogue.get(&product));
                let now = before.map(|set| self.category_sets.marked(set, available));
                let mut out = products(&self.category_sets, change);
                if from != product {
                    self.catalogue.remove(&from, &mut out);
                }
                match now {
                    Some(set) => self.catalogue.put(product, set, &mut out),
                    None => self.unheld.lacks_values(),
                }
            }
        }
        false
    }

    fn complete_line(&mut self, partly: PartialRow, span: OrderWindow, change: &mut ChangeSet) {
        let PartialRow::Line { from, row, order, product } = partly else { return };
        let before = self.take_line(from, row, change);
        let (was_unusable, held) = (matches!(before, LineBefore::Unusable(_)), before.held());
        let order = order.or(held.map(|(order, _)| order));
        match (order, product.or(held.map(|(_, product)| product))) {
            (Some(order), Some(product)) => self.change_line(before, LineRow { order, product, row }, span, change),
            (Some(order), None) if self.orders.get(&order).is_some() => self.unheld.lacks_values(),
            (Some(order), None) => self.unheld.lacks_line(order, was_unusable, span.now),
            (None, _) => self.unheld.lacks_order_of_line(was_unusable),
        }
        if let LineBefore::Unusable(since) = before
            && self.lines.get(row).is_none()
        {
            // Until it is read it stays a line that may be used again.
            self.unheld.put_line(row, since);
        }
    }

    fn truncate(&mut self, which: SourceTable, change: &mut ChangeSet) {
        match which {
            SourceTable::Products => self.catalogue.clear(&mut products(&self.category_sets, change)),
            SourceTable::Orders => {
                self.orders.clear(&mut orders(change));
                self.unheld.truncate_orders();
            }
            SourceTable::OrderItems => {
                self.lines.keep(|_| false, &mut change.lines);
                self.unheld.truncate_lines();
            }
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
