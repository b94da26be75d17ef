//! Whole records of a CSV file (RFC 4180): a record may go over several lines within quotes.

use std::fs::File;
use std::io;

use csv_core::{ReadRecordResult, Reader};

use super::LINE_BYTES_MAX;
use crate::fault::Fault;
use crate::file_position::{FilePosition, read_at};
use crate::file_sum::FileSum;

/// Bytes that are read together.
const BLOCK: usize = 64 * 1024;

/// The most fields of a record.
const FIELDS_MAX: usize = 4096;

/// Reads the records of a chunk of a file.
pub(super) struct CsvRecords<'f> {
    file: &'f File,
    to: u64,
    /// Whether the file rests: then a last record without a line end counts.
    at_rest: bool,
    /// Where the record found last begins.
    start: u64,
    /// Where the next record begins.
    pub(super) position: FilePosition,
    parser: Reader,
    block: Vec<u8>,
    block_at: usize,
    fields: CsvFields,
    /// The checksum of the bytes up to the position as they were read, if all bytes from the file's start on were.
    sum: FileSum,
    /// The same before the record found last.
    sum_before: FileSum,
}

/// The fields of one record.
pub(super) struct CsvFields {
    text: Vec<u8>,
    ends: Vec<usize>,
    len: usize,
}

/// The next record, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextRecord {
    /// A record: its fields are in [`CsvRecords::fields`]. `ended` says whether a line end was there.
    Record { ended: bool },
    /// A record that cannot be read, from its start up to the position.
    Refused(Fault<'static>),
    /// A record whose end is not there yet.
    Unfinished,
    /// The end of the chunk, after a whole record.
    End,
}

impl CsvFields {
    /// The field of that number, if the record has it.
    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.len].get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// All fields.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len).filter_map(|index| self.get(index))
    }
}

impl<'f> CsvRecords<'f> {
    pub(super) fn new(file: &'f File, position: FilePosition, to: u64, at_rest: bool) -> Self {
        CsvRecords {
            file,
            to,
            at_rest,
            start: position.offset,
            position,
            parser: Reader::new(),
            block: Vec::new(),
            block_at: 0,
            fields: CsvFields { text: vec![0; 4096], ends: vec![0; 64], len: 0 },
            sum: FileSum::default(),
            sum_before: FileSum::default(),
        }
    }

    /// Goes on with the checksum of the bytes before the position.
    pub(super) fn summing(self, sum: FileSum) -> Self {
        CsvRecords { sum, ..self }
    }

    /// The checksum of the bytes before the position.
    pub(super) fn sum(&self) -> FileSum {
        self.sum.clone()
    }

    /// The fields of the record found last.
    pub(super) fn fields(&self) -> &CsvFields {
        &self.fields
    }

