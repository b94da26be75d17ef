//! Reading the rows of a key from the batches of an index, as of a time.

use differential_dataflow::difference::Monoid;
use differential_dataflow::trace::cursor::{Cursor, Navigable};

use crate::ops::runs::{add_row, add_up};
use crate::time::Time;
use crate::trace::arranged::{Storable, ValBatch};
use crate::trace::batch::find::BatchPlace;
use crate::trace::walk::walk;

/// Reads the values of `key` that are present as of `time` into `rows` (cleared first), ordered by value.
pub(crate) fn values<K, V, R>(batches: &[ValBatch<K, V, R>], key: &K, time: Time, rows: &mut Vec<(V, R)>)
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    values_as(batches, key, time, |value, sum| Some((value.clone(), sum)), rows);
}

/// The same for a key whose places are known.
pub(crate) fn values_at<K, V, R>(
    batches: &[ValBatch<K, V, R>],
    places: &[BatchPlace],
    time: Time,
    rows: &mut Vec<(V, R)>,
) where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    let mut gathered = Gathered::new(rows);
    for (batch, place) in batches.iter().zip(places) {
        batch.each_value_at(*place, time, |value, sum| gathered.add(value.clone(), sum));
        gathered.end_batch();
    }
    gathered.end();
}

/// The same, each value turned into a row of the same order by `read`; values without a row are left out.
pub(crate) fn values_as<K, V, R, W, S>(
    batches: &[ValBatch<K, V, R>],
    key: &K,
    time: Time,
    read: impl Fn(&V, R) -> Option<(W, S)>,
    rows: &mut Vec<(W, S)>,
) where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Storable,
    W: Ord,
    S: Monoid + Ord,
{
    let mut gathered = Gathered::new(rows);
    for batch in batches {
        batch.each_value(key, time, |value, sum| {
            if let Some((row, sum)) = read(value, sum) {
                gathered.add(row, sum);
            }
        });
        gathered.end_batch();
    }
    gathered.end();
}

/// The rows of a key from one batch after the other.
struct Gathered<'r, W, S> {
    rows: &'r mut Vec<(W, S)>,
    /// The rows of the first batch that has some.
    in_order: usize,
}

impl<'r, W: Ord, S: Monoid + Ord> Gathered<'r, W, S> {
    fn new(rows: &'r mut Vec<(W, S)>) -> Self {
        rows.clear();
        Gathered { rows, in_order: 0 }
    }

    #[inline]
    fn add(&mut self, row: W, sum: S) {
        add_row(self.rows, self.in_order, row, sum);
    }

    fn end_batch(&mut self) {
        if self.in_order == 0 {
            self.in_order = self.rows.len();
        }
    }

    /// Puts the rows in order, and leaves out those that are not present.
    fn end(self) {
        if self.rows.len() > self.in_order {
            add_up(self.rows);
        }
        self.rows.retain(|(_, sum)| *sum > S::zero());
    }
}

/// The sum of the differences of a key whose rows have no values, as of `time`.
pub(crate) fn count<K, R>(batches: &[ValBatch<K, (), R>], key: &K, time: Time) -> R
where
    K: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    let mut count = R::zero();
    for batch in batches {
        batch.each_value(key, time, |(), sum| count.plus_equals(&sum));
    }
    count
}

/// Calls `take` with the present values of `key` as of `time` in ascending order, until it returns false. The work does
/// not depend on the values that come after that.
pub(crate) fn first_values<K, V, R>(
    batches: &[ValBatch<K, V, R>],
    key: &K,
    time: Time,
    mut take: impl FnMut(&V, R) -> bool,
) where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    let mut cursors = Vec::new();
    for batch in batches {
        let mut cursor = batch.cursor();
        cursor.seek_key(batch, key);
        if cursor.get_key(batch) == Some(key) {
            cursors.push((batch, cursor));
        }
    }
    while let Some(least) = cursors.iter().filter_map(|(batch, cursor)| cursor.get_val(batch)).min() {
        let mut sum = R::zero();
        for (batch, cursor) in &mut cursors {
            if cursor.get_val(batch) == Some(least) {
                cursor.map_times(batch, |at, diff| {
                    if *at <= time {
                        sum.plus_equals(diff);
                    }
                });
                cursor.step_val(batch);
            }
        }
        if sum > R::zero() && !take(least, sum) {
            return;
        }
    }
}

/// All values of an index that are present as of `time`, with their keys, in ascending order.
pub(crate) fn all_values<K, V, R>(batches: &Vec<ValBatch<K, V, R>>, time: Time) -> Vec<((K, V), R)>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    let mut rows = Vec::new();
    walk(batches, time, |key, value, sum| {
        if sum > R::zero() {
            rows.push(((key.clone(), value.clone()), sum));
        }
    });
    rows
}
