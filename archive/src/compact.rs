//! Merges small segments of one partition and hour.
//!
//! ```text
//! 0-99, 100-199, 200-299 ─▶ parts 0-299, durable ─▶ closing file 0-299, durable ─▶ the old closing files go, then their parts
//! ```
//! Segments that follow each other, and whose closing files are of one hour, become one segment over all their offsets, with
//! one file for each hour. In between, the names say which files count (see [`crate::chain`]).
//!
//! Meanwhile an `erase` may write the old files again, and a server may start. On a directory no `erase` and no other `compact`
//! runs: they hold its lock. A bucket has no lock, so the argument is made without one:
//! - Only a merging removes a complete segment or a file whose range is within segments. A server that starts leaves these.
//! - Files are read with their versions. Once the closing file is there, all merged files are looked for, and the versions of the
//!   old files are compared. Only if all is as it was, the old files go: an `erase` that changes one of them later lists again after
//!   that and finds the merged files. Otherwise the merged segment is taken back, its closing file first, so that the old segments
//!   count again at once, and merging begins anew.
//! - When merging is killed before the first old segment is gone, the next merging takes the merged segment back as well: it cannot
//!   know whether it was compared. When merging is killed later, the comparison was made, and the next merging removes the rest.
//!
//! So every offset counts once at any moment. On a bucket, two mergings at a time could each remove what the other writes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sources::kafka::upstream::PartitionId;

use crate::chain::{Chain, Segment, Survey};
use crate::file::{self, FileError, FileWriter, SegmentRows, SegmentSum};
use crate::name::{Hour, ObjectName, Role};
use crate::settings::{Format, Settings};
use crate::store::{Store, StoreError, Version};

/// Files of other hours than the closing hour take at most one part in this many of a merged segment. A reader that reads a
/// segment in the order of its offsets holds these files in memory.
const PARTS_SHARE: u64 = 8;

/// How many times a merging is repeated because files have changed.
const ATTEMPTS: u32 = 10;

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
    /// Another command does not stop to change files.
    #[error("files were changed each time they were merged; nothing is lost: merge again when no `erase` runs")]
    Changing,
}

/// Merges in all partitions; files become at most as large as the settings allow.
///
/// # Errors
/// When the store does not answer, a file cannot be read, or files change all the time. Whatever was done until then is whole.
pub fn compact(store: &dyn Store, settings: &Settings) -> Result<Merged, CompactError> {
    let _lock = store.lock()?;
    let mut merged = Merged::default();
    for _ in 0..ATTEMPTS {
        if is_merged(store, settings, &mut merged)? {
            return Ok(merged);
        }
    }
    Err(CompactError::Changing)
}

