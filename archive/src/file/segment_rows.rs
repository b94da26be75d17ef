//! Whether a segment has all of its rows.

use super::FileError;

/// The number of rows of a segment, as its files state it. All state the same, except while an erasure is under way: of files that
/// were written again and files that were not, each states the rows that the segment had then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SegmentRows {
    least: Option<u64>,
    most: Option<u64>,
    /// A file states nothing.
    is_unknown: bool,
}

impl SegmentRows {
    /// Takes what one file states.
    pub(crate) fn add(&mut self, stated: Option<u64>) {
        self.least = self.least.into_iter().chain(stated).min();
        self.most = self.most.max(stated);
        self.is_unknown |= stated.is_none();
    }

    /// The number of missing rows of a segment that has `rows`.
    pub(crate) fn missing(&self, rows: u64) -> u64 {
        self.least.map_or(0, |least| least.saturating_sub(rows))
    }

    /// Compares what is stated with the rows that there are.
    ///
    /// # Errors
    /// When there are fewer, or more.
    pub(crate) fn check(&self, rows: u64) -> Result<(), FileError> {
        let least = self.least.filter(|least| rows < *least);
        let most = self.most.filter(|most| !self.is_unknown && rows > *most);
        match least.or(most) {
            None => Ok(()),
            Some(stated) => Err(FileError(format!("its segment has {rows} rows, and states {stated}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(stated: &[Option<u64>]) -> SegmentRows {
        let mut rows = SegmentRows::default();
        stated.iter().for_each(|stated| rows.add(*stated));
        rows
    }

    #[test]
    fn a_segment_has_the_rows_that_its_files_state() {
        let whole = rows(&[Some(10), Some(10)]);
        assert_eq!((whole.check(10), whole.missing(10)), (Ok(()), 0));
        assert_eq!(whole.check(9), Err(FileError("its segment has 9 rows, and states 10".into())));
        assert_eq!((whole.missing(9), whole.check(11).is_err()), (1, true));
        // An erasure is under way: it removes three rows from two files.
        let erased_in_part = rows(&[Some(7), Some(10)]);
        assert!((7..=10).all(|rows| erased_in_part.check(rows).is_ok()));
        assert!(erased_in_part.check(6).is_err() && erased_in_part.check(11).is_err());
    }

    #[test]
    fn a_file_that_states_nothing_may_have_any_rows() {
        assert_eq!((rows(&[None, None]).check(3), rows(&[]).check(0)), (Ok(()), Ok(())));
        let some = rows(&[Some(7), None]);
        assert!(some.check(6).is_err() && some.check(7).is_ok() && some.check(8).is_ok());
    }
}
