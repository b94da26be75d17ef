//! [`ValMerger`]: merges two [`ValBatch`]es in steps of bounded work.
//!
//! Rows that come before the next row of the other batch are copied together, as slices. A step may end within a key:
//! a key with a million values does not make one step long.

use std::cmp::Ordering;

use differential_dataflow::lattice::Lattice;
use differential_dataflow::trace::{BatchReader, Description, Merger};
use timely::progress::frontier::AntichainRef;

use super::assembly::Assembly;
use super::keep::Keep;
use super::storable::Storable;
use super::{Contents, ValBatch};
use crate::time::Time;

/// A merge of two batches that is under way.
pub struct ValMerger<K, V, R: Storable> {
    one: Place,
    other: Place,
    merged: Assembly<K, V, R>,
}

/// The next row of a batch to be merged.
#[derive(Clone, Copy, Default)]
struct Place {
    key: usize,
    /// One of the key's values.
    value: usize,
}

impl<K, V, R> Merger<ValBatch<K, V, R>> for ValMerger<K, V, R>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    fn new(one: &ValBatch<K, V, R>, other: &ValBatch<K, V, R>, compaction: AntichainRef<'_, Time>) -> Self {
        assert!(one.upper() == other.lower(), "merged batches follow each other");
        let since = one.description().since().join(other.description().since()).join(&compaction.to_owned());
        let description = Description::new(one.lower().clone(), other.upper().clone(), since);
        let keys = one.0.keys.len() + other.0.keys.len();
        let values = one.0.values.len() + other.0.values.len();
        let merged = Assembly::new(keys, values, one.len() + other.len(), description);
        let (first, is_void) = (one.0.keep.first.or(other.0.keep.first), one.0.keep.is_void.or(other.0.keep.is_void));
        let merged = merged.keeping(Keep { first, is_void }, one.0.has_void || other.0.has_void);
        ValMerger { one: Place::default(), other: Place::default(), merged }
    }

    fn work(&mut self, one: &ValBatch<K, V, R>, other: &ValBatch<K, V, R>, fuel: &mut isize) {
        let (one, other) = (&*one.0, &*other.0);
        while let Ok(budget) = usize::try_from(*fuel)
            && budget > 0
        {
            let keys = (one.keys.get(self.one.key), other.keys.get(self.other.key));
            let values = match keys {
                (None, None) => return,
                (Some(key), Some(bound)) if key == bound => self.merge_key(one, other, budget),
                (Some(key), bound) if bound.is_none_or(|bound| key < bound) => {
                    copy_keys(&mut self.merged, one, &mut self.one, bound, budget)
                }
                (bound, _) => copy_keys(&mut self.merged, other, &mut self.other, bound, budget),
            };
            // A step copies at least one value and at most as many as there is fuel, so this fits.
            *fuel -= values.cast_signed();
        }
    }

    fn done(self) -> ValBatch<K, V, R> {
        self.merged.done()
    }
}

impl<K, V, R> ValMerger<K, V, R>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    /// Merges up to `budget` values of a key that both batches have; returns their number.
    fn merge_key(&mut self, one: &Contents<K, V, R>, other: &Contents<K, V, R>, budget: usize) -> usize {
        let ends = (one.values_of(self.one.key).end, other.values_of(self.other.key).end);
        let mut left = budget;
        while left > 0 {
            let (first, second) = (self.one.value, self.other.value);
            let order = match (first < ends.0, second < ends.1) {
                (false, false) => {
                    self.merged.end_key(&one.keys[self.one.key]);
                    self.one.key += 1;
                    self.other.key += 1;
                    break;
                }
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (true, true) => one.values[first].cmp(&other.values[second]),
            };
            left -= match order {
                Ordering::Less => {
                    let bound = (second < ends.1).then(|| &other.values[second]);
                    copy_values(&mut self.merged, one, &mut self.one, ends.0, bound, left)
                }
                Ordering::Greater => {
                    let bound = (first < ends.0).then(|| &one.values[first]);
                    copy_values(&mut self.merged, other, &mut self.other, ends.1, bound, left)
                }
                Ordering::Equal => {
                    self.merged.gather_from(one, first);
                    self.merged.gather_from(other, second);
                    self.merged.end_value(&one.values[first]);
                    self.one.value += 1;
                    self.other.value += 1;
                    1
                }
            };
        }
        budget - left
    }
}

/// Copies the values before `end` that come before `bound`, up to `budget` of them; returns their number.
#[inline]
fn copy_values<K, V, R>(
    merged: &mut Assembly<K, V, R>,
    source: &Contents<K, V, R>,
    place: &mut Place,
    end: usize,
    bound: Option<&V>,
    budget: usize,
) -> usize
where
    K: Ord + Clone,
    V: Ord + Clone,
    R: Storable,
{
    let end = end.min(place.value.saturating_add(budget));
    let values = match bound {
        None => end - place.value,
        Some(bound) => count_before(&source.values[place.value..end], bound),
    };
    merged.copy_values(source, place.value..place.value + values);
    place.value += values;
    values
}

/// Copies the keys that come before `bound`, up to `budget` of their values; returns the number of values.
#[inline]
fn copy_keys<K, V, R>(
    merged: &mut Assembly<K, V, R>,
    source: &Contents<K, V, R>,
    place: &mut Place,
    bound: Option<&K>,
    budget: usize,
) -> usize
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    // No key is without values.
    let end = source.keys.len().min(place.key.saturating_add(budget));
    let keys = match bound {
        None => place.key..end,
        Some(bound) => place.key..place.key + count_before(&source.keys[place.key..end], bound),
    };
    let start = place.value;
    let values = start..source.key_ends.start(keys.end);
    let are_whole = start == source.key_ends.start(keys.start) && values.len() <= budget;
    if are_whole && !merged.has_rule() && source.updates_of(values.clone()).len() == values.len() {
        *place = Place { key: keys.end, value: values.end };
        merged.copy_keys(source, keys, values.clone());
        return values.len();
    }
    for key in keys {
        let key_end = source.values_of(key).end;
        let end = key_end.min(start.saturating_add(budget));
        merged.copy_values(source, place.value..end);
        place.value = end;
        if end < key_end {
            break;
        }
        merged.end_key(&source.keys[key]);
        place.key = key + 1;
    }
    place.value - start
}

/// How many elements come before `bound`. The first one does; in most cases only a few others.
#[inline]
fn count_before<T: Ord>(sorted: &[T], bound: &T) -> usize {
    let (mut last, mut step) = (0, 1);
    while sorted.get(last + step).is_some_and(|element| element < bound) {
        last += step;
        step *= 2;
    }
    let end = sorted.len().min(last + step);
    last + 1 + sorted[last + 1..end].partition_point(|element| element < bound)
}
