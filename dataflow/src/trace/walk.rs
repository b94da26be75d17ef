//! Reading all rows of an arrangement from the batches that it shared.

use differential_dataflow::difference::Semigroup;
use differential_dataflow::trace::cursor::{Cursor, CursorList, Navigable};

use super::batch::ValBatch;
use crate::time::Time;

/// Calls `take` with every row that is present as of `tick`.
pub(crate) fn walk<K, V, R>(batches: &Vec<ValBatch<K, V, R>>, tick: Time, mut take: impl FnMut(&K, &V, R))
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Semigroup + Ord + Clone + 'static,
{
    let mut cursor = CursorList::new(batches.iter().map(Navigable::cursor).collect(), batches);
    while let Some(key) = cursor.get_key(batches) {
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
        cursor.step_key(batches);
    }
}