/// Removes what an interrupted merging has left, and merges. Returns whether that is all, or files have changed.
fn is_merged(store: &dyn Store, settings: &Settings, merged: &mut Merged) -> Result<bool, CompactError> {
    let mut is_all = true;
    for (id, chain) in Survey::of(store.list("")?).chains {
        let uncompared = uncompared(&chain);
        if !uncompared.is_empty() {
            for segment in uncompared {
                remove(store, segment)?;
                merged.removed += segment.files.len() as u64;
            }
            is_all = false;
            continue;
        }
        for segment in &chain.doubles {
            remove(store, segment)?;
            merged.removed += segment.files.len() as u64;
        }
        for name in chain.unfinished_merges() {
            store.remove(name)?;
            merged.removed += 1;
        }
        for run in runs(&chain, settings) {
            match merge(store, &id, run, settings)? {
                Some(into) => {
                    merged.into += into;
                    merged.files += run.iter().map(|segment| segment.files.len() as u64).sum::<u64>();
                }
                None => is_all = false,
            }
        }
    }
    Ok(is_all)
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

/// Merged segments of which all old segments are still there.
fn uncompared(chain: &Chain) -> Vec<&Segment> {
    let is_covered = |merged: &&Segment| {
        let mut next = merged.first;
        for old in &chain.doubles {
            let is_shorter = old.last - old.first < merged.last - merged.first;
            if old.first == next && old.last <= merged.last && is_shorter {
                next = old.last + 1;
            }
        }
        next > merged.last
    };
    chain.segments.iter().filter(is_covered).collect()
}

/// A run that is read, with the versions of its files.
#[derive(Default)]
struct Merging {
    read: BTreeMap<String, Version>,
    files: BTreeMap<Hour, FileWriter>,
    rows: u64,
}

/// Merges a run; returns the number of files that it became, or none if its files have changed meanwhile.
fn merge(
    store: &dyn Store,
    id: &PartitionId,
    run: &[Segment],
    settings: &Settings,
) -> Result<Option<u64>, CompactError> {
    let ([first, ..], [.., last]) = (run, run) else { return Ok(Some(0)) };
    let Some(closing) = closing_hour(first) else { return Ok(Some(0)) };
    let format = settings.format;
    let mut merging = Merging::default();
    for segment in run {
        if !merging.take(store, id, segment, format)? {
            return Ok(None);
        }
    }
    let Merging { read, mut files, rows } = merging;
    let closing_file = files.remove_entry(&closing);
    let mut made = Vec::new();
    for (hour, file) in files.into_iter().chain(closing_file) {
        let role = if hour == closing { Role::Closing } else { Role::Part };
        let name = ObjectName { id: id.clone(), hour, first: first.first, last: last.last, role, format };
        let bytes = file
            .finish(Some(SegmentRows::new(rows)))
            .map_err(|reason| CompactError::File { name: name.to_string(), reason })?;
        store.put(&name.to_string(), bytes)?;
        made.push(name);
    }
    if !is_unchanged(store, id, &read, &made)? {
        made.iter().rev().try_for_each(|name| store.remove(&name.to_string()))?;
        return Ok(None);
    }
    run.iter().try_for_each(|segment| remove(store, segment))?;
    Ok(Some(made.len() as u64))
}

/// Whether the files that were read have their versions still, and those that were made are there.
fn is_unchanged(
    store: &dyn Store,
    id: &PartitionId,
    read: &BTreeMap<String, Version>,
    made: &[ObjectName],
) -> Result<bool, StoreError> {
    // The files that were read are in the same directories.
    let dirs: BTreeSet<String> = made.iter().map(|name| format!("{}/{}/", id.topic, name.hour)).collect();
    let mut found = BTreeMap::new();
    for dir in dirs {
        found.extend(store.versions(&dir)?.into_iter().map(|(object, version)| (object.name, version)));
    }
    let are_there = made.iter().all(|name| found.contains_key(&name.to_string()));
    Ok(are_there && read.iter().all(|(name, version)| found.get(name) == Some(version)))
}

impl Merging {
    /// Adds the rows of a segment to the files of their hours. Returns whether all its files are there.
    fn take(
        &mut self,
        store: &dyn Store,
        id: &PartitionId,
        segment: &Segment,
        format: Format,
    ) -> Result<bool, CompactError> {
        let (mut rows, mut sum) = (0, SegmentSum::default());
        for stored in &segment.files {
            let name = stored.name.to_string();
            let failed = |reason| CompactError::File { name: name.clone(), reason };
            let Some((bytes, version)) = store.read(&name)? else { return Ok(false) };
            let out = match self.files.entry(stored.name.hour) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(FileWriter::new(format, id).map_err(failed)?),
            };
            let read = file::read(stored.name.format, bytes, |row| {
                rows += 1;
                out.push(row)
            });
            sum.add(read.map_err(failed)?);
            self.read.insert(name, version);
        }
        self.rows += rows;
        let name = || segment.files.last().map(|file| file.name.to_string()).unwrap_or_default();
        sum.check(rows).map(|()| true).map_err(|reason| CompactError::File { name: name(), reason })
    }
}

/// Removes a segment, its closing file first: a removal that is interrupted leaves parts that count for nothing.
fn remove(store: &dyn Store, segment: &Segment) -> Result<(), StoreError> {
    segment.files.iter().rev().try_for_each(|file| store.remove(&file.name.to_string()))
}