    /// Where the record found last begins, and its first bytes, up to `max`, without its line end.
    pub(super) fn raw(&self, max: usize) -> io::Result<(u64, Vec<u8>)> {
        let length = self.position.offset - self.start;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(max).min(max)];
        let filled = read_at(self.file, self.start, &mut bytes)?;
        bytes.truncate(filled);
        while bytes.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            bytes.pop();
        }
        Ok((self.start, bytes))
    }

    /// Whether no further byte of the file can make the record right that was refused last: it is too long, or its first
    /// line has an end.
    pub(super) fn is_decided(&self, fault: &Fault<'_>) -> bool {
        matches!(fault, Fault::TooLarge { .. }) || !self.position.skipping
    }

    /// Goes back to the record found last.
    pub(super) fn go_back(&mut self) {
        self.position = FilePosition { offset: self.start, skipping: false };
        self.sum = self.sum_before.clone();
        self.restart();
    }

    /// Goes on to the next record.
    pub(super) fn next(&mut self) -> io::Result<NextRecord> {
        if self.position.skipping {
            self.skip()?;
        }
        self.pass_line_ends()?;
        self.start = self.position.offset;
        self.sum_before = self.sum.clone();
        let mut sum = self.sum.clone();
        let (mut text, mut ends) = (0, 0);
        let mut offset = self.start;
        loop {
            if self.block_at == self.block.len() {
                self.read_block(offset)?;
                if self.block.is_empty() {
                    return self.at_end(offset, text, ends, sum);
                }
            }
            let (result, read, wrote, ended) = self.parser.read_record(
                &self.block[self.block_at..],
                &mut self.fields.text[text..],
                &mut self.fields.ends[ends..],
            );
            sum.add(offset, &self.block[self.block_at..self.block_at + read]);
            self.block_at += read;
            offset += read as u64;
            text += wrote;
            ends += ended;
            // Quotes are not in the fields, so the length is judged by what the file has.
            if offset - self.start > LINE_BYTES_MAX as u64 {
                return self.pass_over(Fault::TooLarge { bytes_max: LINE_BYTES_MAX });
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.text.resize(self.fields.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if ends >= FIELDS_MAX => {
                    return self.pass_over(Fault::TooLarge { bytes_max: LINE_BYTES_MAX });
                }
                ReadRecordResult::OutputEndsFull => self.fields.ends.resize(ends * 2, 0),
                ReadRecordResult::Record => {
                    self.fields.len = ends;
                    (self.position.offset, self.sum) = (offset, sum);
                    return Ok(NextRecord::Record { ended: true });
                }
                ReadRecordResult::End => unreachable!("said only where there is no input"),
            }
        }
    }

    /// Goes to the first byte of the next record, past empty lines.
    fn pass_line_ends(&mut self) -> io::Result<()> {
        loop {
            if self.block_at == self.block.len() {
                self.read_block(self.position.offset)?;
            }
            match self.block.get(self.block_at) {
                Some(end @ (b'\r' | b'\n')) => {
                    self.sum.add(self.position.offset, &[*end]);
                    self.block_at += 1;
                    self.position.offset += 1;
                }
                _ => return Ok(()),
            }
        }
    }

    fn read_block(&mut self, offset: u64) -> io::Result<()> {
        let size = usize::try_from(self.to.saturating_sub(offset)).unwrap_or(BLOCK).min(BLOCK);
        self.block.resize(size, 0);
        let filled = read_at(self.file, offset, &mut self.block)?;
        self.block.truncate(filled);
        self.block_at = 0;
        Ok(())
    }

    /// At the end of the input: is the last record whole?
    fn at_end(&mut self, offset: u64, text: usize, ends: usize, sum: FileSum) -> io::Result<NextRecord> {
        if offset == self.start {
            return Ok(NextRecord::End);
        }
        if !self.at_rest {
            return Ok(NextRecord::Unfinished);
        }
        // Adds the missing line end; within quotes it becomes part of the field.
        self.fields.text.resize(self.fields.text.len().max(text + 1), 0);
        self.fields.ends.resize(self.fields.ends.len().max(ends + 1), 0);
        let (result, _, _, ended) =
            self.parser.read_record(b"\n", &mut self.fields.text[text..], &mut self.fields.ends[ends..]);
        if result != ReadRecordResult::Record {
            return self.pass_over(Fault::OpenQuote);
        }
        self.fields.len = ends + ended;
        (self.position.offset, self.sum) = (offset, sum);
        Ok(NextRecord::Record { ended: false })
    }

    /// Continues after the first line of a record that cannot be read: the next line may be a record again.
    fn pass_over(&mut self, fault: Fault<'static>) -> io::Result<NextRecord> {
        self.position.skipping = true;
        self.skip()?;
        Ok(NextRecord::Refused(fault))
    }

    /// Skips the rest of a line, as far as it exists.
    fn skip(&mut self) -> io::Result<()> {
        let follows = self.sum.len() == self.position.offset;
        self.position.skip(self.file, self.to)?;
        self.restart();
        if follows { self.sum.go_to(self.file, self.position.offset) } else { Ok(()) }
    }

    fn restart(&mut self) {
        self.parser.reset();
        self.block.clear();
        self.block_at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    type Found = (Vec<Vec<Vec<u8>>>, Vec<&'static str>, u64);

    /// Reads all records, a chunk at a time: the fields, the faults, and where it stopped.
    fn read(content: &[u8], at_rest: bool) -> Found {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut records = CsvRecords::new(&file, FilePosition::default(), content.len() as u64, at_rest);
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        loop {
            match records.next().unwrap() {
                NextRecord::Record { .. } => found.push(records.fields().iter().map(<[u8]>::to_vec).collect()),
                NextRecord::Refused(fault) => faults.push(fault.reason()),
                NextRecord::Unfinished | NextRecord::End => return (found, faults, records.position.offset),
            }
        }
    }

    fn rows(rows: &[&[&str]]) -> Vec<Vec<Vec<u8>>> {
        rows.iter().map(|row| row.iter().map(|field| field.as_bytes().to_vec()).collect()).collect()
    }

    #[test]
    fn the_checksum_is_that_of_the_bytes_before_the_position() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let text = format!("a,b\r\n\n\"one\ntwo\",1\n{long}\nthree,3\n{}\nfour,\"4", "y,".repeat(FIELDS_MAX + 1));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        for at_rest in [false, true] {
            let mut records = CsvRecords::new(&file, FilePosition::default(), text.len() as u64, at_rest);
            loop {
                let found = records.next().unwrap();
                let mut expected = FileSum::default();
                expected.add(0, &text.as_bytes()[..records.position.offset as usize]);
                assert!(records.sum() == expected, "{found:?} up to {}", records.position.offset);
                match found {
                    NextRecord::Record { .. } | NextRecord::Refused(Fault::TooLarge { .. }) => {}
                    NextRecord::Refused(_) => records.go_back(),
                    NextRecord::Unfinished | NextRecord::End => break,
                }
                if found == NextRecord::Refused(Fault::OpenQuote) {
                    assert_eq!(records.sum().len(), records.position.offset, "it has gone back");
                    break;
                }
            }
        }
    }

    #[test]
    fn quotes_line_ends_and_a_mark_at_the_start() {
        let content = "\u{feff}id,text\r\n1,\"two\nlines, \"\"quoted\"\"\"\r\n\r\n\n2,5\" pipe\n";
        let expected = rows(&[&["id", "text"], &["1", "two\nlines, \"quoted\""], &["2", "5\" pipe"]]);
        assert_eq!(read(content.as_bytes(), false), (expected, vec![], content.len() as u64));
    }

    #[test]
    fn a_record_without_its_end_waits_until_the_file_rests() {
        assert_eq!(read(b"a,b\n1,2", false), (rows(&[&["a", "b"]]), vec![], 4));
        assert_eq!(read(b"a,b\n1,2", true), (rows(&[&["a", "b"], &["1", "2"]]), vec![], 7));
        assert_eq!(read(b"a,b\n1,\"2", false), (rows(&[&["a", "b"]]), vec![], 4));
    }

    #[test]
    fn a_refused_record_is_decided_when_its_line_has_an_end_or_it_is_too_long() {
        let long = format!("1,{}", "x".repeat(LINE_BYTES_MAX));
        for (content, decided) in [("1,\"2", false), ("1,\"2\n3", true), (long.as_str(), true)] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            let mut records = CsvRecords::new(&file, FilePosition::default(), content.len() as u64, true);
            let NextRecord::Refused(fault) = records.next().unwrap() else { panic!("{content:.9} is refused") };
            assert_eq!(records.is_decided(&fault), decided, "{content:.9}");
            records.go_back();
            assert_eq!(records.next().unwrap(), NextRecord::Refused(fault), "it is read again");
        }
    }

    #[test]
    fn an_open_quote_costs_one_line() {
        let found = read(b"a,b\r\n1,\"2\r\n3,4\r\n5,6\r\n", true);
        assert_eq!(found, (rows(&[&["a", "b"], &["3", "4"], &["5", "6"]]), vec!["open_quote"], 21));
    }

    #[test]
    fn a_record_above_the_limit_is_passed_over() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let content = format!("a,b\n{long}\n3,4\n1,\"{}\n", "y\n".repeat(LINE_BYTES_MAX));
        let (found, faults, _) = read(content.as_bytes(), false);
        assert_eq!(found[..2], rows(&[&["a", "b"], &["3", "4"]]));
        assert_eq!((faults[0], faults[1]), ("too_large", "too_large"));
        assert_eq!(found[2], rows(&[&["y"]])[0], "after the line with the open quote");
    }

    proptest! {
        #[test]
        fn what_a_csv_writer_writes_is_read_back(table in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,6}", 2..4), 0..20)) {
            let mut content = Vec::new();
            for row in &table {
                let fields: Vec<String> = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
                content.extend(fields.join(",").into_bytes());
                content.extend(b"\r\n");
            }
            let expected: Vec<Vec<Vec<u8>>> =
                table.into_iter().map(|row| row.into_iter().map(String::into_bytes).collect()).collect();
            prop_assert_eq!(read(&content, false), (expected, vec![], content.len() as u64));
        }
    }
}
