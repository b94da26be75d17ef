//! Whole lines of a file, a chunk at a time, each line within the limit.

use std::fs::File;
use std::io;

use super::LINE_BYTES_MAX;
use crate::file_position::{FilePosition, blocks, read_at};

/// Bytes that are read at once, if lines are shorter.
const CHUNK_BYTES: usize = 256 * 1024;

/// The byte order mark in UTF-8. Before an event the decoder skips it.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// The lines that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineRange {
    /// This many bytes of the buffer are whole lines.
    Lines(usize),
    /// A line above the limit, the buffer holds its beginning.
    TooLong,
    /// No line end yet.
    Unfinished,
}

/// Reads whole lines from the position on into the buffer, up to `to`. A line above the limit is skipped by the next call.
pub(super) fn read(file: &File, position: &mut FilePosition, to: u64, buffer: &mut Vec<u8>) -> io::Result<LineRange> {
    if !position.skip(file, to)? {
        return Ok(LineRange::Unfinished);
    }
    let from = position.offset;
    for size in [CHUNK_BYTES, LINE_BYTES_MAX + 1] {
        let size = usize::try_from(to.saturating_sub(from)).unwrap_or(size).min(size);
        buffer.resize(size, 0);
        let filled = read_at(file, from, buffer)?;
        buffer.truncate(filled);
        if let Some(last) = buffer.iter().rposition(|byte| *byte == b'\n') {
            return Ok(LineRange::Lines(last + 1));
        }
        if filled > LINE_BYTES_MAX {
            position.skipping = true;
            return Ok(LineRange::TooLong);
        }
        if filled < CHUNK_BYTES {
            break;
        }
    }
    Ok(LineRange::Unfinished)
}

/// The lines of a chunk with the offset of each in the chunk, without their ends. Empty lines are left out, also a line of
/// nothing but a byte order mark.
pub(super) fn split(chunk: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let lines = chunk.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.strip_suffix(b"\n").unwrap_or(line))
    });
    let lines = lines.map(|(start, line)| (start, line.strip_suffix(b"\r").unwrap_or(line)));
    lines.filter(|(_, line)| !is_empty(line))
}

/// Whether a line without its end is left out.
fn is_empty(line: &[u8]) -> bool {
    line.is_empty() || line == MARK
}

/// How many whole lines there are in `from..to` that are neither empty nor above the limit. A line begins at `from`.
pub(super) fn count(file: &File, from: u64, to: u64) -> io::Result<u64> {
    let (mut count, mut bytes, mut beginning) = (0, 0, Vec::new());
    blocks(file, from, to, |_, block| {
        for part in block.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            bytes += text.len();
            // Enough to tell an empty line, with a mark and half a line end, from a longer one.
            beginning.extend(text.iter().take((MARK.len() + 2).saturating_sub(beginning.len())));
            if text.len() < part.len() {
                let line = beginning.strip_suffix(b"\r").unwrap_or(&beginning);
                count += u64::from(!is_empty(line) && bytes <= LINE_BYTES_MAX);
                beginning.clear();
                bytes = 0;
            }
        }
        true
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn read_all(content: &[u8], from: u64) -> (LineRange, Vec<u8>) {
        let (mut buffer, mut position) = (Vec::new(), FilePosition { offset: from, skipping: false });
        let chunk = read(&file(content), &mut position, content.len() as u64, &mut buffer).unwrap();
        (chunk, buffer)
    }

    #[test]
    fn a_line_without_its_end_waits() {
        assert_eq!(read_all(b"one\ntwo\nthr", 0).0, LineRange::Lines(8));
        assert_eq!(read_all(b"one\ntwo\nthr", 8).0, LineRange::Unfinished);
        assert_eq!(read_all(b"", 0).0, LineRange::Unfinished);
        let chunk = b"one\r\n\n\r\ntwo\n";
        assert_eq!(split(chunk).collect::<Vec<_>>(), [(0, &b"one"[..]), (8, b"two")]);
        let chunk = "\u{feff}\r\n\u{feff}{}\n".as_bytes();
        assert_eq!(split(chunk).collect::<Vec<_>>(), [(5, "\u{feff}{}".as_bytes())]);
    }

    #[test]
    fn the_lines_that_are_counted_are_those_that_are_given() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let text = format!("\u{feff}\r\none\n\n\r\n\u{feff}\n\u{feff}\rtwo\n{long}\n{long}x\n\rsix\r\nno end");
        let (file, to) = (file(text.as_bytes()), text.len() as u64);
        assert_eq!(count(&file, 0, to).unwrap(), 4, "one, two, the line of the limit's length, six");
        assert_eq!(count(&file, 0, to - 6).unwrap(), 4);
        assert_eq!(count(&file, 0, to - 8).unwrap(), 3);
    }

    #[test]
    fn the_limit_is_to_the_byte() {
        let mut line = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read_all(&line, 0).0, LineRange::Unfinished);
        line.push(b'\n');
        assert_eq!(read_all(&line, 0).0, LineRange::Lines(LINE_BYTES_MAX + 1));
        line.insert(0, b'x');
        let (chunk, buffer) = read_all(&line, 0);
        assert_eq!((chunk, buffer.len()), (LineRange::TooLong, LINE_BYTES_MAX + 1));
    }
}
