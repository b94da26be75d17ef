//! Reading rows of an arrangement from the batches that it shared.

use differential_dataflow::trace::cursor::{Cursor, CursorList, Navigable};

use super::batch::ValBatch;
use super::batch::storable::Storable;
use crate::time::Time;

type Batches<K, V, R> = Vec<ValBatch<K, V, R>>;
type BatchesCursor<K, V, R> = CursorList<<ValBatch<K, V, R> as Navigable>::Cursor>;

/// A cursor over all batches, at the first row.
pub(super) fn cursor<K, V, R>(batches: &Batches<K, V, R>) -> BatchesCursor<K, V, R>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    CursorList::new(batches.iter().map(Navigable::cursor).collect(), batches)
}

/// Calls `take` with every row that is present as of `tick`.
pub(crate) fn walk<K, V, R>(batches: &Batches<K, V, R>, tick: Time, mut take: impl FnMut(&K, &V, R))
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    let mut cursor = cursor(batches);
    while let Some(key) = cursor.get_key(batches) {
        walk_key(&mut cursor, batches, key, tick, &mut take);
        cursor.step_key(batches);
    }
}

/// Calls `take` with every row of the cursor's key that is present as of `tick`. The cursor must be at the first value of `key`.
pub(super) fn walk_key<K, V, R>(
    cursor: &mut BatchesCursor<K, V, R>,
    batches: &Batches<K, V, R>,
    key: &K,
    tick: Time,
    take: &mut impl FnMut(&K, &V, R),
) where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    while let Some(value) = cursor.get_val(batches) {
        let mut sum: Option<R> = None;
        cursor.map_times(batches, |at, diff| {
            if *at <= tick {
                match &mut sum {
                    Some(sum) => sum.plus_equals(diff),
                    None => sum = Some(diff.clone()),
                }
            }
        });
        if let Some(sum) = sum.filter(|sum| !sum.is_zero()) {
            take(key, value, sum);
        }
        cursor.step_val(batches);
    }
}
