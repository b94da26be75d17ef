//! Where the rows of some keys are in the batches of an index.

use crate::trace::arranged::{Storable, ValBatch};
use crate::trace::batch::find::BatchPlace;

/// For each key, its place in each batch.
#[derive(Default)]
pub(super) struct KeyPlaces {
    /// The most batches that a key is looked for in.
    width: usize,
    places: Vec<BatchPlace>,
}

impl KeyPlaces {
    /// Forgets all places, and has room for those of `count` keys in up to `width` batches each.
    pub(super) fn begin(&mut self, count: usize, width: usize) {
        self.width = width;
        self.places.clear();
        self.places.resize(count * width, BatchPlace::ABSENT);
    }

    /// Finds keys in batches, all of them side by side. `numbers` are those of the keys among all keys.
    pub(super) fn find<K: Ord, V, R: Storable>(
        &mut self,
        batches: &[ValBatch<K, V, R>],
        keys: &[K],
        numbers: &[usize],
    ) {
        for (nth, batch) in batches.iter().enumerate() {
            batch.find(keys, |key, place| self.places[numbers[key] * self.width + nth] = place);
        }
    }

    /// Whether a key is in a batch.
    pub(super) fn has(&self, number: usize) -> bool {
        self.of(number).iter().any(|place| *place != BatchPlace::ABSENT)
    }

    /// The places of a key.
    pub(super) fn of(&self, number: usize) -> &[BatchPlace] {
        &self.places[number * self.width..][..self.width]
    }

    /// The number of values that are stored of a key, in all batches.
    pub(super) fn values<K: Ord, V, R: Storable>(&self, batches: &[ValBatch<K, V, R>], number: usize) -> usize {
        batches.iter().zip(self.of(number)).map(|(batch, place)| batch.values_at(*place)).sum()
    }
}
