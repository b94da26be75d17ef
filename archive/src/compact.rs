//! Merges the small files of one partition and hour.
//!
//! Segments that follow each other, that each have one file, of the same hour, become one segment over all their offsets. Its
//! file is durable before the merged ones are removed. If that is interrupted, the old segments are double, as their ranges are
//! in the new one: the next start of the archiver or the next merging removes them. In between, a reader of the tree sees
//! their records twice.

use sources::kafka::upstream::PartitionId;

use crate::chain::{Chain, Segment, Survey};
use crate::file::{self, FileError, FileWriter};
use crate::name::{ObjectName, Role};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

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
        for run in runs(&chain, settings) {
            merge(store, &id, run, settings)?;
            merged.files += run.len() as u64;
            merged.into += 1;
        }
    }
    Ok(merged)
}

/// The longest runs of segments that can be merged, each of two or more.
fn runs<'a>(chain: &'a Chain, settings: &Settings) -> Vec<&'a [Segment]> {
    let (mut runs, mut rest) = (Vec::new(), chain.segments.as_slice());
    while let [first, ..] = rest {
        let (mut length, mut bytes) = (1, first.bytes());
        while let [before, next, ..] = &rest[length - 1..]
            && follows(before, next)
            && bytes + next.bytes() <= settings.file_bytes_max as u64
        {
            bytes += next.bytes();
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

/// Whether two segments can be in one file.
fn follows(before: &Segment, next: &Segment) -> bool {
    let ([one], [other]) = (before.files.as_slice(), next.files.as_slice()) else { return false };
    before.last + 1 == next.first && one.name.hour == other.name.hour
}

fn merge(store: &dyn Store, id: &PartitionId, run: &[Segment], settings: &Settings) -> Result<(), CompactError> {
    let ([first, ..], [.., last]) = (run, run) else { return Ok(()) };
    let Some(hour) = first.files.first().map(|file| file.name.hour) else { return Ok(()) };
    let failed = |name: &ObjectName| {
        let name = name.to_string();
        move |reason| CompactError::File { name: name.clone(), reason }
    };
    let name = ObjectName {
        id: id.clone(),
        hour,
        first: first.first,
        last: last.last,
        role: Role::Closing,
        format: settings.format,
    };
    let mut out = FileWriter::new(settings.format, id).map_err(failed(&name))?;
    let mut rows = 0;
    for stored in run.iter().flat_map(|segment| &segment.files) {
        let bytes = store.get(&stored.name.to_string())?;
        let mut found = 0;
        let stated = file::read(stored.name.format, bytes, |row| {
            found += 1;
            out.push(row)
        });
        let stated = stated.map_err(failed(&stored.name))?;
        if stated.is_some_and(|stated| stated != found) {
            let reason = FileError(format!("it has {found} rows, and states {}", stated.unwrap_or(0)));
            return Err(failed(&stored.name)(reason));
        }
        rows += found;
    }
    store.put(&name.to_string(), out.finish(rows).map_err(failed(&name))?)?;
    run.iter().try_for_each(|segment| remove(store, segment))?;
    Ok(())
}

/// Removes a segment, its closing file first: a removal that is interrupted leaves parts that count for nothing.
fn remove(store: &dyn Store, segment: &Segment) -> Result<(), StoreError> {
    segment.files.iter().rev().try_for_each(|file| store.remove(&file.name.to_string()))
}
