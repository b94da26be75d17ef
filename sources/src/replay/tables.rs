//! Orders, lines and catalogue of a replay: each row enters at its time and leaves when orders are held no longer.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use dataflow::ids::OrderKey;
use dataflow::inputs::Inputs;
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders, Placed};
use dataflow::time::{Diff, Millis, Time};
use foldhash::fast::RandomState;

use super::{ReplayBounds, ReplayErasures};

/// The rows that the tables have at some step of a replay.
#[derive(Default)]
pub struct ReplayTables {
    pub(crate) catalogue: Vec<CatalogueRow>,
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) lines: Vec<LineRow>,
}

impl ReplayTables {
    /// With the orders that erasures cover as orders that do not count. They stay known, as they do to the server: a purchase
    /// event that names one of them does not count either.
    #[must_use]
    pub fn without(mut self, erased: &ReplayErasures) -> ReplayTables {
        for OrderRow { user, placed, .. } in &mut self.orders {
            if erased.cover(*user, placed.created_at()) {
                *placed = Placed::new(placed.created_at(), false);
            }
        }
        self
    }

    /// The rows in the order of their times. Lines without an order are left out.
    #[must_use]
    pub fn into_replay_source(self, bounds: ReplayBounds) -> TablesReplay {
        let ReplayTables { catalogue, mut orders, mut lines } = self;
        orders.retain(|order| bounds.holds(order.placed.created_at()));
        // Equal rows count as one: only distinct buyers do, and no row is ever taken back before its time.
        orders.sort_unstable();
        orders.dedup();
        lines.sort_unstable();
        lines.dedup();
        let end = |created_at: Millis| created_at.saturating_add(bounds.kept_ms);
        // If the table has no key, an id may name several orders: its lines count as long as any of them.
        let mut times: HashMap<OrderKey, (Millis, Millis), RandomState> = HashMap::default();
        for order in &orders {
            let at = order.placed.created_at();
            let (first, last) = times.entry(order.order).or_insert((at, at));
            (*first, *last) = ((*first).min(at), (*last).max(at));
        }
        let timed = |row: OrderRow| TimedRow { from: row.placed.created_at(), to: end(row.placed.created_at()), row };
        let orders = orders.into_iter().map(timed).collect();
        let lines = lines.into_iter().filter_map(|row| {
            let (first, last) = times.get(&row.order)?;
            Some(TimedRow { from: *first, to: end(*last), row })
        });
        TablesReplay { catalogue, orders: TimedRows::new(orders), lines: TimedRows::new(lines.collect()) }
    }
}

/// The rows of [`ReplayTables`], given step by step.
pub struct TablesReplay {
    catalogue: Vec<CatalogueRow>,
    orders: TimedRows<OrderRow>,
    lines: TimedRows<LineRow>,
}

impl ReplaySource for TablesReplay {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let some = self.catalogue.len().saturating_sub(budget);
        let mut records = self.catalogue.len() - some;
        self.catalogue.drain(some..).for_each(|row| inputs.update::<Catalogue>(row, 1));
        records +=
            self.orders.advance(step, budget.saturating_sub(records), |row, diff| inputs.update::<Orders>(row, diff));
        records +=
            self.lines.advance(step, budget.saturating_sub(records), |row, diff| inputs.update::<Lines>(row, diff));
        let reached = self.catalogue.is_empty() && self.orders.is_at(step) && self.lines.is_at(step);
        Ok(Went { records, reached })
    }
}

/// A row, and the times between which it counts.
struct TimedRow<R> {
    from: Millis,
    to: Millis,
    row: R,
}

/// The rows of one table in the order in which they enter.
struct TimedRows<R> {
    rows: Vec<TimedRow<R>>,
    next: usize,
    /// Rows that have entered, by when they leave.
    present: BinaryHeap<Reverse<(Millis, usize)>>,
}

