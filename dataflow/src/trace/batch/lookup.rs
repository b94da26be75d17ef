//! Reading all values of one key of a batch at once.

use differential_dataflow::difference::Monoid;

use super::cursor::ValCursor;
use super::find::BatchPlace;
use super::storable::{DiffColumn as _, Storable};
use super::{Contents, ValBatch};
use crate::time::Time;

impl<K: Ord, V, R: Monoid + Storable> ValBatch<K, V, R> {
    /// Calls `take` with the values of `key` that have updates as of `time`, in ascending order, and with the sum of each one's
    /// differences, which is not zero.
    #[inline]
    pub(crate) fn each_value(&self, key: &K, time: Time, take: impl FnMut(&V, R)) {
        if let Ok(place) = self.0.keys.binary_search(key) {
            self.0.each_value(place, time, take);
        }
    }

    /// The same for the key at this place.
    #[inline]
    pub(crate) fn each_value_at(&self, place: BatchPlace, time: Time, take: impl FnMut(&V, R)) {
        if let Some(place) = place.get() {
            self.0.each_value(place, time, take);
        }
    }
}

impl<K, V, R: Monoid + Storable> ValCursor<K, V, R> {
    /// Calls `take` with the values of the cursor's key that have updates as of `time`, in ascending order, and with the sum of
    /// each one's differences, which is not zero. The cursor must be at a key, and does not move.
    #[inline]
    pub(crate) fn each_value(&self, batch: &ValBatch<K, V, R>, time: Time, take: impl FnMut(&V, R)) {
        batch.0.each_value(self.key, time, take);
    }

    /// Whether all updates of the cursor's key are of `time` or before. The cursor must be at a key.
    #[inline]
    pub(crate) fn is_as_of(&self, batch: &ValBatch<K, V, R>, time: Time) -> bool {
        let updates = batch.0.updates_of(batch.0.values_of(self.key));
        batch.0.times.all(updates, |at| *at <= time)
    }
}

impl<K, V, R: Monoid + Storable> Contents<K, V, R> {
    #[inline]
    fn each_value(&self, key: usize, time: Time, mut take: impl FnMut(&V, R)) {
        let places = self.values_of(key);
        let updates = self.updates_of(places.clone());
        if updates.len() == places.len() && self.times.all(updates.clone(), |at| *at <= time) {
            // Each value has one update. Its difference is not zero, because a batch holds no such update.
            self.diffs.zip(updates, &self.values[places], |value, diff| take(value, diff.clone()));
            return;
        }
        for place in places {
            let mut sum = R::zero();
            for update in self.value_ends.list(place).filter(|update| *self.times.get(*update) <= time) {
                self.diffs.with(update, |diff| sum.plus_equals(diff));
            }
            if !sum.is_zero() {
                take(&self.values[place], sum);
            }
        }
    }
}
