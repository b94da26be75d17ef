//! Finding several keys in a batch at once.
//!
//! ```text
//! keys     ....................   one step of each search, then the next step of each: the processor waits
//! searches    ^     ^  ^     ^    for the memory of all of them at once
//! ```
//! A single search waits for memory in each of its steps.

use std::hint::select_unpredictable;

use super::ValBatch;
use super::storable::Storable;

/// Searches that are made side by side. Their places fit into registers.
const SIDE_BY_SIDE: usize = 8;

/// The place of a key in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchPlace(usize);

impl BatchPlace {
    /// The key is not in the batch.
    pub(crate) const ABSENT: BatchPlace = BatchPlace(usize::MAX);

    /// The number of the key in the batch; none if it is absent.
    pub(super) fn get(self) -> Option<usize> {
        (self != BatchPlace::ABSENT).then_some(self.0)
    }
}

impl<K: Ord, V, R: Storable> ValBatch<K, V, R> {
    /// Calls `found` with the number of each of `wanted` that is a key of this batch, and its place.
    pub(crate) fn find(&self, wanted: &[K], mut found: impl FnMut(usize, BatchPlace)) {
        let keys = self.0.keys.as_slice();
        if keys.is_empty() {
            return;
        }
        for (chunk, wanted) in wanted.chunks(SIDE_BY_SIDE).enumerate() {
            // A key that is in the batch is among the `left` keys from its start on.
            let (mut starts, mut left) = ([0; SIDE_BY_SIDE], keys.len());
            while left > 1 {
                let half = left / 2;
                for (start, key) in starts.iter_mut().zip(wanted) {
                    let middle = *start + half;
                    *start = select_unpredictable(keys[middle] <= *key, middle, *start);
                }
                left -= half;
            }
            for (nth, (start, key)) in starts.iter().zip(wanted).enumerate() {
                if keys[*start] == *key {
                    found(chunk * SIDE_BY_SIDE + nth, BatchPlace(*start));
                }
            }
        }
    }

    /// The number of values of the key at this place.
    pub(crate) fn values_at(&self, place: BatchPlace) -> usize {
        place.get().map_or(0, |key| self.0.values_of(key).len())
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::trace::Description;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;
    use timely::progress::Antichain;

    use super::super::Contents;
    use super::*;
    use crate::time::Diff;

    /// A batch with these keys, each with as many values as its last digit says and one more.
    fn batch(keys: &std::collections::BTreeSet<u64>) -> ValBatch<u64, u64, Diff> {
        let at = |time| Antichain::from_elem(time);
        let mut contents: Contents<u64, u64, Diff> =
            Contents::with_capacity(0, 0, 0, Description::new(at(0), at(1), at(0)));
        for key in keys {
            contents.keys.push(*key);
            for value in 0..=key % 10 {
                contents.values.push(value);
                contents.value_ends.push(contents.values.len());
                contents.times.push(0);
                contents.diffs.push(1);
            }
            contents.key_ends.push(contents.values.len());
        }
        contents.into_batch()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_key_of_the_batch_is_found_and_no_other(
            keys in btree_set(0..60u64, 0..40), wanted in vec(0..60u64, 0..30),
        ) {
            let (batch, mut places) = (batch(&keys), vec![BatchPlace::ABSENT; wanted.len()]);
            batch.find(&wanted, |nth, place| places[nth] = place);
            for (key, place) in wanted.iter().zip(places) {
                let (count, mut values) = (keys.get(key).map_or(0, |key| key % 10 + 1), Vec::new());
                batch.each_value_at(place, 0, |value, copies| values.push((*value, copies)));
                prop_assert_eq!(values, (0..count).map(|value| (value, 1)).collect::<Vec<_>>());
                prop_assert_eq!(batch.values_at(place) as u64, count);
            }
        }
    }
}
