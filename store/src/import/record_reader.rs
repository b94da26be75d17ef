//! Records of a CSV file, each of a bounded length: an unclosed quote does not read the rest of the file into memory.

use std::io::{self, BufRead, Chain, Cursor, Read};

use thiserror::Error;

use crate::error::Fault;

/// The longest record, or line of JSON, in bytes.
pub(super) const RECORD_BYTES_MAX: usize = 4 << 20;

/// Bytes of the first line that are looked at to find the separator.
const HEAD_BYTES_MAX: u64 = 1 << 16;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// The mark that some programs put before a text in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[derive(Debug, Error)]
#[error("the record is too long")]
struct RecordTooLong;

/// The head of a file, its rest, and the end of its last line.
type Whole<'f> = Chain<Chain<Cursor<Vec<u8>>, &'f mut dyn BufRead>, &'static [u8]>;

/// A reader that fails when one record takes too many bytes.
struct Bounded<'f> {
    file: Whole<'f>,
    left: usize,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(RecordTooLong));
        }
        let most = self.left.min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        self.left -= count;
        Ok(count)
    }
}

/// What came of reading a record.
pub(super) enum RecordRead {
    /// The next record is in the buffer.
    Record,
    /// The next record is wrong; its line and the fault.
    Bad(u64, Fault),
    /// The next record is wrong, and no further one can be read.
    Last(u64, Fault),
    /// There is no further record.
    End,
}

/// The records of a file.
pub(super) struct RecordReader<'f> {
    reader: csv::Reader<Bounded<'f>>,
    record: csv::StringRecord,
    /// The line where the record begins, from 1.
    pub(super) line: u64,
}

impl<'f> RecordReader<'f> {
    /// A reader of `file`, whose first line tells the separator.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn open(file: &'f mut dyn BufRead) -> io::Result<Self> {
        let mut head = Vec::new();
        (&mut *file).take(HEAD_BYTES_MAX).read_until(b'\n', &mut head)?;
        if head.starts_with(BYTE_ORDER_MARK) {
            head.drain(..BYTE_ORDER_MARK.len());
        }
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(delimiter(&head)).has_headers(false).flexible(true).buffer_capacity(BUFFER_BYTES);
        // With one byte as the end, the lines of a record are known exactly; see `cells` for the other byte of CRLF.
        builder.terminator(csv::Terminator::Any(b'\n'));
        let file = Cursor::new(head).chain(file).chain(b"\n".as_slice());
        let reader = builder.from_reader(Bounded { file, left: RECORD_BYTES_MAX });
        Ok(RecordReader { reader, record: csv::StringRecord::new(), line: 1 })
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<RecordRead> {
        loop {
            self.reader.get_mut().left = RECORD_BYTES_MAX;
            self.line = self.reader.position().line();
            let read = self.reader.read_record(&mut self.record);
            if matches!(read, Ok(true)) {
                let inner = self.record.as_slice().bytes().filter(|byte| *byte == b'\n').count();
                self.line = self.reader.position().line().saturating_sub(1 + inner as u64);
                if self.record.len() == 1 && self.cell(0).is_some_and(str::is_empty) {
                    continue;
                }
            }
            return self.read(read);
        }
    }

    fn read(&self, read: csv::Result<bool>) -> io::Result<RecordRead> {
        let line = self.line;
        match read {
            Ok(true) => Ok(RecordRead::Record),
            Ok(false) => Ok(RecordRead::End),
            Err(error) => match error.into_kind() {
                csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<RecordTooLong>()) => {
                    let reason = format!(
                        "is longer than {RECORD_BYTES_MAX} bytes: is a quote not closed? No further line is read"
                    );
                    Ok(RecordRead::Last(line, Fault::new("", reason)))
                }
                csv::ErrorKind::Io(error) => Err(error),
                csv::ErrorKind::Utf8 { .. } => Ok(RecordRead::Bad(line, Fault::new("", "must be UTF-8"))),
                _ => Ok(RecordRead::Bad(line, Fault::new("", "is no record of CSV"))),
            },
        }
    }

    /// The number of cells.
    pub(super) fn len(&self) -> usize {
        self.record.len()
    }

    /// The bytes of all cells together.
    pub(super) fn bytes(&self) -> usize {
        self.record.as_slice().len()
    }

    /// The cell at this place.
    pub(super) fn cell(&self, at: usize) -> Option<&str> {
        let cell = self.record.get(at)?;
        let is_last = at + 1 == self.record.len();
        Some(if is_last { cell.strip_suffix('\r').unwrap_or(cell) } else { cell })
    }

    /// The cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.cell(at))
    }
}

/// What separates the columns: the most frequent of three in the first line, quoted parts aside.
fn delimiter(head: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    for byte in head {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| known == byte && !quoted) {
            *count += 1;
        }
    }
    // Of equal counts the first one wins.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| *byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u64, Vec<String>)> {
        let mut file = Cursor::new(text);
        let mut reader = RecordReader::open(&mut file).unwrap();
        let mut lines = Vec::new();
        while let RecordRead::Record = reader.next().unwrap() {
            lines.push((reader.line, reader.cells().map(str::to_owned).collect()));
        }
        lines
    }

    #[test]
    fn separators_quotes_line_ends_and_marks_are_understood() {
        let record = |line, cells: [&str; 2]| (line, cells.map(str::to_owned).to_vec());
        let expected = vec![record(1, ["a", "b"]), record(2, ["1", "x\ny"]), record(5, ["2", "\"z\""])];
        for separator in [",", ";", "\t"] {
            let text = "a,b\n1,\"x\ny\"\n\n2,\"\"\"z\"\"\"\n".replace(',', separator);
            assert_eq!(lines(&text), expected, "{text:?}");
            assert_eq!(lines(&format!("\u{feff}{text}")), expected, "with a byte order mark");
        }
        let crlf = lines("a,b\r\n1,\"x\r\ny\"\r\n\r\n2,z");
        assert_eq!(crlf, [record(1, ["a", "b"]), record(2, ["1", "x\r\ny"]), record(5, ["2", "z"])]);
    }

    #[test]
    fn an_unclosed_quote_reads_one_record_and_no_more() {
        let text = format!("a,b\n1,\"x\n{}", "2,y\n".repeat(3 * RECORD_BYTES_MAX / 4));
        let mut file = Cursor::new(text.as_bytes());
        let mut reader = RecordReader::open(&mut file).unwrap();
        assert!(matches!(reader.next().unwrap(), RecordRead::Record));
        assert!(matches!(reader.next().unwrap(), RecordRead::Last(2, _)));
        drop(reader);
        assert!(file.position() < 2 * RECORD_BYTES_MAX as u64, "{}", file.position());
    }
}
