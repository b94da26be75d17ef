//! The records of a file as rows, one after the other, each with its line.

use std::io::{BufRead, Read};

use super::columns::Columns;
use super::report::ReportBuilder;
use super::{FileFormat, ImportRequest};
use crate::error::Fault;
use crate::kind::Kind;
use crate::bounds::Bounds;
use crate::row::Row;

/// The longest line of JSON, in bytes.
const LINE_BYTES_MAX: usize = 4 << 20;

/// A row of a file. Of a purchase in a CSV file it has one line; the lines of one purchase are gathered when they are
/// written.
#[derive(Debug)]
pub(crate) struct ImportLine {
    /// The line where it begins.
    pub(crate) line: u64,
    /// The row.
    pub(crate) row: Row,
}

/// The rows of a file.
pub(crate) struct FileRows<R: BufRead> {
    kind: Kind,
    map: Vec<(String, String)>,
    bounds: Bounds,
    records: Records<R>,
    /// The faults so far.
    pub(crate) report: ReportBuilder,
}

enum Records<R: BufRead> {
    /// Not begun.
    Csv(R),
    Table {
        reader: csv::Reader<R>,
        columns: Columns,
        record: csv::StringRecord,
    },
    Lines {
        reader: R,
        line: u64,
    },
    Ended,
}

impl<R: BufRead> FileRows<R> {
    pub(super) fn new(request: &ImportRequest, file: R) -> Self {
        let records = match request.format {
            FileFormat::Csv => Records::Csv(file),
            FileFormat::JsonLines => Records::Lines { reader: file, line: 0 },
        };
        FileRows {
            kind: request.kind,
            map: request.map.clone(),
            bounds: request.bounds,
            records,
            report: ReportBuilder::default(),
        }
    }

    /// The next good row. Bad lines before it are in the report.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn next_row(&mut self) -> std::io::Result<Option<ImportLine>> {
        loop {
            match std::mem::replace(&mut self.records, Records::Ended) {
                Records::Csv(file) => self.begin_table(file)?,
                Records::Ended => return Ok(None),
                Records::Table { mut reader, columns, mut record } => {
                    let read = reader.read_record(&mut record);
                    let line = record.position().map_or(0, csv::Position::line);
                    let row = match read {
                        Ok(false) => return Ok(None),
                        Ok(true) => row_of(self.kind, &columns, &record, &self.bounds),
                        Err(error) => Err(vec![csv_fault(error)?]),
                    };
                    let value = |field: &str| {
                        let at = columns.fields.iter().position(|known| *known == Some(field));
                        at.and_then(|at| record.get(at)).unwrap_or_default().to_owned()
                    };
                    let row = row.map_err(|faults| self.report.bad(line, &faults, value));
                    self.records = Records::Table { reader, columns, record };
                    if let Ok(row) = row {
                        return Ok(Some(ImportLine { line, row }));
                    }
                }
                Records::Lines { mut reader, line } => {
                    let line = line + 1;
                    let mut bytes = Vec::new();
                    reader.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let is_long = bytes.len() > LINE_BYTES_MAX;
                    let mut text: &[u8] = bytes.trim_ascii();
                    if line == 1 {
                        text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
                    }
                    if is_long {
                        let reason =
                            format!("must be a line of at most {LINE_BYTES_MAX} bytes; no further line is read");
                        self.report.bad(line, &[Fault::new("", reason)], |_| String::new());
                        return Ok(None);
                    }
                    self.records = Records::Lines { reader, line };
                    if text.is_empty() {
                        continue;
                    }
                    match Row::from_json(self.kind, None, text, &self.bounds) {
                        Ok(row) => return Ok(Some(ImportLine { line, row })),
                        Err(faults) => self.report.bad(line, &faults, |field| json_value(text, field)),
                    }
                }
            }
        }
    }

    /// Reads the first record, which names the columns.
    fn begin_table(&mut self, mut file: R) -> std::io::Result<()> {
        let start = file.fill_buf()?;
        let mark = if start.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let delimiter = delimiter(&start[mark..]);
        file.consume(mark);
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(false).from_reader(file);
        let found = match reader.headers() {
            Ok(header) => Columns::find(self.kind, &self.map, header.iter()),
            Err(error) => Err(vec![csv_fault(error)?]),
        };
        match found {
            Ok(columns) => {
                self.report.report.ignored_columns.clone_from(&columns.ignored);
                self.records = Records::Table { reader, columns, record: csv::StringRecord::new() };
            }
            Err(faults) => self.report.bad(1, &faults, |_| String::new()),
        }
        Ok(())
    }
}

/// What separates the columns: the most frequent of three in the first line, quoted parts aside.
fn delimiter(start: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    for byte in start.iter().take_while(|byte| **byte != b'\n') {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| known == byte && !quoted) {
            *count += 1;
        }
    }
    // Of equal counts the first one wins.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| *byte)
}

/// A row from the cells of a record.
fn row_of(kind: Kind, columns: &Columns, record: &csv::StringRecord, bounds: &Bounds) -> Result<Row, Vec<Fault>> {
    let cells = columns.fields.iter().zip(record).filter_map(|(field, cell)| Some(((*field)?, cell)));
    if kind == Kind::Purchases { Row::of_one_line(cells, bounds) } else { Row::from_cells(kind, cells, bounds) }
}

/// A fault of a record, or the error of the file.
fn csv_fault(error: csv::Error) -> std::io::Result<Fault> {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Err(error),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Ok(Fault::new("", format!("has {len} fields, and the first line names {expected_len} columns")))
        }
        csv::ErrorKind::Utf8 { .. } => Ok(Fault::new("", "must be UTF-8")),
        _ => Ok(Fault::new("", "is no record of CSV")),
    }
}

/// The value of a field in a line of JSON, for the report.
fn json_value(line: &[u8], field: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    match value.as_ref().and_then(|value| value.get(field)) {
        Some(value) => value.to_string(),
        None if field.is_empty() => String::from_utf8_lossy(line).into_owned(),
        None => String::new(),
    }
}
