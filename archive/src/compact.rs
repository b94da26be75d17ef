//! Merges small segments of one partition and hour.
//!
//! ```text
//! 0-99, 100-199, 200-299 ─▶ parts 0-299, durable ─▶ closing file 0-299, durable ─▶ the old closing files go, then their parts
//! ```
//! Segments that follow each other, and whose closing files are of one hour, become one segment over all their offsets, with
//! one file for each hour. The new segment is durable before the old ones are removed. If that is interrupted, the old
//! segments are double, as their ranges are in the new one, and so are parts of a new one that is not complete: the next start
//! of the archiver or the next merging removes them. In between, the names say which files count (see [`crate::chain`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sources::kafka::upstream::PartitionId;

use crate::chain::{Chain, Segment, Survey};
use crate::file::{self, FileError, FileWriter, SegmentRows, SegmentSum};
use crate::name::{Hour, ObjectName, Role};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// Files of other hours than the closing hour take at most one part in this many of a merged segment. A reader that reads a
/// segment in the order of its offsets holds these files in memory.
const PARTS_SHARE: u64 = 8;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Files that were merged.
    pub files: u64,
    /// Files that they became.
    pub into: u64,
    /// Files that an interrupted merging had left.
    pub removed: u64,
}

/// Why merging ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// The store does not answer, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read. Nothing of it was removed.
    #[error("{name}: {reason}; nothing of it was removed")]
    File {
        /// Its name.
        name: String,
        /// The reason.
        reason: FileError,
    },
}

/// Merges in all partitions; files become at most as large as the settings allow.
///
/// # Errors
/// When the store does not answer, or a file cannot be read. Whatever was done until then is whole.
pub fn compact(store: &dyn Store, settings: &Settings) -> Result<Merged, CompactError> {
    let mut merged = Merged::default();
    for (id, chain) in Survey::of(store.list("")?).chains {
        for segment in &chain.doubles {
            remove(store, segment)?;
            merged.removed += segment.files.len() as u64;
        }
        for name in chain.unfinished_merges() {
            store.remove(name)?;
            merged.removed += 1;
        }
        for run in runs(&chain, settings) {
            merged.into += merge(store, &id, run, settings)?;
            merged.files += run.iter().map(|segment| segment.files.len() as u64).sum::<u64>();
        }
    }
    Ok(merged)
}

/// The longest runs of segments that can be merged, each of two or more.
fn runs<'a>(chain: &'a Chain, settings: &Settings) -> Vec<&'a [Segment]> {
    let (mut runs, mut rest) = (Vec::new(), chain.segments.as_slice());
    let (all_max, parts_max) = (settings.file_bytes_max as u64, settings.file_bytes_max as u64 / PARTS_SHARE);
    while let [first, ..] = rest {
        let (mut length, mut bytes, mut parts) = (1, first.bytes(), parts_of(first));
        while let [before, next, ..] = &rest[length - 1..]
            && follows(before, next)
            && bytes + next.bytes() <= all_max
            && parts + parts_of(next) <= parts_max
        {
            bytes += next.bytes();
            parts += parts_of(next);
            length += 1;
        }
        let (run, after) = rest.split_at(length);
        if length > 1 {
            runs.push(run);
        }
        rest = after;
    }
    runs
}

/// The bytes of the files of a segment that are not its closing file.
fn parts_of(segment: &Segment) -> u64 {
    segment.bytes() - segment.files.last().map_or(0, |closing| closing.bytes)
}

fn closing_hour(segment: &Segment) -> Option<Hour> {
    segment.files.last().map(|closing| closing.name.hour)
}

/// Whether two segments can be one.
fn follows(before: &Segment, next: &Segment) -> bool {
    before.last + 1 == next.first && closing_hour(before) == closing_hour(next)
}

/// Merges a run; returns the number of files that it became.
fn merge(store: &dyn Store, id: &PartitionId, run: &[Segment], settings: &Settings) -> Result<u64, CompactError> {
    let ([first, ..], [.., last]) = (run, run) else { return Ok(0) };
    let Some(closing) = closing_hour(first) else { return Ok(0) };
    let format = settings.format;
    let name = |hour| {
        let role = if hour == closing { Role::Closing } else { Role::Part };
        ObjectName { id: id.clone(), hour, first: first.first, last: last.last, role, format }
    };
    let (mut files, mut rows) = (BTreeMap::new(), 0);
    for segment in run {
        rows += take(store, id, segment, settings, &mut files)?;
    }
    let into = files.len() as u64;
    let closing_file = files.remove_entry(&closing);
    for (hour, file) in files.into_iter().chain(closing_file) {
        let name = name(hour).to_string();
        let made = file
            .finish(Some(SegmentRows::new(rows)))
            .map_err(|reason| CompactError::File { name: name.clone(), reason })?;
        store.put(&name, made)?;
    }
    run.iter().try_for_each(|segment| remove(store, segment))?;
    Ok(into)
}

/// Adds the rows of a segment to the files of their hours; returns their number.
fn take(
    store: &dyn Store,
    id: &PartitionId,
    segment: &Segment,
    settings: &Settings,
    files: &mut BTreeMap<Hour, FileWriter>,
) -> Result<u64, CompactError> {
    let (mut rows, mut sum) = (0, SegmentSum::default());
    for stored in &segment.files {
        let failed = |reason| CompactError::File { name: stored.name.to_string(), reason };
        let bytes = store.get(&stored.name.to_string())?;
        let out = match files.entry(stored.name.hour) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(FileWriter::new(settings.format, id).map_err(failed)?),
        };
        let read = file::read(stored.name.format, bytes, |row| {
            rows += 1;
            out.push(row)
        });
        sum.add(read.map_err(failed)?);
    }
    let of_closing = |reason| {
        let name = segment.files.last().map(|file| file.name.to_string()).unwrap_or_default();
        CompactError::File { name, reason }
    };
    sum.check(rows).map(|()| rows).map_err(of_closing)
}

/// Removes a segment, its closing file first: a removal that is interrupted leaves parts that count for nothing.
fn remove(store: &dyn Store, segment: &Segment) -> Result<(), StoreError> {
    segment.files.iter().rev().try_for_each(|file| store.remove(&file.name.to_string()))
}
