//! Rows under their keys, marked by the reading that saw them last.

use std::collections::HashMap;
use std::hash::Hash;

use dataflow::time::Diff;
use foldhash::fast::RandomState;

use super::Difference;

/// Room for this many rows is never given back.
const ROOM_MIN: usize = 1024;

/// Rows under keys of any kind; the copies of equal rows are counted.
pub(super) struct Rows<K, V> {
    stored: HashMap<K, StoredRow<V>, RandomState>,
    /// Rows seen in this generation whose other columns differ from what is stored.
    moved: Vec<(K, V)>,
    generation: u32,
}

/// One row. With `copies` 0 it was only seen by a reading that is not finished.
struct StoredRow<V> {
    value: V,
    /// Equal rows as of the last finished reading.
    copies: u32,
    /// Equal rows seen in `generation`.
    seen: u32,
    generation: u32,
}

impl<K: Copy + Eq + Hash, V: Copy + Eq> Rows<K, V> {
    pub(super) fn new() -> Self {
        Rows { stored: HashMap::default(), moved: Vec::new(), generation: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.stored.values().filter(|stored| stored.copies > 0).count()
    }

    pub(super) fn for_each(&self, mut see: impl FnMut(&K, &V)) {
        let stored = self.stored.iter().filter(|(_, stored)| stored.copies > 0);
        stored.for_each(|(key, stored)| see(key, &stored.value));
    }

    /// Forgets what an unfinished reading saw: its marks are of another generation.
    pub(super) fn begin(&mut self) {
        self.moved = Vec::new();
        self.generation += 1;
    }

    pub(super) fn seen(&mut self, key: K, value: V) {
        let generation = self.generation;
        let stored = self.stored.entry(key).or_insert(StoredRow { value, copies: 0, seen: 0, generation });
        if stored.generation != generation {
            stored.generation = generation;
            stored.seen = 0;
        }
        if stored.value == value {
            stored.seen += 1;
        } else if stored.copies == 0 {
            stored.value = value;
            stored.seen = 1;
        } else {
            self.moved.push((key, value));
        }
    }

    pub(super) fn finish(&mut self) -> Vec<Difference<K, V>> {
        let mut differences = Vec::new();
        for (key, value) in std::mem::take(&mut self.moved) {
            let stored = self.stored.get_mut(&key).expect("a row that moved is stored");
            push(&mut differences, key, stored.value, -(stored.copies as Diff));
            *stored = StoredRow { value, copies: 0, seen: 1, generation: self.generation };
        }
        let generation = self.generation;
        self.stored.retain(|key, stored| {
            let now = if stored.generation == generation { stored.seen } else { 0 };
            push(&mut differences, *key, stored.value, now as Diff - stored.copies as Diff);
            stored.copies = now;
            now > 0
        });
        self.give_room_back();
        differences
    }

    /// Takes the rows, each as its own key.
    pub(super) fn take_by_row(&mut self) -> Rows<(K, V), ()>
    where
        V: Hash,
    {
        let stored = std::mem::take(&mut self.stored).into_iter();
        let by_row = stored.map(|(key, stored)| {
            let StoredRow { value, copies, .. } = stored;
            ((key, value), StoredRow { value: (), copies, seen: 0, generation: self.generation })
        });
        Rows { stored: by_row.collect(), moved: Vec::new(), generation: self.generation }
    }

    /// The row with this key, seen by a finished reading or stored since.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.stored.get(key).filter(|stored| stored.copies > 0).map(|stored| stored.value)
    }

    /// One more row. Its value is that of the rows with its key, if there are any.
    pub(super) fn hold(&mut self, key: K, value: V) {
        let generation = self.generation;
        let stored = self.stored.entry(key).or_insert(StoredRow { value, copies: 0, seen: 0, generation });
        if stored.copies == 0 {
            // What is left of a reading that was not finished.
            *stored = StoredRow { value, copies: 0, seen: 0, generation };
        }
        stored.copies += 1;
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.stored.remove(key).filter(|stored| stored.copies > 0).map(|stored| stored.value)
    }

    /// Forgets the rows that `keep` does not hold on to, and gives them as gone.
    pub(super) fn keep(&mut self, mut keep: impl FnMut(&K, &V) -> bool) -> Vec<Difference<K, V>> {
        let mut differences = Vec::new();
        self.stored.retain(|key, stored| {
            let kept = keep(key, &stored.value);
            if !kept {
                push(&mut differences, *key, stored.value, -(stored.copies as Diff));
            }
            kept
        });
        self.give_room_back();
        differences
    }

    fn give_room_back(&mut self) {
        if self.stored.capacity() > ROOM_MIN && self.stored.len() < self.stored.capacity() / 4 {
            self.stored.shrink_to_fit();
        }
    }
}

fn push<K, V>(differences: &mut Vec<Difference<K, V>>, key: K, value: V, diff: Diff) {
    if diff != 0 {
        differences.push(((key, value), diff));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
    use dataflow::tables::{LineRow, OrderRow, Placed};

    fn bytes<K, V>() -> usize {
        size_of::<(K, StoredRow<V>)>()
    }

    #[test]
    fn rows_are_as_small_as_documented() {
        assert_eq!(bytes::<OrderKey, (UserKey, Placed)>(), 56);
        assert_eq!(bytes::<(OrderRow, ()), ()>(), 56);
        assert_eq!(bytes::<(LineRow, ()), ()>(), 48);
        assert_eq!(bytes::<RowKey, (OrderKey, ProductKey)>(), 48);
        assert_eq!(bytes::<ProductKey, CategoryKey>(), 32);
    }

    #[test]
    fn room_is_given_back() {
        let mut rows = Rows::new();
        rows.begin();
        (0..100_000).for_each(|key| rows.seen(key, ()));
        assert_eq!(rows.finish().len(), 100_000);
        rows.begin();
        rows.seen(1, ());
        assert_eq!(rows.finish().len(), 99_999);
        assert!(rows.stored.capacity() < 1000);
    }
}
