//! Rows under their keys, without gaps, with an index of their places.
//!
//! ```text
//! index: hash of a key ─▶ place (5 bytes in a table that is between 7/16 and 7/8 full)
//! rows:  place ─▶ key and value, in chunks
//! ```
//! A hash table of rows would be as empty as this index, but with whole rows. Rows that a reading adds come behind those
//! that were there when it began, so a reading that is dropped leaves by cutting them off.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use dataflow::time::Diff;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::Difference;
use super::chunks::Chunks;

/// Room for this many rows is never given back.
const ROOM_MIN: usize = 1024;

/// Rows under keys of any kind; the copies of equal rows are counted.
pub(super) struct Rows<K, V> {
    rows: Chunks<(K, V)>,
    places: HashTable<u32>,
    hasher: RandomState,
    /// The number of equal rows, of rows of which there are several.
    copies: HashMap<K, u32, RandomState>,
    reading: Option<Reading<V>>,
}

/// A reading that is not finished.
struct Reading<V> {
    /// The number of rows when it began; rows behind them were only seen by this reading.
    before: usize,
    /// How many equal rows were seen, by place.
    seen: Vec<u32>,
    /// The new values of rows whose value differs from the one before, by place.
    moved: HashMap<usize, V, RandomState>,
}

impl<K: Copy + Eq + Hash, V: Copy + Eq> Rows<K, V> {
    pub(super) fn new() -> Self {
        Rows {
            rows: Chunks::new(),
            places: HashTable::new(),
            hasher: RandomState::default(),
            copies: HashMap::default(),
            reading: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn for_each(&self, mut see: impl FnMut(&K, &V)) {
        (0..self.len()).map(|place| self.rows.get(place)).for_each(|(key, value)| see(key, value));
    }

    pub(super) fn begin(&mut self) {
        let before = self.len();
        self.reading = Some(Reading { before, seen: vec![0; before], moved: HashMap::default() });
    }

    pub(super) fn seen(&mut self, key: K, value: V) {
        let place = self.place_of(&key);
        let Some(reading) = &mut self.reading else { return };
        match place {
            None => {
                reading.seen.push(1);
                self.add(key, value);
            }
            Some(place) if self.rows.get(place).1 == value => reading.seen[place] += 1,
            Some(place) if place >= reading.before => {
                self.rows.get_mut(place).1 = value;
                reading.seen[place] = 1;
            }
            Some(place) => {
                reading.moved.insert(place, value);
            }
        }
    }

    pub(super) fn finish(&mut self) -> Vec<Difference<K, V>> {
        let mut differences = Vec::new();
        let Some(Reading { before, seen, mut moved }) = self.reading.take() else { return differences };
        // Backwards: a row that is removed leaves its place to the last one.
        for place in (0..self.len()).rev() {
            let (key, value) = *self.rows.get(place);
            let copies = if place < before { self.copies_of(&key) } else { 0 };
            if let Some(value_now) = moved.remove(&place) {
                push(&mut differences, key, value, -(copies as Diff));
                push(&mut differences, key, value_now, 1);
                self.rows.get_mut(place).1 = value_now;
                self.copies.remove(&key);
                continue;
            }
            let now = seen[place];
            push(&mut differences, key, value, now as Diff - copies as Diff);
            match now {
                0 => {
                    self.remove_at(place);
                }
                1 if copies <= 1 => {}
                _ => self.set_copies(key, now),
            }
        }
        self.give_room_back();
        differences
    }

    /// Leaves the rows as they were before the reading that was not finished.
    pub(super) fn abandon(&mut self) {
        if let Some(Reading { before, .. }) = self.reading.take() {
            for place in (before..self.len()).rev() {
                self.remove_at(place);
            }
            self.give_room_back();
        }
    }

    /// Takes the rows, each as its own key.
    pub(super) fn take_by_row(&mut self) -> Rows<(K, V), ()>
    where
        V: Hash,
    {
        let mut by_row = Rows::new();
        for place in (0..self.len()).rev() {
            let ((key, value), copies) = self.remove_at(place);
            by_row.add((key, value), ());
            by_row.set_copies((key, value), copies);
        }
        *self = Rows::new();
        by_row
    }

    /// The row with this key, seen by a finished reading or stored since.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.place_of(key).map(|place| self.rows.get(place).1)
    }

    /// One more row. Its value is that of the rows with its key, if there are any.
    pub(super) fn hold(&mut self, key: K, value: V) {
        match self.place_of(&key) {
            None => self.add(key, value),
            Some(_) => self.set_copies(key, self.copies_of(&key) + 1),
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.place_of(key).map(|place| self.remove_at(place).0.1)
    }

    /// Forgets the rows that `keep` does not hold on to, and gives them as gone.
    pub(super) fn keep(&mut self, mut keep: impl FnMut(&K, &V) -> bool) -> Vec<Difference<K, V>> {
        let mut differences = Vec::new();
        for place in (0..self.len()).rev() {
            let (key, value) = self.rows.get(place);
            if !keep(key, value) {
                let ((key, value), copies) = self.remove_at(place);
                push(&mut differences, key, value, -(copies as Diff));
            }
        }
        self.give_room_back();
        differences
    }

    fn place_of(&self, key: &K) -> Option<usize> {
        let is_it = |place: &u32| self.rows.get(*place as usize).0 == *key;
        self.places.find(self.hasher.hash_one(key), is_it).map(|place| *place as usize)
    }

    /// Adds a row with a key that no row has.
    fn add(&mut self, key: K, value: V) {
        let place = u32::try_from(self.len()).expect("memory ends before four billion rows");
        self.rows.push((key, value));
        let (rows, hasher) = (&self.rows, &self.hasher);
        let hash_of = |place: &u32| hasher.hash_one(rows.get(*place as usize).0);
        self.places.insert_unique(hasher.hash_one(key), place, hash_of);
    }

    /// Removes a row, whose place the last one takes; returns it with the number of its copies.
    fn remove_at(&mut self, place: usize) -> ((K, V), u32) {
        let last = self.len() - 1;
        let (key, last_key) = (self.rows.get(place).0, self.rows.get(last).0);
        let entry = self.places.find_entry(self.hasher.hash_one(key), |at| *at as usize == place);
        entry.expect("each row has its place in the index").remove();
        if let Some(at) = self.places.find_mut(self.hasher.hash_one(last_key), |at| *at as usize == last) {
            *at = u32::try_from(place).expect("a place is a number that was given");
        }
        let copies = self.copies_of(&key);
        self.copies.remove(&key);
        (self.rows.swap_remove(place), copies)
    }

    /// The number of equal rows, of a row that is there.
    fn copies_of(&self, key: &K) -> u32 {
        if self.copies.is_empty() { 1 } else { self.copies.get(key).copied().unwrap_or(1) }
    }

    fn set_copies(&mut self, key: K, copies: u32) {
        if copies > 1 {
            self.copies.insert(key, copies);
        } else {
            self.copies.remove(&key);
        }
    }

    fn give_room_back(&mut self) {
        if self.places.capacity() > ROOM_MIN && self.places.len() < self.places.capacity() / 4 {
            let (rows, hasher) = (&self.rows, &self.hasher);
            self.places.shrink_to_fit(|place| hasher.hash_one(rows.get(*place as usize).0));
        }
        if self.copies.capacity() > ROOM_MIN && self.copies.len() < self.copies.capacity() / 4 {
            self.copies.shrink_to_fit();
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
        size_of::<(K, V)>()
    }

    #[test]
    fn rows_are_as_small_as_documented() {
        assert_eq!(bytes::<OrderKey, (UserKey, Placed)>(), 40);
        assert_eq!(bytes::<(OrderRow, ()), ()>(), 40);
        assert_eq!(bytes::<(LineRow, ()), ()>(), 32);
        assert_eq!(bytes::<RowKey, (OrderKey, ProductKey)>(), 32);
        assert_eq!(bytes::<ProductKey, CategoryKey>(), 16);
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
        assert!(rows.places.capacity() < 1000);
        assert!(rows.rows.capacity() <= 2 * 1024);
    }
}
