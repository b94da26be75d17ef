//! [`ValCursor`]: moves through the keys and values of a [`ValBatch`].

use std::marker::PhantomData;

use differential_dataflow::trace::cursor::Cursor;
use differential_dataflow::trace::implementations::BatchContainer;

use super::ValBatch;
use super::storable::{DiffColumn as _, Storable};
use crate::time::Time;

/// A place in a batch: a key, and one of its values.
pub struct ValCursor<K, V, R: Storable> {
    pub(super) key: usize,
    pub(super) value: usize,
    pub(super) batch: PhantomData<ValBatch<K, V, R>>,
}

impl<K, V, R> Cursor for ValCursor<K, V, R>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    type Storage = ValBatch<K, V, R>;
    type Key<'a> = &'a K;
    type ValOwn = V;
    type Val<'a> = &'a V;
    type Time = Time;
    type TimeGat<'a> = &'a Time;
    type Diff = R;
    type DiffGat<'a> = &'a R;
    type KeyContainer = Vec<K>;
    type ValContainer = Vec<V>;
    type TimeContainer = Vec<Time>;
    type DiffContainer = Vec<R>;

    #[inline]
    fn key_valid(&self, batch: &Self::Storage) -> bool {
        self.key < batch.0.keys.len()
    }

    #[inline]
    fn val_valid(&self, batch: &Self::Storage) -> bool {
        self.key_valid(batch) && self.value < batch.0.values_of(self.key).end
    }

    #[inline]
    fn key<'a>(&self, batch: &'a Self::Storage) -> &'a K {
        &batch.0.keys[self.key]
    }

    #[inline]
    fn val<'a>(&self, batch: &'a Self::Storage) -> &'a V {
        &batch.0.values[self.value]
    }

    #[inline]
    fn get_key<'a>(&self, batch: &'a Self::Storage) -> Option<&'a K> {
        batch.0.keys.get(self.key)
    }

    #[inline]
    fn get_val<'a>(&self, batch: &'a Self::Storage) -> Option<&'a V> {
        self.val_valid(batch).then(|| self.val(batch))
    }

    #[inline]
    fn map_times<L: FnMut(&Time, &R)>(&mut self, batch: &Self::Storage, mut logic: L) {
        for update in batch.0.value_ends.list(self.value) {
            batch.0.diffs.with(update, |diff| logic(batch.0.times.get(update), diff));
        }
    }

    #[inline]
    fn step_key(&mut self, batch: &Self::Storage) {
        self.key = (self.key + 1).min(batch.0.keys.len());
        self.rewind_vals(batch);
    }

    #[inline]
    fn seek_key(&mut self, batch: &Self::Storage, key: &K) {
        let keys = &batch.0.keys;
        self.key += keys.advance(self.key, keys.len(), |other| other < key);
        self.rewind_vals(batch);
    }

    #[inline]
    fn step_val(&mut self, batch: &Self::Storage) {
        self.value = (self.value + 1).min(batch.0.values_of(self.key).end);
    }

    #[inline]
    fn seek_val(&mut self, batch: &Self::Storage, value: &V) {
        if self.val_valid(batch) {
            let end = batch.0.values_of(self.key).end;
            self.value += batch.0.values.advance(self.value, end, |other| other < value);
        }
    }

    #[inline]
    fn rewind_keys(&mut self, batch: &Self::Storage) {
        self.key = 0;
        self.rewind_vals(batch);
    }

    #[inline]
    fn rewind_vals(&mut self, batch: &Self::Storage) {
        self.value = batch.0.key_ends.start(self.key);
    }
}
