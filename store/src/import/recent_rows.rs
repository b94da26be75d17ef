//! Rows that earlier records of a file had, so that a row that is repeated is read and written once.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::kind::Kind;

/// Rows that are remembered, at most.
const ROWS_MAX: u64 = 1 << 20;

/// A row of a file: its place, which depends on its id alone, and two hashes of all its values.
#[derive(Clone, Copy)]
pub(super) struct RowMark {
    place: usize,
    content: [u64; 2],
}

/// The last row at each place. Each row of an id has the place of that id, so a row that is found is the last one of its id.
#[derive(Default)]
pub(super) struct RecentRows {
    // Nobody outside knows these, so nobody can make two rows with the same hashes.
    hashers: [RandomState; 2],
    rows: Vec<[u64; 2]>,
}

impl RecentRows {
    /// The mark of a row with this id and these values, each with its field.
    pub(super) fn mark<'c>(
        &self,
        kind: Kind,
        id: &str,
        values: impl Iterator<Item = (&'c str, Option<&'c str>)>,
    ) -> RowMark {
        let place = self.hashers[0].hash_one((kind as u8, id)) % ROWS_MAX;
        let mut hashers = self.hashers.each_ref().map(BuildHasher::build_hasher);
        let mut add = |part: (&str, Option<&str>)| hashers.iter_mut().for_each(|hasher| part.hash(hasher));
        add((kind.name(), None));
        values.for_each(add);
        let place = usize::try_from(place).expect("places are few");
        RowMark { place, content: hashers.map(|hasher| hasher.finish()) }
    }

    /// Whether the last row with this id had the same values. Says no if it has been forgotten.
    pub(super) fn has(&self, mark: RowMark) -> bool {
        self.rows.get(mark.place).is_some_and(|content| *content == mark.content)
    }

    /// Remembers a row.
    pub(super) fn put(&mut self, mark: RowMark) {
        if self.rows.len() <= mark.place {
            self.rows.resize(mark.place + 1, [0; 2]);
        }
        self.rows[mark.place] = mark.content;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_known_until_its_id_has_other_values() {
        let mut recent = RecentRows::default();
        let mark = |recent: &RecentRows, kind, name| recent.mark(kind, "lamp", [("name", name)].into_iter());
        let (lamp, desk_lamp) = (Some("Lamp"), Some("Desk lamp"));
        let first = mark(&recent, Kind::Products, lamp);
        assert!(!recent.has(first));
        recent.put(first);
        assert!(recent.has(mark(&recent, Kind::Products, lamp)));
        let second = mark(&recent, Kind::Products, desk_lamp);
        assert!(!recent.has(second) && !recent.has(mark(&recent, Kind::Users, lamp)));
        recent.put(second);
        assert!(!recent.has(first), "the row has other values now");
        recent.put(mark(&recent, Kind::Products, None));
        assert!(!recent.has(mark(&recent, Kind::Products, Some(""))), "no value is no empty text");
    }
}
