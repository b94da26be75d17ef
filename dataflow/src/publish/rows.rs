//! Reading the rows of a key from the batches of an index, as of a time.

use differential_dataflow::difference::Monoid;
use differential_dataflow::trace::cursor::{Cursor, Navigable};

use crate::ops::runs::add_up;
use crate::time::Time;
use crate::trace::arranged::{Storable, ValBatch};
use crate::trace::batch::cursor::ValCursor;
use crate::trace::batch::find::BatchPlace;
use crate::trace::walk::walk;

/// The batches that hold a key, each with a cursor at the key. Allocates nothing.
#[inline]
fn holders<'b, K, V, R>(
    batches: &'b [ValBatch<K, V, R>],
    key: &K,
) -> impl Iterator<Item = (&'b ValBatch<K, V, R>, ValCursor<K, V, R>)>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    batches.iter().filter_map(move |batch| {
        let mut cursor = batch.cursor();
        cursor.seek_key(batch, key);
        (cursor.get_key(batch) == Some(key)).then_some((batch, cursor))
    })
}

/// The same for a key whose places are known.
#[inline]
fn holders_at<'b, K: Ord, V, R: Storable>(
    batches: &'b [ValBatch<K, V, R>],
    places: &[BatchPlace],
) -> impl Iterator<Item = (&'b ValBatch<K, V, R>, ValCursor<K, V, R>)> {
    batches.iter().zip(places).filter_map(|(batch, place)| Some((batch, batch.cursor_at(*place)?)))
}

/// Calls `take` with the values of a key that have updates as of `time`, batch by batch, in ascending order within each
/// batch; returns the number of batches that hold the key.
#[inline]
fn each_value<'b, K, V, R>(
    holders: impl Iterator<Item = (&'b ValBatch<K, V, R>, ValCursor<K, V, R>)>,
    time: Time,
    mut take: impl FnMut(&V, R),
) -> usize
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    let mut count = 0;
    for (batch, mut cursor) in holders {
        count += 1;
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
    count
}

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
    collect(holders_at(batches, places), time, |value, sum| Some((value.clone(), sum)), rows);
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
    collect(holders(batches, key), time, read, rows);
}

/// Reads the rows of a key into `rows`, ordered by value.
fn collect<'b, K, V, R, W, S>(
    holders: impl Iterator<Item = (&'b ValBatch<K, V, R>, ValCursor<K, V, R>)>,
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
    rows.clear();
    let holders = each_value(holders, time, |value, sum| rows.extend(read(value, sum)));
    if holders > 1 {
        add_up(rows);
    }
    rows.retain(|(_, sum)| *sum > S::zero());
}

/// The sum of the differences of a key whose rows have no values, as of `time`.
pub(crate) fn count<K, R>(batches: &[ValBatch<K, (), R>], key: &K, time: Time) -> R
where
    K: Ord + Clone + 'static,
    R: Monoid + Storable,
{
    let mut count = R::zero();
    each_value(holders(batches, key), time, |(), sum| count.plus_equals(&sum));
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
    let mut cursors: Vec<_> = holders(batches, key).collect();
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
