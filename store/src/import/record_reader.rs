//! Records of a CSV file, each of a bounded length: an unclosed quote does not read the rest of the file into memory. A file
//! that ends within quotes ends with a bad record.

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

/// A reader that fails when one record takes too many bytes, and keeps the bytes of the record.
struct Bounded<'f> {
    file: Whole<'f>,
    left: usize,
    /// The bytes that were read last, those of the record among them.
    kept: Vec<u8>,
    /// How many bytes were read before those.
    kept_at: u64,
    /// How many bytes were read before the record.
    record_at: u64,
    /// Whether the end of the file has been read.
    is_at_end: bool,
}

impl Bounded<'_> {
    /// The place in `kept` of the byte that so many bytes were read before.
    fn place(&self, at: u64) -> usize {
        usize::try_from(at.saturating_sub(self.kept_at)).map_or(self.kept.len(), |at| at.min(self.kept.len()))
    }

    /// The bytes of the record, which ends here.
    fn record_to(&self, end: u64) -> &[u8] {
        &self.kept[self.place(self.record_at)..self.place(end)]
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(RecordTooLong));
        }
        let most = self.left.min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        self.left -= count;
        self.is_at_end |= count == 0 && most > 0;
        let over = self.place(self.record_at);
        self.kept.drain(..over);
        self.kept_at += over as u64;
        self.kept.extend_from_slice(&buffer[..count]);
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
    delimiter: u8,
    /// The places of cells that are quotes around nothing.
    quoted_nothings: Vec<usize>,
    /// Whether the record ends with CRLF.
    is_crlf: bool,
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
        let delimiter = delimiter(&head);
        builder.delimiter(delimiter).has_headers(false).flexible(true).buffer_capacity(BUFFER_BYTES);
        // With one byte as the end, the lines of a record are known exactly; see `cell` for the other byte of CRLF.
        builder.terminator(csv::Terminator::Any(b'\n'));
        let file = Cursor::new(head).chain(file).chain(b"\n".as_slice());
        let file =
            Bounded { file, left: RECORD_BYTES_MAX, kept: Vec::new(), kept_at: 0, record_at: 0, is_at_end: false };
        let (reader, record) = (builder.from_reader(file), csv::StringRecord::new());
        Ok(RecordReader { reader, record, delimiter, quoted_nothings: Vec::new(), is_crlf: false, line: 1 })
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<RecordRead> {
        loop {
            let (line, byte) = (self.reader.position().line(), self.reader.position().byte());
            let file = self.reader.get_mut();
            (file.left, file.record_at) = (RECORD_BYTES_MAX, byte);
            self.line = line;
            let read = self.reader.read_record(&mut self.record);
            if self.ends_in_quotes(&read) {
                self.line = self.reader.position().line().saturating_sub(self.inner_lines());
                return Ok(RecordRead::Last(
                    self.line,
                    Fault::new("", "the quote that begins in this record does not end"),
                ));
            }
            if matches!(read, Ok(true)) {
                self.line = self.reader.position().line().saturating_sub(1 + self.inner_lines());
                self.look_at_quotes();
                if self.record.len() == 1 && self.cell(0).is_some_and(str::is_empty) {
                    continue;
                }
            }
            return self.read(read);
        }
    }

    /// Whether the file has ended before the record. The file ends with a line end, so that only quotes keep a record open.
    fn ends_in_quotes(&self, read: &csv::Result<bool>) -> bool {
        let is_record = match read {
            Ok(is_record) => *is_record,
            Err(error) => matches!(error.kind(), csv::ErrorKind::Utf8 { .. }),
        };
        is_record && self.reader.get_ref().is_at_end
    }

    /// The line ends in the record, those in its cells.
    fn inner_lines(&self) -> u64 {
        self.record.as_slice().bytes().filter(|byte| *byte == b'\n').count() as u64
    }

    /// Finds out what the cells do not say: which of them are quotes around nothing, and where the last one ends.
    fn look_at_quotes(&mut self) {
        let bytes = self.reader.get_ref().record_to(self.reader.position().byte());
        self.is_crlf = bytes.ends_with(b"\r\n");
        self.quoted_nothings.clear();
        if self.record.iter().any(|cell| cell.is_empty() || cell == "\r") {
            quoted_nothings(bytes, self.delimiter, &mut self.quoted_nothings);
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
        // A CR in quotes belongs to the last cell, one before the LF does not.
        let is_last = at + 1 == self.record.len();
        Some(if is_last && self.is_crlf { cell.strip_suffix('\r').unwrap_or(cell) } else { cell })
    }

    /// Whether the cell at this place is quotes around nothing.
    pub(super) fn is_quoted_nothing(&self, at: usize) -> bool {
        self.quoted_nothings.contains(&at)
    }

    /// The cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.cell(at))
    }
}

/// The places of the cells in the bytes of a record that are quotes around nothing.
fn quoted_nothings(record: &[u8], delimiter: u8, places: &mut Vec<usize>) {
    // The reader leaves out empty lines before a record.
    let empty_lines = record.iter().take_while(|byte| **byte == b'\n').count();
    let mut cell = &record[empty_lines..];
    for place in 0.. {
        let mut rest = cell;
        if let Some(quoted) = cell.strip_prefix(b"\"") {
            rest = behind_quotes(quoted);
            let is_nothing = quoted.len() == rest.len() + 1;
            let ends = rest.first() == Some(&delimiter) || [b"\n".as_slice(), b"\r\n"].contains(&rest);
            if is_nothing && ends {
                places.push(place);
            }
        }
        let Some(end) = rest.iter().position(|byte| *byte == delimiter) else { return };
        cell = &rest[end + 1..];
    }
}

