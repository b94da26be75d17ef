//! Lines without an order: they count in no list, and many of them say that lines and orders write their ids differently.
//!
//! Where the log is followed they are counted as rows change. Which lines an order leaves behind that is deleted is not known:
//! then all lines are counted anew, soon, and seldom enough to take a thousandth of the time. Where tables are read again
//! the server joins lines with orders, and counts those it leaves out now and then.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dataflow::ids::OrderKey;
use dataflow::source_status::{Lines as Counts, SourceStatus};
use foldhash::fast::RandomState;
use postgres::Transaction;

use super::error::Error;
use super::table_cache::{Change, TableCache};

/// The longest time the server may take to count.
const COUNT_MAX: Duration = Duration::from_secs(10);

/// Of the server's time the counting takes about this part.
const SHARE: u32 = 50;

/// Of the time of the thread that follows the log it takes this part.
const SHARE_OF_LOG: u32 = 1000;

/// Lines that are held, and those among them whose order is not.
#[derive(Default)]
pub(super) struct Unmatched {
    by_order: HashMap<OrderKey, u64, RandomState>,
    counts: Counts,
    /// When the server is asked to count again.
    due: Option<Instant>,
    /// What it has counted last.
    left_out: Option<u64>,
    /// It was said that most lines have none.
    said: bool,
    /// An order has gone, and perhaps left lines behind.
    left: bool,
    /// Before then the lines are not counted anew.
    rest: Option<Instant>,
}

impl Unmatched {
    /// How many there are.
    #[cfg(test)]
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Shows how many there are; once most lines have no order, that is worth a warning.
    pub(super) fn show(&mut self, status: &SourceStatus) {
        let Counts { held, without_order } = self.counts;
        status.lines(self.counts);
        let most = without_order > held / 2;
        if most && !self.said {
            tracing::warn!(
                source = super::NAME,
                lines = held,
                without_order,
                "most order lines have no order with their id and count in no list: compare the ids of both tables"
            );
        }
        self.said = most;
    }

    /// Begins to count anew.
    pub(super) fn clear(&mut self) {
        self.by_order = HashMap::default();
        self.counts = Counts::default();
        self.left = false;
    }

    /// A line is held; `alone`: without its order.
    pub(super) fn hold(&mut self, order: OrderKey, alone: bool) {
        self.counts.held += 1;
        if alone {
            self.counts.without_order += 1;
            *self.by_order.entry(order).or_default() += 1;
        }
    }

    /// So many lines were read, of which some have no order; the server has left out those that it found none for.
    pub(super) fn read(&mut self, held: u64, alone: u64) {
        let without_order = alone + self.left_out.unwrap_or(0);
        self.counts = Counts { held: held + self.left_out.unwrap_or(0), without_order };
    }

    /// Asks the server how many lines have no order, if it is time.
    pub(super) fn ask(&mut self, transaction: &mut Transaction<'_>, query: &str) -> Result<(), Error> {
        let begun = Instant::now();
        if self.due.is_some_and(|due| begun < due) {
            return Ok(());
        }
        // A part of its own: the limit, and an error, end with it.
        let mut part = transaction.transaction()?;
        part.batch_execute(&format!("SET LOCAL statement_timeout = {}", COUNT_MAX.as_millis()))?;
        let counted = part.query_one(query, &[]);
        match counted {
            Ok(row) => self.left_out = u64::try_from(row.get::<_, i64>(0)).ok(),
            Err(error) if error.as_db_error().is_some() => {
                tracing::debug!(source = super::NAME, "lines without an order could not be counted");
            }
            Err(error) => return Err(error.into()),
        }
        part.rollback()?;
        self.due = Some(Instant::now() + begun.elapsed() * SHARE);
        Ok(())
    }
}

impl TableCache {
    /// Counts the lines anew where an order may have left some behind, if it is time.
    pub(super) fn count_left_lines(&mut self) {
        let Unmatched { left, rest, .. } = self.unmatched;
        if left && rest.is_none_or(|rest| Instant::now() >= rest) {
            self.count_lines();
        }
    }

    /// Counts the lines that are held, all of them.
    pub(super) fn count_lines(&mut self) {
        let begun = Instant::now();
        self.unmatched.clear();
        let (orders, unmatched) = (&self.orders, &mut self.unmatched);
        self.lines.each(|order| unmatched.hold(order, orders.get(&order).is_none()));
        self.unmatched.rest = Some(Instant::now() + begun.elapsed() * SHARE_OF_LOG);
    }

    /// Counts what a change of orders and lines, which was made just now, comes to.
    pub(super) fn count_change(&mut self, change: &Change) {
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
    use crate::postgres::apply::Edit;
    use crate::postgres::table_cache::Span;
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
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
