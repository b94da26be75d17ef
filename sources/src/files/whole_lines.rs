//! The whole lines of a file that grows, for readers other than the graph.

use std::fs::File;
use std::io;
use std::path::Path;

use super::lines::{self, LineRange};
use crate::file_position::{FilePosition, read_at};

/// A file that is read from a byte on.
pub struct WholeLines {
    file: File,
    position: FilePosition,
    buffer: Vec<u8>,
}

/// A line with its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineGiven<'a> {
    /// The byte at which it begins.
    pub start: u64,
    /// The byte at which reading goes on after it.
    pub end: u64,
    /// The line without its end. Of a line above [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX), only its beginning.
    pub line: &'a [u8],
}

impl WholeLines {
    /// Opens a file. If `at` is within a line, reading begins with the next one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path, at: u64) -> io::Result<WholeLines> {
        let file = File::open(path)?;
        let mut before = [b'\n'];
        if let Some(offset) = at.checked_sub(1) {
            read_at(&file, offset, &mut before)?;
        }
        let position = FilePosition { offset: at, skipping: before != *b"\n" };
        Ok(WholeLines { file, position, buffer: Vec::new() })
    }

    /// Gives the lines of the next part of the file, until `give` returns false. Lines without an end are not given, and
    /// empty ones neither.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self, give: &mut dyn FnMut(LineGiven<'_>) -> bool) -> io::Result<()> {
        let to = self.file.metadata()?.len();
        let mut buffer = std::mem::take(&mut self.buffer);
        let range = lines::read(&self.file, &mut self.position, to, &mut buffer);
        match range {
            Ok(LineRange::Lines(bytes)) => self.give(&buffer[..bytes], give),
            Ok(LineRange::TooLong) => {
                let (start, end) = (self.position.offset, self.position.offset + buffer.len() as u64);
                self.position.offset = end;
                give(LineGiven { start, end, line: &buffer });
            }
            Ok(LineRange::Unfinished) | Err(_) => {}
        }
        self.buffer = buffer;
        range.map(|_| ())
    }

    fn give(&mut self, chunk: &[u8], give: &mut dyn FnMut(LineGiven<'_>) -> bool) {
        let from = self.position.offset;
        for (at, line) in lines::split(chunk) {
            let after = at + line.len();
            // A line of a chunk has its end there: one byte, or two.
            let end = after + if chunk.get(after) == Some(&b'\r') { 2 } else { 1 };
            self.position.offset = from + end as u64;
            if !give(LineGiven { start: from + at as u64, end: self.position.offset, line }) {
                return;
            }
        }
        self.position.offset = from + chunk.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::LINE_BYTES_MAX;
    use std::fs::OpenOptions;
    use std::io::Write as _;

    fn read(lines: &mut WholeLines, most: usize) -> Vec<(u64, u64, String)> {
        let mut given = Vec::new();
        lines
            .read(&mut |LineGiven { start, end, line }| {
                given.push((start, end, String::from_utf8_lossy(line).into_owned()));
                given.len() < most
            })
            .unwrap();
        given
    }

    #[test]
    fn lines_come_with_their_places_and_only_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("views.jsonl");
        std::fs::write(&path, "one\ntwo\r\n\nthree\nfo").unwrap();
        let mut lines = WholeLines::open(&path, 0).unwrap();
        assert_eq!(read(&mut lines, 2), [(0, 4, "one".into()), (4, 9, "two".into())]);
        assert_eq!(read(&mut lines, 9), [(10, 16, "three".into())]);
        assert_eq!(read(&mut lines, 9), []);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"ur\n").unwrap();
        assert_eq!(read(&mut lines, 9), [(16, 21, "four".into())]);
        let mut within = WholeLines::open(&path, 5).unwrap();
        assert_eq!(read(&mut within, 1), [(10, 16, "three".into())]);
    }

    #[test]
    fn a_line_above_the_limit_is_given_by_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("views.jsonl");
        std::fs::write(&path, "x".repeat(LINE_BYTES_MAX + 10) + "\nnext\n").unwrap();
        let mut lines = WholeLines::open(&path, 0).unwrap();
        let given = read(&mut lines, 9);
        assert_eq!((given.len(), given[0].0, given[0].2.len()), (1, 0, LINE_BYTES_MAX + 1));
        let (start, end) = (LINE_BYTES_MAX as u64 + 11, LINE_BYTES_MAX as u64 + 16);
        assert_eq!(read(&mut lines, 9), [(start, end, "next".into())]);
        // A later start, after the beginning that was given.
        let mut lines = WholeLines::open(&path, given[0].1).unwrap();
        assert_eq!(read(&mut lines, 9), [(start, end, "next".into())]);
    }
}
