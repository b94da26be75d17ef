//! [`Expiring`]: the rows of one table that leave it by themselves, in the order of their times.
//!
//! A worker takes out the rows that it was given, also after a restart, when it was given some of the restored rows.

use std::collections::BTreeMap;

use crate::tables::{self, Family, Pair, Rows, Table};
use crate::time::{Millis, Time};

/// The rows that a worker has to take out of the tables.
pub(super) struct ExpiringRows;

impl Family for ExpiringRows {
    type Of<T: Table> = Expiring<T>;
}

/// Updates that take rows out.
pub(super) struct Due;

impl Family for Due {
    type Of<T: Table> = Rows<T>;
}

/// The rows of one table.
pub(super) struct Expiring<T: Table> {
    rows: BTreeMap<Millis, Rows<T>>,
}

impl<T: Table> Expiring<T> {
    /// From `at` on, the row is taken out by adding `diff`.
    pub(super) fn push(&mut self, at: Millis, row: Pair<T>, diff: T::Diff) {
        self.rows.entry(at).or_default().push((row, diff));
    }
}

/// Makes a table's rows, which are none.
pub(super) struct NoRows;

impl tables::Make<ExpiringRows> for NoRows {
    fn make<T: Table>(&mut self) -> Expiring<T> {
        Expiring { rows: BTreeMap::new() }
    }
}

/// Takes the rows whose time is not after this one.
pub(super) struct TakeUntil {
    pub(super) now: Time,
    /// For tables whose rows leave as the sources read.
    pub(super) read: Time,
}

impl tables::MapMut<ExpiringRows, Due> for TakeUntil {
    fn map<T: Table>(&mut self, expiring: &mut Expiring<T>) -> Rows<T> {
        let now = if T::LEAVES_AS_READ { self.read } else { self.now };
        let mut due = Vec::new();
        while let Some(first) = expiring.rows.first_entry().filter(|first| *first.key() <= now) {
            due.append(&mut first.remove());
        }
        due
    }
}
