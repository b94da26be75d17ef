//! The rows of one table, kept so that reading the table again gives differences.
//!
//! ```text
//! begin ─▶ seen(row) … seen(row) ─▶ finish ─▶ what went (-) and what came (+), in one go
//!                         └─ dropped unfinished: nothing has changed
//! ```
//! A table with a primary key is kept by key: a row whose other columns changed takes the place of the row before. A
//! table without one is kept by row, with the number of equal rows, as is a table whose key is not among the columns
//! that are read. A log of single changes fits the same shape: by key it finds and replaces one row, and the key alone
//! says which (`put`, `remove`, `clear`). Rows from a log and rows from a reading are kept alike.
//!
//! Rows are keys, not text. Memory per row: 40 bytes for an order, 32 for a line (by the key of its row: 32 too), 16 for a
//! product of the catalogue; the index adds 6 to 11 bytes to each. A refresh adds what differs and 4 bytes a row, no second
//! copy.

mod chunks;
mod rows;

#[cfg(test)]
mod proptests;

use std::hash::Hash;

use dataflow::time::Diff;
use rows::Rows;

/// A row as its key and its other columns, and how many of it came (+) or went (-).
pub type Difference<K, V> = ((K, V), Diff);

/// The rows of one table: `K` is the key, `V` the other columns that are read.
pub struct RowStore<K, V>(Table<K, V>);

enum Table<K, V> {
    ByKey(Rows<K, V>),
    ByRow(Rows<(K, V), ()>),
}

impl<K: Copy + Eq + Hash, V: Copy + Eq + Hash> RowStore<K, V> {
    /// For a table in which no two rows have the same key. If two have all the same, one of them counts.
    #[must_use]
    pub fn by_key() -> Self {
        RowStore(Table::ByKey(Rows::new()))
    }

    /// For a table in which any rows may be equal.
    #[must_use]
    pub fn by_row() -> Self {
        RowStore(Table::ByRow(Rows::new()))
    }

    /// From now on any rows may be equal, as in [`RowStore::by_row`]; the rows stay.
    pub fn keep_by_row(&mut self) {
        if let Table::ByKey(rows) = &mut self.0 {
            self.0 = Table::ByRow(rows.take_by_row());
        }
    }

    /// Adds a row of an earlier process: it is no difference.
    pub fn hold(&mut self, key: K, value: V) {
        if matches!(&self.0, Table::ByKey(rows) if rows.get(&key).is_some()) {
            self.keep_by_row();
        }
        match &mut self.0 {
            Table::ByKey(rows) => rows.hold(key, value),
            Table::ByRow(rows) => rows.hold((key, value), ()),
        }
    }

    /// Whether rows are kept by key.
    #[must_use]
    pub fn is_by_key(&self) -> bool {
        matches!(self.0, Table::ByKey(_))
    }

    /// Calls `see` with each different row.
    pub fn for_each(&self, mut see: impl FnMut(&K, &V)) {
        match &self.0 {
            Table::ByKey(rows) => rows.for_each(see),
            Table::ByRow(rows) => rows.for_each(|(key, value), ()| see(key, value)),
        }
    }

    /// The row with this key; none where rows are not kept by key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        match &self.0 {
            Table::ByKey(rows) => rows.get(key),
            Table::ByRow(_) => None,
        }
    }

    /// The table has this row now, and no other one with its key: calls `out` with what differs. Where rows are not kept by
    /// key it is one more row.
    pub fn put(&mut self, key: K, value: V, out: &mut impl FnMut(K, V, Diff)) {
        match &mut self.0 {
            Table::ByKey(rows) => {
                if let Some(before) = rows.get(&key) {
                    if before == value {
                        return;
                    }
                    rows.remove(&key);
                    out(key, before, -1);
                }
                rows.hold(key, value);
            }
            Table::ByRow(rows) => rows.hold((key, value), ()),
        }
        out(key, value, 1);
    }

    /// The row with this key is gone: calls `out` with it. Does nothing where rows are not kept by key.
    pub fn remove(&mut self, key: &K, out: &mut impl FnMut(K, V, Diff)) {
        if let Table::ByKey(rows) = &mut self.0
            && let Some(before) = rows.remove(key)
        {
            out(*key, before, -1);
        }
    }

    /// Removes the rows for which `keep` returns false, and calls `out` with each.
    pub fn keep(&mut self, mut keep: impl FnMut(&K, &V) -> bool, out: &mut impl FnMut(K, V, Diff)) {
        match &mut self.0 {
            Table::ByKey(rows) => {
                rows.keep(keep).into_iter().for_each(|((key, value), diff)| out(key, value, diff));
            }
            Table::ByRow(rows) => {
                let gone = rows.keep(|(key, value), ()| keep(key, value));
                gone.into_iter().for_each(|(((key, value), ()), diff)| out(key, value, diff));
            }
        }
    }

    /// The table is empty: calls `out` with every row that is gone.
    pub fn clear(&mut self, out: &mut impl FnMut(K, V, Diff)) {
        self.keep(|_, _| false, out);
    }

    /// Begins to read the table again.
    pub fn begin(&mut self) -> Refresh<'_, K, V> {
        match &mut self.0 {
            Table::ByKey(rows) => rows.begin(),
            Table::ByRow(rows) => rows.begin(),
        }
        Refresh(&mut self.0)
    }

    /// How many different rows the table has.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Table::ByKey(rows) => rows.len(),
            Table::ByRow(rows) => rows.len(),
        }
    }

    /// Whether the table has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A table that is being read again. Dropped before [`Refresh::finish`], it leaves the table as it was.
pub struct Refresh<'a, K: Copy + Eq + Hash, V: Copy + Eq + Hash>(&'a mut Table<K, V>);

impl<K: Copy + Eq + Hash, V: Copy + Eq + Hash> Refresh<'_, K, V> {
    /// The table has this row.
    pub fn seen(&mut self, key: K, value: V) {
        match self.0 {
            Table::ByKey(rows) => rows.seen(key, value),
            Table::ByRow(rows) => rows.seen((key, value), ()),
        }
    }

    /// Every row has been seen: what differs from the time before, each row at most once.
    #[must_use]
    pub fn finish(self) -> Vec<Difference<K, V>> {
        match &mut *self.0 {
            Table::ByKey(rows) => rows.finish(),
            Table::ByRow(rows) => rows.finish().into_iter().map(|((row, ()), diff)| (row, diff)).collect(),
        }
    }
}

impl<K: Copy + Eq + Hash, V: Copy + Eq + Hash> Drop for Refresh<'_, K, V> {
    fn drop(&mut self) {
        match self.0 {
            Table::ByKey(rows) => rows.abandon(),
            Table::ByRow(rows) => rows.abandon(),
        }
    }
}
