//! What time alone changes: orders leave with their lines when they are kept no longer, and lines wait for their order no
//! longer than orders are kept.

use std::collections::{HashMap, HashSet};

use dataflow::ids::OrderKey;
use dataflow::time::Millis;
use foldhash::fast::RandomState;

use crate::postgres::rows::order_window::OrderWindow;
use crate::retention;

use super::{ChangeSet, TableCache, orders};

/// The number of looks for old orders in the time for which orders are kept, so that few rows are held beyond it.
const SWEEPS: Millis = 200;

/// Time from one sweep to the next.
pub(crate) fn sweep_every(kept_ms: Millis) -> Millis {
    retention::sweep_every(kept_ms, SWEEPS)
}

impl TableCache {
    /// Removes rows of orders that are kept no longer.
    pub(crate) fn sweep(&mut self, span: OrderWindow, change: &mut ChangeSet) {
        let cutoff = span.cutoff();
        let mut expired: HashSet<OrderKey, RandomState> = HashSet::default();
        self.orders.keep(
            |order, (_, placed)| {
                let keep = placed.created_at() > cutoff;
                if !keep {
                    expired.insert(*order);
                }
                keep
            },
            &mut orders(change),
        );
        let (held, before) = (&self.orders, std::mem::take(&mut self.orphans));
        let orphan_lines = &mut self.orphan_lines;
        orphan_lines.clear();
        let mut orphans: HashMap<OrderKey, Millis, RandomState> = HashMap::default();
        self.lines.keep(
            |order| {
                if expired.contains(&order) {
                    return false;
                }
                if held.get(&order).is_some() {
                    orphan_lines.hold(order, false);
                    return true;
                }
                let since = before.get(&order).copied().unwrap_or(span.now);
                let keep = since > cutoff;
                if keep {
                    orphans.insert(order, since);
                    orphan_lines.hold(order, true);
                }
                keep
            },
            &mut change.lines,
        );
        self.orphans = orphans;
        self.unheld.sweep(cutoff);
        self.forget_deleted(span, &mut change.catalogue);
        self.forget_category_sets();
        // What was refused long ago and comes again is worth another letter.
        self.refusals.end_reading();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::rows::row_edit::{PartialRow, RowEdit};
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::{Ids, RowKey};
    use dataflow::rules::AHEAD_MS;
    use dataflow::tables::{LineRow, OrderRow};

    const WINDOW: Millis = 1000;

    struct Tables {
        cache: TableCache,
        dictionary: Dictionary,
        change: ChangeSet,
    }

    fn span(now: Millis) -> OrderWindow {
        OrderWindow { now, kept_ms: WINDOW }
    }

    impl Tables {
        fn new() -> Tables {
            let dictionary = Dictionary::new(Ids::new([7; 16]));
            Tables { cache: TableCache::of_log(None), dictionary, change: ChangeSet::default() }
        }

        fn transact(&mut self, edits: Vec<RowEdit>, now: Millis) -> usize {
            self.cache.transact(edits, span(now), &mut self.change)
        }

        fn dated(&self, id: &str, created_at: Millis) -> RowEdit {
            let (order, user) = (self.dictionary.order(id), self.dictionary.user("ada"));
            RowEdit::Order(OrderRow::counting(order, user, created_at))
        }

        fn order(&mut self, id: &str, created_at: Millis, now: Millis) -> bool {
            self.transact(vec![self.dated(id, created_at)], now) == 1
        }

        fn row(&self, row: &str) -> RowKey {
            self.dictionary.row([row.as_bytes()])
        }

        fn line_of(&self, row: &str, order: &str) -> LineRow {
            let product = self.dictionary.product("lamp").unwrap();
            LineRow { order: self.dictionary.order(order), product, row: self.row(row) }
        }

        fn line(&mut self, row: &str, order: &str, now: Millis) {
            self.transact(vec![RowEdit::Line(self.line_of(row, order))], now);
        }

        fn changed(&self, from: &str, row: &str, order: &str) -> RowEdit {
            RowEdit::LineUpdated { from: self.row(from), line: self.line_of(row, order) }
        }

        /// Orders and lines that are fed.
        fn fed(&self) -> (i64, i64) {
            let sum = |diffs: Vec<i64>| diffs.into_iter().sum();
            let ChangeSet { orders, lines, .. } = &self.change;
            (
                sum(orders.iter().map(|(_, diff)| *diff as i64).collect()),
                sum(lines.iter().map(|(_, diff)| *diff as i64).collect()),
            )
        }
    }

    #[test]
    fn an_order_leaves_with_its_lines() {
        let mut tables = Tables::new();
        assert!(!tables.order("1", 5000, 5000) && !tables.order("2", 5500, 5500));
        tables.line("a", "1", 5000);
        tables.line("b", "2", 5500);
        tables.cache.sweep(span(5999), &mut tables.change);
        assert_eq!(tables.fed(), (2, 2));
        tables.cache.sweep(span(6000), &mut tables.change);
        assert_eq!((tables.fed(), tables.cache.orders.len(), tables.cache.lines.len()), ((1, 1), 1, 1));
        // What comes later about the order does nothing.
        tables.order("1", 5001, 6002);
        assert_eq!(tables.fed(), (1, 1));
        tables.transact(vec![RowEdit::LineDeleted(tables.row("a"))], 6000);
        assert_eq!(tables.fed(), (1, 1));
    }

    #[test]
    fn a_line_waits_for_its_order_one_window() {
        let mut tables = Tables::new();
        tables.line("a", "late", 5000);
        tables.line("b", "never", 5000);
        tables.cache.sweep(span(5000), &mut tables.change);
        tables.cache.sweep(span(5999), &mut tables.change);
        assert_eq!(tables.fed(), (0, 2));
        tables.order("late", 5990, 5999);
        tables.cache.sweep(span(6000), &mut tables.change);
        assert_eq!(tables.fed(), (1, 1));
        assert!(tables.cache.orphans.is_empty());
    }

    #[test]
    fn a_change_brings_no_line_back_to_an_order_that_has_left() {
        let mut tables = Tables::new();
        tables.order("old", 5000, 5000);
        tables.order("new", 5500, 5500);
        ["a", "b", "c"].into_iter().for_each(|row| tables.line(row, "old", 5000));
        tables.cache.sweep(span(6000), &mut tables.change);
        assert_eq!(tables.fed(), (1, 0));
        // Neither a whole row nor a part of one, under its own key nor another, for the order that was or one not seen.
        let (from, row, order) = (tables.row("c"), tables.row("c"), Some(tables.dictionary.order("old")));
        let product = Some(tables.dictionary.product("lamp").unwrap());
        let partly = RowEdit::PartialRow(Box::new(PartialRow::Line { from, row, order, product }));
        let edits = vec![
            tables.changed("a", "a", "old"),
            tables.changed("b", "d", "old"),
            tables.changed("b", "b", "?"),
            partly,
        ];
        tables.transact(edits, 6001);
        assert_eq!((tables.fed(), tables.cache.lines.len()), ((1, 0), 0));
        // One that moves into an order that is held, or comes with it in the same transaction, counts.
        tables.transact(vec![tables.changed("a", "a", "new")], 6001);
        tables.transact(vec![tables.changed("b", "d", "late"), tables.dated("late", 6000)], 6001);
        assert_eq!(tables.fed(), (2, 2));
        tables.cache.sweep(span(6002), &mut tables.change);
        assert!(tables.cache.orphans.is_empty());
    }

    #[test]
    fn a_line_that_is_held_may_move_to_an_order_that_is_to_come() {
        let mut tables = Tables::new();
        tables.order("1", 5000, 5000);
        tables.line("a", "1", 5000);
        tables.transact(vec![tables.changed("a", "b", "2")], 5000);
        tables.cache.sweep(span(5001), &mut tables.change);
        assert_eq!((tables.fed(), tables.cache.orphans.len()), ((1, 1), 1));
        tables.order("2", 5500, 5500);
        tables.cache.sweep(span(6499), &mut tables.change);
        assert_eq!(tables.fed(), (1, 1));
    }

    #[test]
    fn an_order_of_the_future_is_fed_and_told_once() {
        let mut tables = Tables::new();
        let ahead = 5000 + AHEAD_MS + 1;
        assert!(!tables.order("0", ahead - 1, 5000) && tables.order("1", ahead, 5000));
        assert!(!tables.order("1", ahead + 1, 5000), "it was told");
        tables.line("a", "1", 5000);
        tables.cache.sweep(span(7000), &mut tables.change);
        assert_eq!(tables.fed(), (2, 1));
        assert!(tables.order("1", ahead + 9000, 7000), "it was due, and is put off");
        assert!(tables.order("0", ahead + 9000, 7000));
        assert_eq!(tables.fed(), (2, 1));
    }
}
