//! Counting the lines without an order while the log is followed.

use std::time::Instant;

use super::{ChangeSet, TableCache};
use crate::postgres::rows::orphan_lines::{OrphanLines, SHARE_OF_LOG};

impl TableCache {
    /// Counts all lines again where an order may have left some behind, if it is time.
    pub(crate) fn count_left_lines(&mut self) {
        let OrphanLines { left, rest, .. } = self.orphan_lines;
        if left && rest.is_none_or(|rest| Instant::now() >= rest) {
            self.count_lines();
        }
    }

    /// Counts the lines that are held, all of them.
    pub(crate) fn count_lines(&mut self) {
        let begun = Instant::now();
        self.orphan_lines.clear();
        let (orders, orphan_lines) = (&self.orders, &mut self.orphan_lines);
        self.lines.each(|order| orphan_lines.hold(order, orders.get(&order).is_none()));
        self.orphan_lines.rest = Some(Instant::now() + begun.elapsed() * SHARE_OF_LOG);
    }

    /// Updates the counts with a change of orders and lines that was just applied.
    pub(crate) fn count_change(&mut self, change: &ChangeSet) {
        let OrphanLines { by_order, counts, left, .. } = &mut self.orphan_lines;
        for (row, diff) in &change.orders {
            if *diff < 0 {
                *left |= self.orders.get(&row.order).is_none();
            } else if let Some(lines) = by_order.remove(&row.order) {
                counts.without_order = counts.without_order.saturating_sub(lines);
            }
        }
        for (line, diff) in &change.lines {
            counts.held = counts.held.saturating_add_signed(i64::from(diff.signum() as i8));
            if self.orders.get(&line.order).is_some() {
                continue;
            }
            if *diff > 0 {
                *by_order.entry(line.order).or_default() += 1;
                counts.without_order += 1;
            } else if let Some(lines) = by_order.get_mut(&line.order).filter(|lines| **lines > 0) {
                *lines -= 1;
                counts.without_order = counts.without_order.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::rows::order_window::OrderWindow;
    use crate::postgres::rows::row_edit::RowEdit;
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
    use dataflow::source_status::Lines as Counts;
    use dataflow::tables::{LineRow, OrderRow};

    struct Counted {
        cache: TableCache,
        dictionary: Dictionary,
    }

    impl Counted {
        fn transact(&mut self, edits: Vec<RowEdit>) -> (u64, u64) {
            let mut change = ChangeSet::default();
            self.cache.transact(edits, OrderWindow { now: 1000, kept_ms: 1000 }, &mut change);
            self.cache.count_change(&change);
            let Counts { held, without_order } = self.cache.orphan_lines.counts();
            (held, without_order)
        }

        fn line(&self, row: &str, order: &str) -> RowEdit {
            let (order, product) = (self.dictionary.order(order), self.dictionary.product("lamp").unwrap());
            RowEdit::Line(LineRow { order, product, row: self.dictionary.row([row.as_bytes()]) })
        }

        fn order(&self, order: &str) -> RowEdit {
            let (order, user) = (self.dictionary.order(order), self.dictionary.user("ada"));
            RowEdit::Order(OrderRow::counting(order, user, 900))
        }
    }

    #[test]
    fn lines_without_an_order_are_counted_as_rows_change() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let mut counted = Counted { cache: TableCache::of_log(None), dictionary };
        assert_eq!(
            counted.transact(vec![counted.line("a", "1"), counted.line("b", "1"), counted.line("c", "2")]),
            (3, 3)
        );
        assert_eq!(counted.transact(vec![counted.order("1")]), (3, 1));
        // A line moves to an order that is not there; one comes with its order.
        assert_eq!(counted.transact(vec![counted.line("a", "3")]), (3, 2));
        assert_eq!(counted.transact(vec![counted.line("d", "4"), counted.order("4")]), (4, 2));
        let gone = RowEdit::LineDeleted(counted.dictionary.row([b"c".as_slice()]));
        assert_eq!(counted.transact(vec![gone]), (3, 1));
        // With its order, and before it.
        let order = RowEdit::OrderDeleted(counted.dictionary.order("4"));
        let line = RowEdit::LineDeleted(counted.dictionary.row([b"d".as_slice()]));
        assert_eq!(counted.transact(vec![order, line]), (2, 1));
        counted.transact(vec![RowEdit::OrderDeleted(counted.dictionary.order("1"))]);
        counted.cache.orphan_lines.rest = None;
        counted.cache.count_left_lines();
        assert_eq!(counted.cache.orphan_lines.counts(), Counts { held: 2, without_order: 2 });
    }
}
