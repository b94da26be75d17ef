//! Orders, lines and catalogue of a replay: each row enters at its time and leaves with the window.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use dataflow::ids::OrderKey;
use dataflow::inputs::Inputs;
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders};
use dataflow::time::{Diff, Millis, Time};
use foldhash::fast::RandomState;

use super::Asked;

/// Everything the tables hold of what a replay asks for.
#[derive(Default)]
pub struct Tables {
    pub(crate) catalogue: Vec<CatalogueRow>,
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) lines: Vec<LineRow>,
}

impl Tables {
    /// The rows in the order of their times. Lines without an order that counts are left out.
    #[must_use]
    pub fn into_replay_source(self, asked: Asked) -> TablesPast {
        let Tables { catalogue, mut orders, mut lines } = self;
        orders.retain(|order| asked.counts(order.placed.created_at()));
        // Equal rows count as one: only distinct buyers do, and no row is ever taken back before its time.
        orders.sort_unstable();
        orders.dedup();
        lines.sort_unstable();
        lines.dedup();
        let end = |created_at: Millis| created_at.saturating_add(asked.window_ms);
        // An id may stand for several orders where the table has no key: its lines stay as long as any of them.
        let mut times: HashMap<OrderKey, (Millis, Millis), RandomState> = HashMap::default();
        for order in &orders {
            let at = order.placed.created_at();
            let (first, last) = times.entry(order.order).or_insert((at, at));
            (*first, *last) = ((*first).min(at), (*last).max(at));
        }
        let stay = |row: OrderRow| Stay { from: row.placed.created_at(), to: end(row.placed.created_at()), row };
        let orders = orders.into_iter().map(stay).collect();
        let lines = lines.into_iter().filter_map(|row| {
            let (first, last) = times.get(&row.order)?;
            Some(Stay { from: *first, to: end(*last), row })
        });
        TablesPast { catalogue, orders: Stays::new(orders), lines: Stays::new(lines.collect()) }
    }
}

/// The rows of [`Tables`], given step by step.
pub struct TablesPast {
    catalogue: Vec<CatalogueRow>,
    orders: Stays<OrderRow>,
    lines: Stays<LineRow>,
}

impl ReplaySource for TablesPast {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let some = self.catalogue.len().saturating_sub(budget);
        let mut records = self.catalogue.len() - some;
        self.catalogue.drain(some..).for_each(|row| inputs.update::<Catalogue>(row, 1));
        records +=
            self.orders.turn(step, budget.saturating_sub(records), |row, diff| inputs.update::<Orders>(row, diff));
        records += self.lines.turn(step, budget.saturating_sub(records), |row, diff| inputs.update::<Lines>(row, diff));
        let reached = self.catalogue.is_empty() && self.orders.is_at(step) && self.lines.is_at(step);
        Ok(Went { records, reached })
    }
}

/// A row and the times from which and up to which it counts.
struct Stay<R> {
    from: Millis,
    to: Millis,
    row: R,
}

/// The rows of one table in the order in which they enter.
struct Stays<R> {
    rows: Vec<Stay<R>>,
    next: usize,
    /// Rows that have entered, by when they leave.
    present: BinaryHeap<Reverse<(Millis, usize)>>,
}

impl<R: Copy + Ord> Stays<R> {
    fn new(mut rows: Vec<Stay<R>>) -> Self {
        rows.sort_unstable_by_key(|stay| (stay.from, stay.to, stay.row));
        Stays { rows, next: 0, present: BinaryHeap::new() }
    }

    /// Gives what enters and leaves up to the step, at most `budget` changes of it; returns how many.
    fn turn(&mut self, step: Time, budget: usize, mut give: impl FnMut(R, Diff)) -> usize {
        let mut changes = 0;
        while changes < budget {
            if let Some(row) = self.leaving(step) {
                give(self.rows[row].row, -1);
            } else if let Some(stay) = self.rows.get(self.next).filter(|stay| stay.from <= step) {
                // What came and went between two steps is seen at none.
                if stay.to > step {
                    self.present.push(Reverse((stay.to, self.next)));
                    give(stay.row, 1);
                }
                self.next += 1;
            } else {
                break;
            }
            changes += 1;
        }
        changes
    }

    /// Takes a row out that is to leave at the step.
    fn leaving(&mut self, step: Time) -> Option<usize> {
        let Reverse((to, row)) = self.present.peek().copied()?;
        (to <= step).then(|| {
            self.present.pop();
            row
        })
    }

    fn is_at(&self, step: Time) -> bool {
        self.rows.get(self.next).is_none_or(|stay| stay.from > step)
            && self.present.peek().is_none_or(|Reverse((to, _))| *to > step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there after each of the steps, given a few changes at a time.
    fn walk(stays: &[(Millis, Millis)], steps: &[Time], budget: usize) -> Vec<Vec<usize>> {
        let rows = stays.iter().enumerate().map(|(row, &(from, to))| Stay { from, to, row }).collect();
        let (mut stays, mut there) = (Stays::new(rows), Vec::new());
        let step = |&step: &Time| {
            while !stays.is_at(step) {
                stays.turn(step, budget, |row, diff| match diff {
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
    fn a_row_is_there_from_its_time_until_its_end_to_the_millisecond() {
        let stays = [(10, 20), (11, 21), (10, 12), (30, 40)];
        let seen = walk(&stays, &[9, 10, 11, 12, 19, 20, 21, 50], 100);
        let expected: [&[usize]; 8] = [&[], &[0, 2], &[0, 1, 2], &[0, 1], &[0, 1], &[1], &[], &[]];
        assert_eq!(seen, expected);
        for budget in [1, 2] {
            assert_eq!(walk(&stays, &[9, 10, 11, 12, 19, 20, 21, 50], budget), expected);
        }
    }

    #[test]
    fn only_orders_that_count_at_some_step_are_asked_for() {
        let asked = Asked { from: 100, until: 200, window_ms: 30 };
        let counting: Vec<Millis> = [70, 71, 200, 201].into_iter().filter(|at| asked.counts(*at)).collect();
        assert_eq!(counting, [71, 200]);
    }
}
