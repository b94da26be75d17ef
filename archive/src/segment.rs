//! A segment that is being filled, and one that waits to be written.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use sources::kafka::upstream::PartitionId;

use crate::file::{FileError, FileWriter, SegmentRows};
use crate::name::{Hour, ObjectName, Role};
use crate::row::Row;
use crate::settings::Format;

/// The most files of a segment. A topic whose records are dated at random would otherwise open one for every hour there is.
const FILES_MAX: usize = 512;

/// A segment that takes rows.
pub(crate) struct OpenSegment {
    id: PartitionId,
    format: Format,
    first: i64,
    /// By hour: the file and its rows.
    files: BTreeMap<Hour, (FileWriter, u64)>,
    /// Since when it has rows, as time since the start.
    since: Duration,
    rows: u64,
    /// The latest time of its records, in milliseconds since the epoch.
    latest: Option<i64>,
}

/// A segment whose files are made and not durable yet.
pub(crate) struct SealedSegment {
    /// The files that are left to write; the closing file comes last.
    pub(crate) files: VecDeque<(ObjectName, Bytes)>,
    /// Its last offset.
    pub(crate) last: i64,
    /// Its rows.
    pub(crate) rows: u64,
    /// The latest time of its records, in milliseconds since the epoch.
    pub(crate) latest: Option<i64>,
}

impl OpenSegment {
    /// A segment that begins at `first`.
    pub(crate) fn new(id: PartitionId, format: Format, first: i64, now: Duration) -> OpenSegment {
        OpenSegment { id, format, first, files: BTreeMap::new(), since: now, rows: 0, latest: None }
    }

    /// Since when it has rows.
    pub(crate) fn since(&self) -> Duration {
        self.since
    }

    /// The latest time of its records.
    pub(crate) fn latest(&self) -> Option<i64> {
        self.latest
    }

    /// Whether it ends before a record of this hour: the record is of a later hour than all before it, or there would be too
    /// many files. A record of an earlier hour ends nothing: it goes into a further file.
    pub(crate) fn ends_before(&self, hour: Hour) -> bool {
        let is_later = self.files.last_key_value().is_some_and(|(latest, _)| hour > *latest);
        is_later || (self.files.len() >= FILES_MAX && !self.files.contains_key(&hour))
    }

    /// Adds a row of this hour.
    pub(crate) fn push(&mut self, hour: Hour, row: &Row<'_>) -> Result<(), FileError> {
        let (file, rows) = match self.files.entry(hour) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(place) => place.insert((FileWriter::new(self.format, &self.id)?, 0)),
        };
        file.push(row)?;
        *rows += 1;
        self.rows += 1;
        self.latest = self.latest.max(row.record_time);
        Ok(())
    }

    /// The size of its largest file, about.
    pub(crate) fn size(&self) -> usize {
        self.files.values().map(|(file, _)| file.size()).max().unwrap_or(0)
    }

    /// The memory that it takes, about.
    pub(crate) fn memory(&self) -> usize {
        self.files.values().map(|(file, _)| file.memory()).sum()
    }

    /// Ends it at `last`. The file with most rows is the closing file.
    pub(crate) fn seal(self, last: i64) -> Result<SealedSegment, FileError> {
        let OpenSegment { id, format, first, files, rows: all, latest, .. } = self;
        let closing = files.iter().max_by_key(|(_, (_, rows))| *rows).map(|(hour, _)| *hour);
        let mut made = VecDeque::with_capacity(files.len());
        let mut last_made = None;
        for (hour, (file, _)) in files {
            let role = if Some(hour) == closing { Role::Closing } else { Role::Part };
            let name = ObjectName { id: id.clone(), hour, first, last, role, format };
            let file = (name, file.finish(Some(SegmentRows::new(all)))?);
            if role == Role::Closing { last_made = Some(file) } else { made.push_back(file) }
        }
        made.extend(last_made);
        Ok(SealedSegment { files: made, last, rows: all, latest })
    }
}

impl SealedSegment {
    /// The bytes of the files that are left.
    pub(crate) fn memory(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}
