//! Reading the rows of a key from the batches of an index, as of a time.

use differential_dataflow::difference::Monoid;
use differential_dataflow::trace::cursor::{Cursor, Navigable};

use crate::ops::runs::add_up;
use crate::time::Time;
use crate::trace::arranged::ValBatch;
use crate::trace::walk::walk;

/// Calls `take` with the values of `key` that have updates as of `time`, batch by batch, in ascending order within each
/// batch; returns the number of batches that hold the key.
///
/// Uses one cursor for each batch, and allocates nothing.
#[inline]
fn each_value<K, V, R>(batches: &[ValBatch<K, V, R>], key: &K, time: Time, mut take: impl FnMut(&V, R)) -> usize
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Ord + Clone + 'static,
{
    let mut holders = 0;
    for batch in batches {
        let mut cursor = batch.cursor();
        cursor.seek_key(batch, key);
        if cursor.get_key(batch) != Some(key) {
            continue;
        }
        holders += 1;
        while let Some(value) = cursor.get_val(batch) {
            let mut sum = R::zero();
            cursor.map_times(batch, |at, diff| {
                if *at <= time {
                    sum.plus_equals(diff);
                }
            });
            if !sum.is_zero() {
                take(value, sum);
            }
            cursor.step_val(batch);
        }
    }
    holders
}

/// Reads the values of `key` that are present as of `time` into `rows` (cleared first), ordered by value.
pub(crate) fn values<K, V, R>(batches: &[ValBatch<K, V, R>], key: &K, time: Time, rows: &mut Vec<(V, R)>)
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Ord + Clone + 'static,
{
    values_as(batches, key, time, |value, sum| Some((value.clone(), sum)), rows);
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
    R: Monoid + Ord + Clone + 'static,
    W: Ord,
    S: Monoid + Ord,
{
    rows.clear();
    let holders = each_value(batches, key, time, |value, sum| rows.extend(read(value, sum)));
    if holders > 1 {
        add_up(rows);
    }
    rows.retain(|(_, sum)| *sum > S::zero());
}

/// The sum of the differences of a key whose rows have no values, as of `time`.
pub(crate) fn count<K, R>(batches: &[ValBatch<K, (), R>], key: &K, time: Time) -> R
where
    K: Ord + Clone + 'static,
    R: Monoid + Ord + Clone + 'static,
{
    let mut count = R::zero();
    each_value(batches, key, time, |(), sum| count.plus_equals(&sum));
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
    R: Monoid + Ord + Clone + 'static,
{
    let mut cursors = Vec::new();
    for batch in batches {
        let mut cursor = batch.cursor();
        cursor.seek_key(batch, key);
        if cursor.get_key(batch) == Some(key) {
            cursors.push((cursor, batch));
        }
    }
    while let Some(least) = cursors.iter().filter_map(|(cursor, batch)| cursor.get_val(batch)).min() {
        let mut sum = R::zero();
        for (cursor, batch) in &mut cursors {
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
    R: Monoid + Ord + Clone + 'static,
{
    let mut rows = Vec::new();
    walk(batches, time, |key, value, sum| {
        if sum > R::zero() {
            rows.push(((key.clone(), value.clone()), sum));
        }
    });
    rows
}
