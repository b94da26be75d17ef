//! Rows that earlier records of a file had, so that a row that is repeated is read and written once.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::kind::Kind;

/// Rows that are remembered, at most.
const ROWS_MAX: u64 = 1 << 20;

/// A row of a file: its place, which depends on its id alone, and two hashes of all its cells.
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
    /// The mark of a row with this id and these cells, each with its field.
    pub(super) fn mark<'c>(&self, kind: Kind, id: &str, cells: impl Iterator<Item = (&'c str, &'c str)>) -> RowMark {
        let place = self.hashers[0].hash_one((kind as u8, id)) % ROWS_MAX;
        let mut hashers = self.hashers.each_ref().map(BuildHasher::build_hasher);
        let mut add = |part: &str| hashers.iter_mut().for_each(|hasher| part.hash(hasher));
        add(kind.name());
        for (field, cell) in cells {
            add(field);
            add(cell);
        }
        let place = usize::try_from(place).expect("places are few");
        RowMark { place, content: hashers.map(|hasher| hasher.finish()) }
    }

    /// Whether the last row with this id had the same cells. Says no if it has been forgotten.
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
    fn a_row_is_known_until_its_id_has_other_cells() {
        let mut recent = RecentRows::default();
        let mark = |recent: &RecentRows, kind, name| recent.mark(kind, "lamp", [("name", name)].into_iter());
        let first = mark(&recent, Kind::Products, "Lamp");
        assert!(!recent.has(first));
        recent.put(first);
        assert!(recent.has(mark(&recent, Kind::Products, "Lamp")));
        let second = mark(&recent, Kind::Products, "Desk lamp");
        assert!(!recent.has(second) && !recent.has(mark(&recent, Kind::Users, "Lamp")));
        recent.put(second);
        assert!(!recent.has(first), "the row has other cells now");
    }
}
