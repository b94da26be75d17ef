//! The rows of one file: whether they fit its name.

use crate::file::Origin;
use crate::name::{Hour, ObjectName};
use crate::row::Row;

/// What the rows of a file have shown so far. Of each fault, the first row is named.
pub(super) struct RowsOfFile<'n> {
    name: &'n ObjectName,
    last: Option<i64>,
    is_unsorted: bool,
    /// A row of another partition.
    strange: Option<String>,
    /// A row of another hour.
    misplaced: Option<String>,
}

impl<'n> RowsOfFile<'n> {
    pub(super) fn new(name: &'n ObjectName) -> RowsOfFile<'n> {
        RowsOfFile { name, last: None, is_unsorted: false, strange: None, misplaced: None }
    }

    pub(super) fn take(&mut self, row: &Row<'_>, origin: Origin<'_>) {
        let (ObjectName { id, hour, .. }, offset, Origin { topic, partition }) = (self.name, row.offset, origin);
        self.is_unsorted |= self.last >= Some(offset);
        self.last = Some(offset);
        if self.strange.is_none() && (topic, partition) != (&*id.topic, id.partition) {
            self.strange = Some(format!("offset {offset} is of {topic}/{partition}"));
        }
        // Without a time of its record, a row is in the hour of its event or of its reading.
        let dated = row.record_time.and_then(|time| u64::try_from(time).ok()).map(Hour::of);
        if self.misplaced.is_none()
            && let Some(dated) = dated.filter(|dated| dated != hour)
        {
            self.misplaced = Some(format!("offset {offset} is of {dated}"));
        }
    }

    /// What is wrong, in words.
    pub(super) fn problems(self) -> impl Iterator<Item = String> {
        let unsorted = self.is_unsorted.then(|| "offsets do not rise".to_owned());
        let problems = unsorted.into_iter().chain(self.strange).chain(self.misplaced);
        problems.map(move |problem| format!("{}: {problem}", self.name))
    }
}
