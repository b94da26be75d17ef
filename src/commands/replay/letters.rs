//! Refused records: stored in an unnamed temporary file while partitions are read in parallel, then written in a fixed
//! order.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use events::DeadLetter;
use sources::replay::LetterHandler;

use super::dir::{LETTERS, OutDir};

/// A letter's sort key, followed by its place in the file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LetterEntry {
    stream: Arc<str>,
    partition: i32,
    offset: i64,
    /// Orders rows of a table, which have no offset.
    hash: u64,
    start: u64,
    bytes: usize,
}

struct Spool {
    file: BufWriter<File>,
    entries: Vec<LetterEntry>,
    streams: Vec<Arc<str>>,
    end: u64,
    /// The first write error, which is reported at the end.
    failed: Option<std::io::Error>,
}

/// Takes refused records from any thread.
pub(super) struct Letters(Mutex<Spool>);

impl Letters {
    /// Letters in a temporary file in `dir`.
    pub(super) fn new(dir: &Path) -> anyhow::Result<Letters> {
        let file = tempfile::tempfile_in(dir).with_context(|| format!("{} cannot be written", dir.display()))?;
        let file = BufWriter::new(file);
        Ok(Letters(Mutex::new(Spool { file, entries: Vec::new(), streams: Vec::new(), end: 0, failed: None })))
    }

    /// The output for dead letters that sources call.
    pub(super) fn outlet(self: &Arc<Self>) -> LetterHandler {
        let letters = self.clone();
        Arc::new(move |letter| letters.0.lock().expect("no holder of this lock can panic").take(&letter))
    }

    /// Writes all letters by stream, partition and offset; returns how many there are.
    pub(super) fn write(&self, out: &OutDir) -> anyhow::Result<u64> {
        let mut spool = self.0.lock().expect("no holder of this lock can panic");
        if let Some(error) = spool.failed.take() {
            return Err(error).context("refused records cannot be stored");
        }
        spool.file.flush().context("refused records cannot be stored")?;
        let mut entries = std::mem::take(&mut spool.entries);
        if entries.is_empty() {
            out.no_letters()?;
            return Ok(0);
        }
        entries.sort_unstable();
        let spool_file = spool.file.get_mut();
        out.file(LETTERS, |file| {
            let mut line = Vec::new();
            for entry in &entries {
                line.resize(entry.bytes, 0);
                spool_file.seek(SeekFrom::Start(entry.start))?;
                spool_file.read_exact(&mut line)?;
                file.write_all(&line)?;
            }
            Ok(())
        })?;
        Ok(entries.len() as u64)
    }
}

impl Spool {
    fn take(&mut self, letter: &DeadLetter) {
        let line = letter.to_json() + "\n";
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.failed.get_or_insert(error);
            return;
        }
        // With its fixed keys, the hasher gives the same values in every run.
        let mut hasher = DefaultHasher::new();
        hasher.write(line.as_bytes());
        let (stream, start) = (self.stream(&letter.stream), self.end);
        self.end += line.len() as u64;
        let DeadLetter { partition, offset, .. } = *letter;
        self.entries.push(LetterEntry { stream, partition, offset, hash: hasher.finish(), start, bytes: line.len() });
    }

    /// One text for all letters of a stream.
    fn stream(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.streams.iter().find(|known| &***known == name) {
            return known.clone();
        }
        let stream: Arc<str> = name.into();
        self.streams.push(stream.clone());
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(stream: &str, partition: i32, offset: i64, payload: &str) -> DeadLetter {
        let payload = payload.as_bytes().to_vec();
        DeadLetter { stream: stream.into(), partition, offset, reason: "not_json", detail: String::new(), payload }
    }

    #[test]
    fn letters_are_in_one_order_whoever_came_first() {
        let all = [
            letter("a", 0, 3, "x"),
            letter("a", 1, 0, "x"),
            letter("b", 0, 0, "one"),
            letter("b", 0, 0, "two"),
            letter("a", 0, 20, "x"),
        ];
        let mut files = Vec::new();
        for turned in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let out = OutDir::open(dir.path(), &[1000]).unwrap();
            let letters = Arc::new(Letters::new(dir.path()).unwrap());
            let outlet = letters.outlet();
            let mut given = all.to_vec();
            if turned {
                given.reverse();
            }
            given.into_iter().for_each(|letter| outlet(letter));
            assert_eq!(letters.write(&out).unwrap(), 5);
            files.push(std::fs::read_to_string(dir.path().join(LETTERS)).unwrap());
        }
        assert_eq!(files[0], files[1]);
        let places: Vec<_> = files[0].lines().map(place).collect();
        let place = |stream: &str, partition, offset| (stream.to_owned(), Some(partition), Some(offset));
        let expected = [("a", 0, 3), ("a", 0, 20), ("a", 1, 0), ("b", 0, 0), ("b", 0, 0)];
        assert_eq!(places, expected.map(|(stream, partition, offset)| place(stream, partition, offset)));
    }

    fn place(line: &str) -> (String, Option<i64>, Option<i64>) {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        let stream = letter["stream"].as_str().unwrap().to_owned();
        (stream, letter["partition"].as_i64(), letter["offset"].as_i64())
    }
}