/// The rest of a record behind the quote that closes these bytes. Two quotes are one quote of the text.
fn behind_quotes(mut bytes: &[u8]) -> &[u8] {
    while let Some(quote) = bytes.iter().position(|byte| *byte == b'"') {
        bytes = &bytes[quote + 1..];
        match bytes.strip_prefix(b"\"") {
            Some(rest) => bytes = rest,
            None => return bytes,
        }
    }
    &[]
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
        let inner = lines("a,b\r\n1,\"x\r\"\r\n2,\"y\r\"\n3,z\r");
        let expected = [record(1, ["a", "b"]), record(2, ["1", "x\r"]), record(3, ["2", "y\r"]), record(4, ["3", "z"])];
        assert_eq!(inner, expected, "a CR in quotes is a part of the cell");
    }

    #[test]
    fn quotes_around_nothing_are_told_from_nothing() {
        for (record, expected) in [
            ("\"\",,\"\"", vec![0, 2]),
            ("\n\n,\"\",x", vec![1]),
            ("\"\"\"\",\"a\"\",\"\"\",\"\",", vec![2]),
            ("a\"\",\"\"b,,\"x\ny\",\"\"", vec![4]),
            (",,", vec![]),
        ] {
            for end in ["", "\n", "\r\n"] {
                let file = "1;2;3;4;5\n".to_owned() + &record.replace(',', ";") + end;
                let mut file = Cursor::new(file);
                let mut reader = RecordReader::open(&mut file).unwrap();
                for _ in 0..2 {
                    assert!(matches!(reader.next().unwrap(), RecordRead::Record));
                }
                let found: Vec<usize> = (0..reader.len()).filter(|at| reader.is_quoted_nothing(*at)).collect();
                assert_eq!(found, expected, "{record:?}{end:?}");
            }
        }
    }

    #[test]
    fn quotes_are_found_in_records_longer_than_what_is_read_at_a_time() {
        let text = |length: usize| format!("a,b,c\n{},\"\",\n", "x".repeat(length)).repeat(3);
        for length in [1, BUFFER_BYTES - 8, BUFFER_BYTES, 3 * BUFFER_BYTES] {
            let mut file = Cursor::new(text(length));
            let mut reader = RecordReader::open(&mut file).unwrap();
            for record in 0..6 {
                assert!(matches!(reader.next().unwrap(), RecordRead::Record));
                let found: Vec<bool> = (0..3).map(|at| reader.is_quoted_nothing(at)).collect();
                assert_eq!(found, [false, record % 2 == 1, false], "{length}, {record}");
            }
        }
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

    /// The lines and cells of the good records of a file after its first one, and the line of a bad one at its end.
    fn read_to_end(text: &str) -> (Vec<Vec<String>>, Option<u64>) {
        let mut file = Cursor::new(text);
        let mut reader = RecordReader::open(&mut file).unwrap();
        let mut records = Vec::new();
        loop {
            match reader.next().unwrap() {
                RecordRead::Record => records.push(reader.cells().map(str::to_owned).collect()),
                RecordRead::Last(line, fault) => {
                    assert!(fault.reason.contains("does not end"), "{fault:?}");
                    assert!(matches!(reader.next().unwrap(), RecordRead::End));
                    return (records, Some(line));
                }
                RecordRead::Bad(line, fault) => panic!("{line}: {fault:?}"),
                RecordRead::End => return (records, None),
            }
        }
    }

    #[test]
    fn a_file_that_ends_within_quotes_has_a_bad_record() {
        for (record, good, line) in [
            ("z1,\"abc\nz2,foo\nz3,bar", 1, 2),
            ("a,b\n\n\n\"", 2, 5),
            ("a,b\nz1,\"a\"\"", 2, 3),
            ("\"a\nb\",c\nz1,\"", 2, 4),
            ("\"", 1, 2),
        ] {
            for end in ["", "\n", "\r\n", "\n\n"] {
                let text = format!("product_id,name\n{record}{end}");
                let (records, bad) = read_to_end(&text);
                assert_eq!((records.len(), bad), (good, Some(line)), "{text:?}: {records:?}");
            }
        }
    }

    #[test]
    fn quotes_in_cells_that_do_not_begin_with_them_are_signs_of_the_cell() {
        let (records, bad) = read_to_end("a,b\nz1,5\" screen\nz2,\"\"\nz3,\"x\"\"\"\nz4, \"y");
        let names: Vec<&str> = records[1..].iter().map(|record| &*record[1]).collect();
        assert_eq!((names, bad), (vec!["5\" screen", "", "x\"", " \"y"], None));
    }

    #[test]
    fn a_quote_that_does_not_end_is_found_in_a_file_longer_than_what_is_read_at_a_time() {
        for length in BUFFER_BYTES - 20..BUFFER_BYTES + 4 {
            let (records, bad) = read_to_end(&format!("a,b\nz1,\"{}", "x".repeat(length)));
            assert_eq!((records.len(), bad), (1, Some(2)), "{length}");
            let (records, bad) = read_to_end(&format!("a,b\nz1,\"{}\"", "x".repeat(length)));
            assert_eq!((records.len(), bad), (2, None), "{length}");
        }
    }
}
