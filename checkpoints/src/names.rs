//! The names of files in the directory: tick, part and kind, so that a listing is sorted by tick.

use dataflow::time::Time;

/// The suffix of unfinished files.
const TEMPORARY: &str = ".tmp";
const MANIFEST: &str = ".manifest";
const DATA: &str = ".rows";

/// One part of the checkpoint of one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Piece {
    pub(crate) tick: Time,
    pub(crate) parts: u32,
    pub(crate) part: u32,
}

/// The kind of a file in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Manifest(Piece),
    /// Rows, of the n-th attempt to write this part.
    Data(Piece, u32),
    /// An unfinished file.
    Temporary(Piece),
}

impl Piece {
    pub(crate) fn manifest(self) -> String {
        format!("{}{MANIFEST}", self.stem())
    }

    pub(crate) fn data(self, attempt: u32) -> String {
        format!("{}-{attempt}{DATA}", self.stem())
    }

    fn stem(self) -> String {
        format!("{:020}-part-{}-of-{}", self.tick, self.part, self.parts)
    }

    fn of_stem(stem: &str) -> Option<Piece> {
        let (tick, rest) = stem.split_once("-part-")?;
        let (part, parts) = rest.split_once("-of-")?;
        Some(Piece { tick: tick.parse().ok()?, part: part.parse().ok()?, parts: parts.parse().ok()? })
    }
}

/// The temporary name of a file until it is complete.
pub(crate) fn temporary(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

/// The kind of the file with this name; `None` for files that do not belong to checkpoints, which are never changed.
pub(crate) fn meaning(name: &str) -> Option<Meaning> {
    let found = if let Some(inner) = name.strip_suffix(TEMPORARY) {
        match meaning(inner)? {
            Meaning::Manifest(piece) | Meaning::Data(piece, _) => Meaning::Temporary(piece),
            Meaning::Temporary(_) => return None,
        }
    } else if let Some(stem) = name.strip_suffix(MANIFEST) {
        Meaning::Manifest(Piece::of_stem(stem)?)
    } else {
        let (stem, attempt) = name.strip_suffix(DATA)?.rsplit_once('-')?;
        Meaning::Data(Piece::of_stem(stem)?, attempt.parse().ok()?)
    };
    // A number can be written in several ways; only the way in which it is written here is accepted.
    let same = match &found {
        Meaning::Manifest(piece) => piece.manifest() == name,
        Meaning::Data(piece, attempt) => piece.data(*attempt) == name,
        Meaning::Temporary(_) => true,
    };
    same.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_no_other_name_is_ours() {
        let piece = Piece { tick: 1_700_000_000_123, part: 1, parts: 12 };
        assert_eq!(piece.data(3), "00000001700000000123-part-1-of-12-3.rows");
        assert_eq!(meaning(&piece.data(3)), Some(Meaning::Data(piece, 3)));
        assert_eq!(meaning(&piece.manifest()), Some(Meaning::Manifest(piece)));
        for name in [piece.manifest(), piece.data(0)] {
            assert_eq!(meaning(&temporary(&name)), Some(Meaning::Temporary(piece)));
            assert_eq!(meaning(&temporary(&temporary(&name))), None);
        }
        for other in ["", "x", ".tmp", ".rows", "5-part-0-of-1.manifest", "views.jsonl", "part-0.lock"] {
            assert_eq!(meaning(other), None, "{other}");
        }
    }
}
