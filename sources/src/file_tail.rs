//! Notices what happens to a file: it grows, it is replaced, it rests.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dataflow::time::Millis;

use crate::file_check::{Comparison, FileCheck};
use crate::file_position::{FilePosition, read_at};
use crate::file_sum::FileSum;

/// Bytes before the position that are remembered: a file that was rewritten in place has other bytes there.
const MARK_BYTES: u64 = 256;

/// How long a file of the same length must have had a new time to count as rewritten. A file that is being appended to has
/// its new time a moment before its new length.
const SETTLES: Duration = Duration::from_millis(200);

/// A file, and how much of it has been read.
pub(crate) struct FileTail {
    path: PathBuf,
    pub(crate) position: FilePosition,
    /// The state of the file when it was last read.
    known: Option<FileStamp>,
    /// The bytes just before the position.
    mark: Vec<u8>,
    /// The checksum of all bytes before the position, if the tail keeps one.
    sum: Option<FileSum>,
    /// A state of the file that is being compared with what was read.
    compared: Option<(FileStamp, Comparison)>,
    /// Whether the bytes before the position stayed when the file grew.
    check: FileCheck,
    /// The present state of the file, and since when it has it: at the first look, by its modification time.
    since: Option<(FileStamp, Since)>,
}

/// An open file, from the position to its end at the time it was looked at.
pub(crate) struct FileSpan {
    pub(crate) file: File,
    stamp: FileStamp,
}

/// What distinguishes one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    /// Device and inode.
    id: (u64, u64),
    len: u64,
    /// Modification time, in seconds and nanoseconds.
    modified: (i64, i64),
}

/// Since when a file has a state.
#[derive(Clone, Copy)]
struct Since {
    seen: Instant,
    /// How long it had it before.
    before: Duration,
}

/// The change that a look at the file found.
pub(crate) enum TailChange {
    /// It does not exist.
    Missing,
    /// It is unchanged.
    Same,
    /// It has grown, or exists for the first time.
    Grown(FileSpan),
    /// Its bytes before the position have changed, or may have: it must be read from its start.
    Replaced(FileSpan),
}

impl FileTail {
    pub(crate) fn new(path: PathBuf) -> Self {
        let position = FilePosition::default();
        let (known, since, check) = (None, None, FileCheck::default());
        FileTail { path, position, known, mark: Vec::new(), sum: None, compared: None, check, since }
    }

