//! The refused rows of a table: a table is read again and again, but a refused row is reported once.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

/// Refused rows that are remembered, at 8 bytes each. Beyond them a refused row is reported at every reading.
const REMEMBERED_MAX: usize = 1 << 20;

/// Hashes of the refused rows of one table.
#[derive(Default)]
pub(crate) struct Refusals {
    hasher: RandomState,
    /// Refused before the current reading.
    before: HashSet<u64, RandomState>,
    /// Refused by the current reading.
    now: HashSet<u64, RandomState>,
    too_many: bool,
}

impl Refusals {
    /// Remembers a refused row; whether it was not refused before.
    pub(crate) fn is_new(&mut self, row: &impl Hash) -> bool {
        let hash = self.hasher.hash_one(row);
        if self.now.contains(&hash) {
            return false;
        }
        let known = self.before.remove(&hash);
        if !known && self.before.len() + self.now.len() >= REMEMBERED_MAX {
            self.warn();
            return true;
        }
        self.now.insert(hash);
        !known
    }

    /// The whole table has been read: a row that was not refused again is forgotten, and is new if it comes back.
    pub(crate) fn end_reading(&mut self) {
        self.before = std::mem::take(&mut self.now);
        self.too_many = false;
    }

    fn warn(&mut self) {
        if !std::mem::replace(&mut self.too_many, true) {
            tracing::warn!(
                remembered = REMEMBERED_MAX,
                "too many rows are refused: further ones are reported at every reading"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_row_is_new_once() {
        let mut refusals = Refusals::default();
        assert!(refusals.is_new(&"a") && !refusals.is_new(&"a"));
        refusals.end_reading();
        assert!(!refusals.is_new(&"a") && refusals.is_new(&"b"));
        refusals.end_reading();
        refusals.end_reading();
        assert!(refusals.is_new(&"a"), "it was gone for a whole reading");
    }

    #[test]
    fn memory_has_an_end() {
        let mut refusals = Refusals::default();
        assert!((0..=REMEMBERED_MAX).all(|row| refusals.is_new(&row)));
        assert_eq!(refusals.now.len(), REMEMBERED_MAX);
        assert!(
            !refusals.is_new(&0) && refusals.is_new(&REMEMBERED_MAX),
            "a row that is not remembered is reported again"
        );
    }
}
