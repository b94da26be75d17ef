//! Notices what happens to a file: it grows, it is replaced, it rests.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dataflow::time::Millis;

use super::position::{FilePosition, read_at};

/// Bytes before the place that are remembered: a file rewritten in place has others there.
const MARK_BYTES: u64 = 256;

/// How long a file of the same length must have had a new time to count as written anew. A file being appended to has its
/// new time a moment before its new length.
const SETTLES: Duration = Duration::from_millis(200);

/// A file, and how much of it has been read.
pub(super) struct Tail {
    path: PathBuf,
    pub(super) place: FilePosition,
    /// How the file was when it was last looked into.
    known: Option<Stamp>,
    /// The bytes just before the place.
    mark: Vec<u8>,
    /// Since when the file has been as it is.
    since: Option<(Stamp, Instant)>,
}

/// A stretch of an open file, from the place to what was its end when it was looked at.
pub(super) struct Span {
    pub(super) file: File,
    stamp: Stamp,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// Device and inode.
    id: (u64, u64),
    len: u64,
    /// Modification time, in seconds and nanoseconds.
    modified: (i64, i64),
}

/// What a look at the file found.
pub(super) enum Look {
    /// It is not there.
    Missing,
    /// It is as it was.
    Same,
    /// There is more of it, or it is there for the first time.
    Grown(Span),
    /// Its bytes before the place are others, or may be: it is to be read from its start.
    Replaced(Span),
}

impl Tail {
    pub(super) fn new(path: PathBuf) -> Self {
        Tail { path, place: FilePosition::default(), known: None, mark: Vec::new(), since: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file has been there.
    pub(super) fn was_read(&self) -> bool {
        self.known.is_some()
    }

    /// Looks at the file. The same answer comes again until the place is moved with [`Tail::read`].
    pub(super) fn look(&mut self) -> io::Result<Look> {
        let stamp = match self.path.metadata() {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Missing),
            Err(error) => return Err(error),
        };
        if self.since.is_none_or(|(before, _)| before != stamp) {
            self.since = Some((stamp, Instant::now()));
        }
        if self.known == Some(stamp) {
            return Ok(Look::Same);
        }
        let span = self.open()?;
        let (stamp, Some(known)) = (span.stamp, self.known) else { return Ok(Look::Grown(span)) };
        if (known.id, known.len) == (stamp.id, stamp.len) && self.rests_for() < SETTLES {
            return Ok(Look::Same);
        }
        let same = known.id == stamp.id && known.len != stamp.len && stamp.len >= self.place.offset;
        if same && self.mark == mark(&span.file, self.place)? {
            return Ok(Look::Grown(span));
        }
        Ok(Look::Replaced(span))
    }

    /// The file as it is now, whatever the name led to before.
    pub(super) fn open(&self) -> io::Result<Span> {
        let file = File::open(&self.path)?;
        let stamp = Stamp::of(&file.metadata()?);
        Ok(Span { file, stamp })
    }

    /// How long the file has been as it is.
    pub(super) fn rests_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// The span was read up to `place`. When it was read to its end the file is known as it is there.
    pub(super) fn read(&mut self, span: &Span, place: FilePosition, to_end: bool) -> io::Result<()> {
        self.place = place;
        self.mark = mark(&span.file, place)?;
        if to_end {
            // As it was before it was read: what came meanwhile is found by the next look.
            self.known = Some(span.stamp);
        }
        Ok(())
    }
}

impl Span {
    /// The offset of its end.
    pub(super) fn to(&self) -> u64 {
        self.stamp.len
    }

    /// When the file was changed last, in milliseconds since the epoch.
    pub(super) fn modified_ms(&self) -> Millis {
        let (seconds, nanos) = self.stamp.modified;
        Millis::try_from(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)).unwrap_or(0)
    }
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Stamp {
        Stamp {
            id: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn mark(file: &File, place: FilePosition) -> io::Result<Vec<u8>> {
    let start = place.offset.saturating_sub(MARK_BYTES);
    let mut mark = vec![0; usize::try_from(place.offset - start).expect("a mark is short")];
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
        let mut tail = Tail::new(path.clone());
        let Look::Grown(span) = tail.look().unwrap() else { panic!("a first look") };
        tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();

        let mut file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(matches!(tail.look().unwrap(), Look::Same), "it may be being written");
        file.write_all(b"two\n").unwrap();
        let Look::Grown(span) = tail.look().unwrap() else { panic!("it has grown") };
        tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();

        // Written anew with the same length: seen once it rests.
        fs::write(&path, "six\nten\n").unwrap();
        harness::wait_until(Duration::from_secs(60), "it is found replaced", || {
            matches!(tail.look().unwrap(), Look::Replaced(_))
        });
    }
}
