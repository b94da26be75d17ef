//! Checks an archive: chains without a gap, files that can be read, and rows that fit the names.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sources::kafka::upstream::PartitionId;

use crate::chain::{Chain, Segment, Survey};
use crate::file::{self, FileError, SegmentSum};
use crate::store::{Store, StoreError};
use rows::RowsOfFile;

/// What the check of a partition has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments.
    pub segments: usize,
    /// Rows in them.
    pub rows: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// What is not wrong and worth knowing.
    pub notes: Vec<String>,
}

/// Reads all objects of an archive: their names, not their content.
///
/// # Errors
/// When the store does not answer.
pub fn survey(store: &dyn Store) -> Result<Survey, StoreError> {
    Ok(Survey::of(store.list("")?))
}

/// Checks all partitions. `seen` is called with each file's size when it has been read.
///
/// # Errors
/// When the store does not answer.
pub fn verify(
    store: &dyn Store,
    survey: &Survey,
    mut seen: impl FnMut(u64),
) -> Result<BTreeMap<PartitionId, Report>, StoreError> {
    let mut reports = BTreeMap::new();
    for (id, chain) in &survey.chains {
        let mut report = of_names(chain);
        for segment in &chain.segments {
            of_segment(store, segment, &mut report, &mut seen)?;
        }
        reports.insert(id.clone(), report);
    }
    Ok(reports)
}

/// What the names alone show.
fn of_names(chain: &Chain) -> Report {
    let mut report = Report { segments: chain.segments.len(), ..Report::default() };
    for range in chain.missing() {
        report.problems.push(format!("offsets {} to {} are missing", range.start(), range.end()));
    }
    for range in chain.overlaps() {
        report.problems.push(format!("offsets {} to {} are in several files", range.start(), range.end()));
    }
    let merged = chain.unfinished_merges().count();
    let double = merged + chain.doubles.iter().map(|segment| segment.files.len()).sum::<usize>();
    if double > 0 {
        let note = format!(
            "{double} double files of a merging that runs now or was interrupted; the next `compact` removes them"
        );
        report.notes.push(note);
    }
    let unfinished = chain.unfinished.len() - merged;
    if unfinished > 0 {
        report.notes.push(format!(
            "{unfinished} unfinished files, which a server is writing now or the next start of a server removes; `compact` does not"
        ));
    }
    report
}

/// What the files of a segment show.
fn of_segment(
    store: &dyn Store,
    segment: &Segment,
    report: &mut Report,
    seen: &mut impl FnMut(u64),
) -> Result<(), StoreError> {
    let (mut offsets, mut sum) = (Vec::new(), SegmentSum::default());
    for stored in &segment.files {
        let name = &stored.name;
        let bytes = store.get(&name.to_string())?;
        let mut rows = RowsOfFile::new(name);
        let read = file::read_with_origin(name.format, bytes, |row, origin| {
            offsets.push(row.offset);
            rows.take(row, origin);
            Ok::<(), FileError>(())
        });
        seen(stored.bytes);
        match read {
            Ok(stated) => sum.add(stated),
            Err(FileError(reason)) => report.problems.push(format!("{name} cannot be read: {reason}")),
        }
        report.problems.extend(rows.problems());
    }
    let (rows, range) = (offsets.len() as u64, segment.first..=segment.last);
    let place = || segment.files.last().map(|file| file.name.to_string()).unwrap_or_default();
    if let Some(outside) = offsets.iter().find(|offset| !range.contains(offset)) {
        report.problems.push(format!("{}: offset {outside} is outside of the name's range", place()));
    }
    offsets.sort_unstable();
    if let Some(double) = offsets.windows(2).find(|pair| pair[0] == pair[1]) {
        report.problems.push(format!("{}: offset {} is there twice", place(), double[0]));
    }
    if let Err(FileError(reason)) = sum.check(rows) {
        report.problems.push(format!("{}: {reason}", place()));
    }
    report.rows += rows;
    Ok(())
}
