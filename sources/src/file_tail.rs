//! Notices what happens to a file: it grows, it is replaced, it rests.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dataflow::time::Millis;

use crate::file_position::{FilePosition, read_at};

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
    /// The present state of the file, and since when it has it.
    since: Option<(FileStamp, Instant)>,
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
        FileTail { path, position: FilePosition::default(), known: None, mark: Vec::new(), since: None }
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
            self.since = Some((stamp, Instant::now()));
        }
        if self.known == Some(stamp) {
            return Ok(TailChange::Same);
        }
        let span = self.open()?;
        let (stamp, Some(known)) = (span.stamp, self.known) else { return Ok(TailChange::Grown(span)) };
        if (known.id, known.len) == (stamp.id, stamp.len) && self.rests_for() < SETTLES {
            return Ok(TailChange::Same);
        }
        let same = known.id == stamp.id && known.len != stamp.len && stamp.len >= self.position.offset;
        if same && self.mark == mark(&span.file, self.position)? {
            return Ok(TailChange::Grown(span));
        }
        Ok(TailChange::Replaced(span))
    }

    /// Opens the file as it is now, even if the name led to another one before.
    pub(crate) fn open(&self) -> io::Result<FileSpan> {
        let file = File::open(&self.path)?;
        let stamp = FileStamp::of(&file.metadata()?);
        Ok(FileSpan { file, stamp })
    }

    /// How long the file has been unchanged.
    pub(crate) fn rests_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// The span was read up to `position`; `to_end`: that is its end.
    pub(crate) fn read(&mut self, span: &FileSpan, position: FilePosition, to_end: bool) -> io::Result<()> {
        self.position = position;
        self.mark = mark(&span.file, position)?;
        if to_end {
            // Its state before it was read: bytes that came meanwhile are found by the next look.
            self.known = Some(span.stamp);
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
}

fn mark(file: &File, position: FilePosition) -> io::Result<Vec<u8>> {
    let start = position.offset.saturating_sub(MARK_BYTES);
    let mut mark = vec![0; usize::try_from(position.offset - start).expect("a mark is short")];
    let filled = read_at(file, start, &mut mark)?;
    mark.truncate(filled);
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::time::SystemTime;

    #[test]
    fn a_new_time_before_a_new_length_is_an_append() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("views.jsonl");
        fs::write(&path, "one\n").unwrap();
        let mut tail = FileTail::new(path.clone());
        let TailChange::Grown(span) = tail.look().unwrap() else { panic!("a first look") };
        tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();

        let mut file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(matches!(tail.look().unwrap(), TailChange::Same), "it may be being written");
        file.write_all(b"two\n").unwrap();
        let TailChange::Grown(span) = tail.look().unwrap() else { panic!("it has grown") };
        tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();

        // Rewritten with the same length: this is noticed once the file rests.
        fs::write(&path, "six\nten\n").unwrap();
        harness::wait_until(Duration::from_secs(60), "it is found replaced", || {
            matches!(tail.look().unwrap(), TailChange::Replaced(_))
        });
    }
}
