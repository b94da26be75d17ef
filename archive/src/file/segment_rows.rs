//! Whether a segment has all of its rows.

use super::FileError;

/// What each file of a segment states about the rows of the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRows {
    /// The rows of all files of the segment when they were written. All files state the same number.
    pub written: u64,
    /// The rows that erasures have removed from this file since.
    pub erased: u64,
}

impl SegmentRows {
    /// A segment from which nothing was erased.
    #[must_use]
    pub fn new(written: u64) -> SegmentRows {
        SegmentRows { written, erased: 0 }
    }
}

/// Adds up what the files of a segment state.
///
/// A file that is written again states how many of its own rows are gone, and the other files need no change. So the sum is right at
/// any moment of an erasure, whichever files it has written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SegmentSum {
    written: Option<u64>,
    erased: u64,
}

impl SegmentSum {
    /// Takes what one file states.
    pub(crate) fn add(&mut self, stated: Option<SegmentRows>) {
        if let Some(SegmentRows { written, erased }) = stated {
            self.written = self.written.max(Some(written));
            self.erased = self.erased.saturating_add(erased);
        }
    }

    /// Compares what is stated with the rows that there are. Files that state nothing may have any rows.
    ///
    /// # Errors
    /// When there are fewer rows, or more.
    pub(crate) fn check(&self, rows: u64) -> Result<(), FileError> {
        match self.written.map(|written| written.saturating_sub(self.erased)) {
            Some(stated) if stated != rows => {
                Err(FileError(format!("its segment has {rows} rows, and states {stated}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(stated: &[Option<SegmentRows>]) -> SegmentSum {
        let mut sum = SegmentSum::default();
        stated.iter().for_each(|stated| sum.add(*stated));
        sum
    }

    #[test]
    fn a_segment_has_the_rows_that_its_files_state() {
        let whole = sum(&[Some(SegmentRows::new(10)); 2]);
        assert_eq!(whole.check(10), Ok(()));
        assert_eq!(whole.check(9), Err(FileError("its segment has 9 rows, and states 10".into())));
        assert!(whole.check(11).is_err());
        // An erasure removes three rows from two files, and has written one of them.
        let mut files = [Some(SegmentRows { written: 10, erased: 2 }), Some(SegmentRows::new(10))];
        assert_eq!([7, 8, 9].map(|rows| sum(&files).check(rows).is_ok()), [false, true, false]);
        files[1] = Some(SegmentRows { written: 10, erased: 1 });
        assert_eq!([6, 7, 8].map(|rows| sum(&files).check(rows).is_ok()), [false, true, false]);
    }

    #[test]
    fn a_file_that_states_nothing_may_have_any_rows() {
        assert_eq!((sum(&[None, None]).check(3), sum(&[]).check(0)), (Ok(()), Ok(())));
        assert_eq!([6, 7].map(|rows| sum(&[Some(SegmentRows::new(7)), None]).check(rows).is_ok()), [false, true]);
    }
}
