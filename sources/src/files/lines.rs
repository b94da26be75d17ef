//! Whole lines of a file, a stretch at a time, each line within the limit.

use std::fs::File;
use std::io;

use super::LINE_BYTES_MAX;
use super::position::read_at;

/// Bytes that are read together, as long as lines are shorter.
const STRETCH: usize = 256 * 1024;

/// The byte order mark in UTF-8. Before an event it is passed over where events are decoded.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What is at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineRange {
    /// This many bytes of the buffer are whole lines.
    Lines(usize),
    /// A line above the limit, the buffer holds its beginning.
    TooLong,
    /// No line end yet.
    Unfinished,
}

/// Reads whole lines from `from` on into the buffer, up to `to`.
pub(super) fn read(file: &File, from: u64, to: u64, buffer: &mut Vec<u8>) -> io::Result<LineRange> {
    for size in [STRETCH, LINE_BYTES_MAX + 1] {
        let size = usize::try_from(to.saturating_sub(from)).unwrap_or(size).min(size);
        buffer.resize(size, 0);
        let filled = read_at(file, from, buffer)?;
        buffer.truncate(filled);
        if let Some(last) = buffer.iter().rposition(|byte| *byte == b'\n') {
            return Ok(LineRange::Lines(last + 1));
        }
        if filled > LINE_BYTES_MAX {
            return Ok(LineRange::TooLong);
        }
        if filled < STRETCH {
            break;
        }
    }
    Ok(LineRange::Unfinished)
}

/// The lines of a stretch with the offset of each in the stretch, without their ends; empty ones are left out, also where
/// there is nothing but the byte order mark of an empty file.
pub(super) fn split(stretch: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let lines = stretch.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.strip_suffix(b"\n").unwrap_or(line))
    });
    let lines = lines.map(|(start, line)| (start, line.strip_suffix(b"\r").unwrap_or(line)));
    lines.filter(|(_, line)| !line.is_empty() && *line != MARK)
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
        let mut buffer = Vec::new();
        let stretch = read(&file(content), from, content.len() as u64, &mut buffer).unwrap();
        (stretch, buffer)
    }

    #[test]
    fn a_line_without_its_end_waits() {
        assert_eq!(read_all(b"one\ntwo\nthr", 0).0, LineRange::Lines(8));
        assert_eq!(read_all(b"one\ntwo\nthr", 8).0, LineRange::Unfinished);
        assert_eq!(read_all(b"", 0).0, LineRange::Unfinished);
        let stretch = b"one\r\n\n\r\ntwo\n";
        assert_eq!(split(stretch).collect::<Vec<_>>(), [(0, &b"one"[..]), (8, b"two")]);
        let stretch = "\u{feff}\r\n\u{feff}{}\n".as_bytes();
        assert_eq!(split(stretch).collect::<Vec<_>>(), [(5, "\u{feff}{}".as_bytes())]);
    }

    #[test]
    fn the_limit_is_to_the_byte() {
        let mut line = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read_all(&line, 0).0, LineRange::Unfinished);
        line.push(b'\n');
        assert_eq!(read_all(&line, 0).0, LineRange::Lines(LINE_BYTES_MAX + 1));
        line.insert(0, b'x');
        let (stretch, buffer) = read_all(&line, 0);
        assert_eq!((stretch, buffer.len()), (LineRange::TooLong, LINE_BYTES_MAX + 1));
    }
}
