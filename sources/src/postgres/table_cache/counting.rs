//! Counting the lines without an order while the log is followed.

use std::time::Instant;

use super::super::unmatched::{SHARE_OF_LOG, Unmatched};
use super::{Change, TableCache};

impl TableCache {
    /// Counts the lines anew where an order may have left some behind, if it is time.
    pub(in super::super) fn count_left_lines(&mut self) {
        let Unmatched { left, rest, .. } = self.unmatched;
        if left && rest.is_none_or(|rest| Instant::now() >= rest) {
            self.count_lines();
        }
    }

    /// Counts the lines that are held, all of them.
    pub(in super::super) fn count_lines(&mut self) {
        let begun = Instant::now();
        self.unmatched.clear();
        let (orders, unmatched) = (&self.orders, &mut self.unmatched);
        self.lines.each(|order| unmatched.hold(order, orders.get(&order).is_none()));
        self.unmatched.rest = Some(Instant::now() + begun.elapsed() * SHARE_OF_LOG);
    }

    /// Counts what a change of orders and lines, which was made just now, comes to.
    pub(in super::super) fn count_change(&mut self, change: &Change) {
        let Unmatched { by_order, counts, left, .. } = &mut self.unmatched;
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
    use crate::postgres::edit::Edit;
    use crate::postgres::table_cache::Span;
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
    use dataflow::source_status::Lines as Counts;
    use dataflow::tables::{LineRow, OrderRow};

    struct Counted {
        memory: TableCache,
        dictionary: Dictionary,
    }

    impl Counted {
        fn transact(&mut self, edits: Vec<Edit>) -> (u64, u64) {
            let mut change = Change::default();
            self.memory.transact(edits, Span { now: 1000, window_ms: 1000 }, &mut change);
            self.memory.count_change(&change);
            let Counts { held, without_order } = self.memory.unmatched.counts();
            (held, without_order)
        }

        fn line(&self, row: &str, order: &str) -> Edit {
            let (order, product) = (self.dictionary.order(order), self.dictionary.product("lamp").unwrap());
            Edit::Line(LineRow { order, product, row: self.dictionary.row([row.as_bytes()]) })
        }

        fn order(&self, order: &str) -> Edit {
            let (order, user) = (self.dictionary.order(order), self.dictionary.user("ada"));
            Edit::Order(OrderRow::counting(order, user, 900))
        }
    }

    #[test]
    fn lines_without_an_order_are_counted_as_rows_change() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let mut counted = Counted { memory: TableCache::of_log(None), dictionary };
        assert_eq!(
            counted.transact(vec![counted.line("a", "1"), counted.line("b", "1"), counted.line("c", "2")]),
            (3, 3)
        );
        assert_eq!(counted.transact(vec![counted.order("1")]), (3, 1));
        // A line moves to an order that is not there; one comes with its order.
        assert_eq!(counted.transact(vec![counted.line("a", "3")]), (3, 2));
        assert_eq!(counted.transact(vec![counted.line("d", "4"), counted.order("4")]), (4, 2));
        let gone = Edit::LineGone(counted.dictionary.row([b"c".as_slice()]));
        assert_eq!(counted.transact(vec![gone]), (3, 1));
        // With its order, and before it.
        let order = Edit::OrderGone(counted.dictionary.order("4"));
        let line = Edit::LineGone(counted.dictionary.row([b"d".as_slice()]));
        assert_eq!(counted.transact(vec![order, line]), (2, 1));
        counted.transact(vec![Edit::OrderGone(counted.dictionary.order("1"))]);
        counted.memory.unmatched.rest = None;
        counted.memory.count_left_lines();
        assert_eq!(counted.memory.unmatched.counts(), Counts { held: 2, without_order: 2 });
    }
}