    /// A tail that keeps a checksum of what was read: a file of the same length with a newer time is replaced only if its
    /// bytes before the position are other ones, and so is a file that has grown, even if few bytes before the position are.
    pub(crate) fn summing(path: PathBuf) -> Self {
        FileTail { sum: Some(FileSum::default()), ..FileTail::new(path) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file has been read.
    pub(crate) fn was_read(&self) -> bool {
        self.known.is_some()
    }

    /// Looks at the file. The answer stays the same until the position is moved with [`FileTail::read`].
    pub(crate) fn look(&mut self) -> io::Result<TailChange> {
        let stamp = match self.path.metadata() {
            Ok(metadata) => FileStamp::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TailChange::Missing),
            Err(error) => return Err(error),
        };
        if self.since.is_none_or(|(before, _)| before != stamp) {
            // A time that is set while the file is followed says nothing of its last write.
            let before = if self.since.is_none() { stamp.age() } else { Duration::ZERO };
            self.since = Some((stamp, Since { seen: Instant::now(), before }));
        }
        if self.known == Some(stamp) {
            if self.sum.is_none() || !self.check.is_due() {
                return Ok(TailChange::Same);
            }
            let span = self.open()?;
            return Ok(if self.differs(&span)? { TailChange::Replaced(span) } else { TailChange::Same });
        }
        let span = self.open()?;
        let (stamp, Some(known)) = (span.stamp, self.known) else { return Ok(TailChange::Grown(span)) };
        if (known.id, known.len) == (stamp.id, stamp.len) {
            if self.rests_for() < SETTLES {
                return Ok(TailChange::Same);
            }
            return self.compare(span);
        }
        let same = known.id == stamp.id && stamp.len >= self.position.offset;
        if same && self.mark == bytes_before(&span.file, self.position.offset)? {
            self.check.note_growth();
            return Ok(if self.differs(&span)? { TailChange::Replaced(span) } else { TailChange::Grown(span) });
        }
        Ok(TailChange::Replaced(span))
    }

    /// Whether the file is known to have other bytes before the position than those that were read.
    fn differs(&mut self, span: &FileSpan) -> io::Result<bool> {
        self.sum.as_ref().map_or(Ok(false), |sum| self.check.differs(&span.file, sum))
    }

    /// A file of the same length has a newer time: its content decides. A long file is compared in parts, and counts as
    /// unchanged until all of it has been.
    fn compare(&mut self, span: FileSpan) -> io::Result<TailChange> {
        let Some(sum) = &self.sum else { return Ok(TailChange::Replaced(span)) };
        let begun = self.compared.take().filter(|(stamp, _)| *stamp == span.stamp);
        let mut compared = begun.map_or_else(|| Comparison::with(sum), |(_, compared)| compared);
        match compared.differs(&span.file)? {
            None => {
                self.compared = Some((span.stamp, compared));
                return Ok(TailChange::Same);
            }
            Some(true) => return Ok(TailChange::Replaced(span)),
            Some(false) => {}
        }
        if self.position.offset < span.to() {
            // What follows the position was no whole line. It may be other bytes now.
            return Ok(TailChange::Grown(span));
        }
        self.known = Some(span.stamp);
        Ok(TailChange::Same)
    }

    /// Whether a new state of the file is being compared with what was read, so that it is not known yet.
    pub(crate) fn is_comparing(&self) -> bool {
        self.compared.is_some()
    }

    /// The checksum of what was read, to go on with.
    pub(crate) fn sum(&self) -> FileSum {
        self.sum.clone().unwrap_or_default()
    }

    /// The checksum of what was read up to the position that is given next.
    pub(crate) fn summed(&mut self, sum: FileSum) {
        self.sum = Some(sum);
    }

    /// These bytes were read at `offset`. The checksum takes them, so that they are not read for it again.
    pub(crate) fn saw(&mut self, offset: u64, bytes: &[u8]) {
        if let Some(sum) = &mut self.sum {
            sum.add(offset, bytes);
        }
    }

    /// Reading begins at the start of the file again.
    pub(crate) fn restart(&mut self) {
        self.position = FilePosition::default();
        self.sum = self.sum.is_some().then(FileSum::default);
        self.check.restart();
    }

    /// Opens the file as it is now, even if the name led to another one before.
    pub(crate) fn open(&self) -> io::Result<FileSpan> {
        let file = File::open(&self.path)?;
        let stamp = FileStamp::of(&file.metadata()?);
        Ok(FileSpan { file, stamp })
    }

    /// How long the file has been unchanged.
    pub(crate) fn rests_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |(_, since)| since.before.saturating_add(since.seen.elapsed()))
    }

    /// Whether the state of the span has been the file's for that time.
    pub(crate) fn has_rested(&self, span: &FileSpan, time: Duration) -> bool {
        self.since.is_some_and(|(stamp, _)| stamp == span.stamp) && self.rests_for() >= time
    }

    /// The span was read up to `position`; `to_end`: that is its end.
    pub(crate) fn read(&mut self, span: &FileSpan, position: FilePosition, to_end: bool) -> io::Result<()> {
        self.position = position;
        self.mark = bytes_before(&span.file, position.offset)?;
        if let Some(sum) = &mut self.sum {
            sum.go_to(&span.file, position.offset)?;
        }
        if to_end {
            // Its state before it was read: bytes that came meanwhile are found by the next look.
            self.known = Some(span.stamp);
            self.check.end();
        }
        Ok(())
    }
}

impl FileSpan {
    /// The offset of its end.
    pub(crate) fn to(&self) -> u64 {
        self.stamp.len
    }

    /// What tells this state of the file from others.
    pub(crate) fn stamp(&self) -> String {
        let FileStamp { id: (device, number), len, modified: (seconds, nanos) } = self.stamp;
        format!("{device} {number} {len} {seconds}.{nanos:09}")
    }

    /// A reader of the whole file. It fails at the end if the file has changed since it was opened.
    pub(crate) fn whole(&self) -> WholeFile<'_> {
        WholeFile { span: self, offset: 0 }
    }

    /// When the file was changed last, in milliseconds since the epoch.
    pub(crate) fn modified_ms(&self) -> Millis {
        let (seconds, nanos) = self.stamp.modified;
        Millis::try_from(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)).unwrap_or(0)
    }
}

/// Reads a span from the beginning of its file.
pub(crate) struct WholeFile<'s> {
    span: &'s FileSpan,
    offset: u64,
}

impl io::Read for WholeFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.span.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        if count == 0 && !buffer.is_empty() && FileStamp::of(&self.span.file.metadata()?) != self.span.stamp {
            return Err(io::Error::other("it has changed while it was read"));
        }
        Ok(count)
    }
}

impl FileStamp {
    fn of(metadata: &std::fs::Metadata) -> FileStamp {
        FileStamp {
            id: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// How long ago the file was changed by the wall clock; zero if that is ahead.
    fn age(&self) -> Duration {
        let (seconds, nanos) = self.modified;
        let since_epoch = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
        let modified = since_epoch.map_or(Duration::ZERO, |(seconds, nanos)| Duration::new(seconds, nanos));
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(modified)
    }
}

/// The bytes just before an offset, by which a file is recognised.
pub(crate) fn bytes_before(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let start = offset.saturating_sub(MARK_BYTES);
    let mut mark = vec![0; usize::try_from(offset - start).expect("a mark is short")];
    let filled = read_at(file, start, &mut mark)?;
    mark.truncate(filled);
    Ok(mark)
}