impl<R: Copy + Ord> TimedRows<R> {
    fn new(mut rows: Vec<TimedRow<R>>) -> Self {
        rows.sort_unstable_by_key(|row| (row.from, row.to, row.row));
        TimedRows { rows, next: 0, present: BinaryHeap::new() }
    }

    /// Gives the rows that enter and leave up to the step, at most `budget` changes; returns how many.
    fn advance(&mut self, step: Time, budget: usize, mut give: impl FnMut(R, Diff)) -> usize {
        let mut changes = 0;
        while changes < budget {
            if let Some(row) = self.leaving(step) {
                give(self.rows[row].row, -1);
            } else if let Some(timed) = self.rows.get(self.next).filter(|row| row.from <= step) {
                // A row that enters and leaves between two steps counts at neither.
                if timed.to > step {
                    self.present.push(Reverse((timed.to, self.next)));
                    give(timed.row, 1);
                }
                self.next += 1;
            } else {
                break;
            }
            changes += 1;
        }
        changes
    }

    /// Takes out a row that leaves at or before the step.
    fn leaving(&mut self, step: Time) -> Option<usize> {
        let Reverse((to, row)) = self.present.peek().copied()?;
        (to <= step).then(|| {
            self.present.pop();
            row
        })
    }

    fn is_at(&self, step: Time) -> bool {
        self.rows.get(self.next).is_none_or(|row| row.from > step)
            && self.present.peek().is_none_or(|Reverse((to, _))| *to > step)
    }
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    use super::*;

    /// The rows that count after each of the steps, given a few changes at a time.
    fn walk(times: &[(Millis, Millis)], steps: &[Time], budget: usize) -> Vec<Vec<usize>> {
        let rows = times.iter().enumerate().map(|(row, &(from, to))| TimedRow { from, to, row }).collect();
        let (mut rows, mut there) = (TimedRows::new(rows), Vec::new());
        let step = |&step: &Time| {
            while !rows.is_at(step) {
                rows.advance(step, budget, |row, diff| match diff {
                    1 => there.push(row),
                    _ => there.retain(|other| *other != row),
                });
            }
            let mut seen = there.clone();
            seen.sort_unstable();
            seen
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn a_row_counts_from_its_time_until_its_end_to_the_millisecond() {
        let times = [(10, 20), (11, 21), (10, 12), (30, 40)];
        let seen = walk(&times, &[9, 10, 11, 12, 19, 20, 21, 50], 100);
        let expected: [&[usize]; 8] = [&[], &[0, 2], &[0, 1, 2], &[0, 1], &[0, 1], &[1], &[], &[]];
        assert_eq!(seen, expected);
        for budget in [1, 2] {
            assert_eq!(walk(&times, &[9, 10, 11, 12, 19, 20, 21, 50], budget), expected);
        }
    }

    #[test]
    fn an_order_that_an_erasure_covers_is_known_and_does_not_count() {
        let ids = Dictionary::new(Ids::new([7; 16]));
        let (ada, ben) = (ids.user("ada"), ids.user("ben"));
        let order = |id: &str, user, at| OrderRow::counting(ids.order(id), user, at);
        let orders = vec![order("o1", ada, 10), order("o2", ada, 11), order("o3", ben, 10)];
        let mut erased = ReplayErasures::default();
        erased.add(ada, 10);
        let tables = ReplayTables { orders: orders.clone(), ..ReplayTables::default() }.without(&erased);
        let known: Vec<_> = tables.orders.iter().map(|order| (order.order, order.placed.counts())).collect();
        assert_eq!(known, [(orders[0].order, false), (orders[1].order, true), (orders[2].order, true)]);
    }

    #[test]
    fn only_orders_that_some_step_holds_are_read() {
        let bounds = ReplayBounds { from: 100, until: 200, kept_ms: 30 };
        let held: Vec<Millis> = [70, 71, 200, 201].into_iter().filter(|at| bounds.holds(*at)).collect();
        assert_eq!(held, [71, 200]);
    }
}
