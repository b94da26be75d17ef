//! [`MovingRows`]: the rows of a key of an index as of a time that moves forward.
//!
//! ```text
//! batches ─▶ values with their sums as of the first time ─┐
//!         └▶ later updates, by time ──────────────────────┴▶ advance_to(time): sums as of the time, and the values that changed
//! ```
//! The batches are read once. Every value that has rows at any of the times has its place from the beginning, so that a
//! change costs no more for a key with many rows.

use differential_dataflow::difference::Monoid;
use differential_dataflow::trace::cursor::{Cursor, Navigable};

use crate::ops::runs::combine;
use crate::time::{Diff, Time};
use crate::trace::arranged::{Storable, ValBatch};

/// The values of a key with their sums.
pub(crate) struct MovingRows<V, R> {
    rows: Vec<(V, R)>,
    /// Updates after the first time, in the order of their times.
    later: Vec<(Time, V, R)>,
    /// Those that are in the sums.
    applied: usize,
}

impl<V: Ord + Copy, R: Monoid + Storable + Copy> MovingRows<V, R> {
    /// Reads the rows of a key as of the first of two times, and the updates up to the second. `value` turns stored values into
    /// others; the updates of values that become equal are added up.
    pub(crate) fn read<K, S>(
        batches: &[ValBatch<K, S, R>],
        key: &K,
        (from, until): (Time, Time),
        value: impl Fn(&S) -> V,
    ) -> Self
    where
        K: Ord + Clone + 'static,
        S: Ord + Clone + 'static,
    {
        let (mut rows, mut later) = (Vec::new(), Vec::new());
        for batch in batches {
            let mut cursor = batch.cursor();
            cursor.seek_key(batch, key);
            if cursor.get_key(batch) != Some(key) {
                continue;
            }
            while let Some(stored) = cursor.get_val(batch) {
                let (value, known, mut sum) = (value(stored), later.len(), R::zero());
                cursor.map_times(batch, |at, diff| {
                    if *at <= from {
                        sum.plus_equals(diff);
                    } else if *at <= until {
                        later.push((*at, value, *diff));
                    }
                });
                if !sum.is_zero() || later.len() > known {
                    rows.push((value, sum));
                }
                cursor.step_val(batch);
            }
        }
        combine(&mut rows);
        later.sort_by_key(|(at, ..)| *at);
        MovingRows { rows, later, applied: 0 }
    }

    /// All values that have rows at some of the times, in their order.
    pub(crate) fn values(&self) -> impl Iterator<Item = V> + '_ {
        self.rows.iter().map(|(value, _)| *value)
    }

    /// The rows that are present, in order.
    pub(crate) fn present(&self) -> impl DoubleEndedIterator<Item = (V, R)> + '_ {
        present(&self.rows)
    }

    /// The present rows whose values are in a range: from the first value that is not before it to the last that is not after it.
    pub(crate) fn present_in<'a>(
        &'a self,
        is_before: impl Fn(&V) -> bool,
        is_in: impl Fn(&V) -> bool + 'a,
    ) -> impl Iterator<Item = (V, R)> + 'a {
        let from = self.rows.partition_point(|(value, _)| is_before(value));
        present(&self.rows[from..]).take_while(move |(value, _)| is_in(value))
    }

    /// Moves to a time. Calls `changed` after each update with its value and the present rows before it, the last one first.
    pub(crate) fn advance_to(&mut self, time: Time, mut changed: impl FnMut(V, &mut dyn Iterator<Item = V>)) {
        while let Some((_, value, diff)) = self.later.get(self.applied).filter(|(at, ..)| *at <= time) {
            let place = self.rows.partition_point(|(known, _)| known < value);
            self.rows[place].1.plus_equals(diff);
            changed(*value, &mut present(&self.rows[..place]).rev().map(|(before, _)| before));
            self.applied += 1;
        }
    }
}

impl<V: Ord + Copy> MovingRows<V, Diff> {
    /// Takes the rows of each value out at its end, if the end is not after the second of the times.
    pub(crate) fn ending(mut self, (from, until): (Time, Time), end: impl Fn(&V) -> Time) -> Self {
        self.later.retain(|(at, value, _)| *at < end(value));
        let mut sums: Vec<Diff> = self.rows.iter().map(|(_, sum)| *sum).collect();
        for (_, value, diff) in &self.later {
            sums[self.rows.partition_point(|(known, _)| known < value)] += diff;
        }
        for ((value, sum), at_end) in self.rows.iter_mut().zip(sums) {
            let end = end(value);
            if end <= from {
                *sum = 0;
            } else if end <= until && at_end != 0 {
                self.later.push((end, *value, -at_end));
            }
        }
        self.later.sort_by_key(|(at, ..)| *at);
        self
    }
}

fn present<V: Copy, R: Monoid + Ord + Copy>(rows: &[(V, R)]) -> impl DoubleEndedIterator<Item = (V, R)> + '_ {
    rows.iter().copied().filter(|(_, sum)| *sum > R::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_no_rows_from_its_end_on() {
        // The value is its end: of the last times, one comes after its end, and one is taken out before it.
        let rows = vec![(4, 1), (6, 2), (7, 0), (8, 1), (20, 1)];
        let later = vec![(5, 8, -1), (6, 6, 1), (6, 7, 1), (8, 6, -2)];
        let mut rows = MovingRows { rows, later, applied: 0 }.ending((4, 9), |end| *end);
        let mut seen = Vec::new();
        for time in 4..=9 {
            let mut changed = Vec::new();
            rows.advance_to(time, |value, _| changed.push(value));
            seen.push((rows.present().map(|(value, _)| value).collect::<Vec<_>>(), changed));
        }
        let expected = [
            (vec![6, 8, 20], vec![]),
            (vec![6, 20], vec![8]),
            (vec![7, 20], vec![7, 6]),
            (vec![20], vec![7]),
            (vec![20], vec![]),
            (vec![20], vec![]),
        ];
        assert_eq!(seen, expected);
    }
}
