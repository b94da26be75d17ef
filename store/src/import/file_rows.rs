//! The rows of a file, one after the other, each with its line.

use std::collections::{HashSet, VecDeque};
use std::io::{self, BufRead};

use super::json_lines::{JsonLines, LineRead, value};
use super::record_reader::RecordRead;
use super::report::ReportBuilder;
use super::table::{RecordDigest, Table};
use super::{FileContent, FileFormat, ImportMode, ImportReport, ImportRequest};
use crate::error::Fault;
use crate::kind::Kind;
use crate::row::Row;
use crate::settings::{Settings, UnknownIds};

/// Categories that are remembered as made.
const MADE_MAX: usize = 10_000;

/// A row of a file.
#[derive(Debug)]
pub(crate) struct ImportRow {
    /// The line where its record begins.
    pub(crate) line: u64,
    /// The row.
    pub(crate) row: Row,
    /// What is done with it.
    pub(crate) role: Role,
}

/// What is done with a row of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is the row with its id, as the mode says.
    Whole,
    /// A purchase with one of its lines. The first part takes the place of the purchase that is there, as the mode says;
    /// each further part adds its line.
    Part,
    /// It is written only if there is no row with its id. The home makes the category of such a product, if the product is
    /// written and the category is not there.
    IfAbsent,
}

/// The rows of a file. A home writes each of them, or refuses it with the faults that it finds.
pub(crate) struct FileRows<'f> {
    request: &'f ImportRequest,
    makes_categories: bool,
    source: Source<'f>,
    /// Rows of the last record that were not taken yet.
    ready: VecDeque<ImportRow>,
    /// Whether the last record has been read. The table is kept, because rows may still be refused.
    is_over: bool,
    made: HashSet<String>,
    report: ReportBuilder,
}

enum Source<'f> {
    Table(Box<Table<'f>>),
    Lines(JsonLines<'f>),
    Ended,
}

impl<'f> FileRows<'f> {
    pub(super) fn open(
        request: &'f ImportRequest,
        file: &'f mut dyn BufRead,
        settings: &Settings,
    ) -> io::Result<FileRows<'f>> {
        let mut report = ReportBuilder::default();
        let source = match (request.format, request.content) {
            (FileFormat::Csv, _) => match Table::open(request, file)? {
                Ok(table) => {
                    report.report.ignored_columns = table.columns.ignored();
                    Source::Table(Box::new(table))
                }
                Err(faults) => {
                    report.bad(1, &faults, |field| (field.to_owned(), String::new()));
                    Source::Ended
                }
            },
            (FileFormat::JsonLines, FileContent::Rows(_)) => Source::Lines(JsonLines::new(file)),
            (FileFormat::JsonLines, FileContent::Shop) => {
                let fault = Fault::new("", "a whole shop is a table: give it as CSV");
                report.bad(1, &[fault], |_| Default::default());
                Source::Ended
            }
        };
        // Where unknown ids are refused, nobody wants a category that is only a typing error.
        let makes_categories = request.content == FileContent::Shop || settings.unknown_ids == UnknownIds::Take;
        Ok(FileRows {
            request,
            makes_categories,
            source,
            ready: VecDeque::new(),
            is_over: false,
            made: HashSet::new(),
            report,
        })
    }

    /// The fields of a kind that the file has columns for; none if it gives all fields.
    pub(crate) fn fields(&self, kind: Kind) -> Option<Vec<&'static str>> {
        let Source::Table(table) = &self.source else { return None };
        let columns = table.columns.kinds.iter().find(|columns| columns.kind == kind)?;
        Some(columns.fields.iter().flatten().copied().collect())
    }

    /// The next good row. Bad lines before it are in the report.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn next_row(&mut self) -> io::Result<Option<ImportRow>> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            match &mut self.source {
                _ if self.is_over => return Ok(None),
                Source::Ended => return Ok(None),
                Source::Table(_) => self.read_record()?,
                Source::Lines(_) => self.read_line()?,
            }
        }
    }

    /// A digest of the record that the last row is from, over the fields of `kind`. Of a table only.
    pub(crate) fn record_digest(&self, kind: Kind) -> RecordDigest {
        let Source::Table(table) = &self.source else { return RecordDigest::default() };
        table.digest(kind)
    }

    /// The bytes of the record that the last row is from.
    pub(crate) fn record_bytes(&self) -> usize {
        match &self.source {
            Source::Table(table) => table.reader.bytes(),
            Source::Lines(lines) => lines.text().len(),
            Source::Ended => 0,
        }
    }

    /// Notes that a row cannot be written.
    pub(crate) fn refuse(&mut self, line: u64, row: &Row, faults: &[Fault]) {
        let source = &self.source;
        self.report.bad(line, faults, |field| {
            let name = field.rsplit_once('.').map_or(field, |(_, name)| name);
            let value = value(&row.json(), field).filter(|value| !value.is_empty());
            let value = value.unwrap_or_else(|| row.id().to_owned());
            match source {
                Source::Table(table) if table.reader.line == line => table.place(name),
                Source::Table(table) => (table.place(name).0, value),
                _ => (field.to_owned(), value),
            }
        });
    }

    /// The same of a row of which only the id is known.
    pub(crate) fn refuse_id(&mut self, line: u64, id: &str, faults: &[Fault]) {
        let source = &self.source;
        self.report.bad(line, faults, |field| match source {
            Source::Table(table) if table.reader.line == line => table.place(field),
            Source::Table(table) => (table.place(field).0, id.to_owned()),
            _ => (field.to_owned(), id.to_owned()),
        });
    }

    /// The report on the rows so far.
    pub(crate) fn report(self) -> ImportReport {
        self.report.report
    }

    fn read_record(&mut self) -> io::Result<()> {
        let Source::Table(table) = &mut self.source else { return Ok(()) };
        let (line, fault) = match table.reader.next()? {
            RecordRead::End => {
                self.is_over = true;
                return Ok(());
            }
            RecordRead::Record => {
                self.report.report.rows += 1;
                let line = table.reader.line;
                match table.rows(&self.request.bounds) {
                    Ok(rows) => rows.into_iter().for_each(|(row, role)| self.take(line, row, role)),
                    Err(faults) => self.report.bad(line, &faults, |field| table.place(field)),
                }
                return Ok(());
            }
            RecordRead::Bad(line, fault) => (line, fault),
            RecordRead::Last(line, fault) => {
                self.is_over = true;
                (line, fault)
            }
        };
        self.report.report.rows += 1;
        self.report.bad(line, &[fault], |_| Default::default());
        Ok(())
    }

    fn read_line(&mut self) -> io::Result<()> {
        let (Source::Lines(lines), FileContent::Rows(kind)) = (&mut self.source, self.request.content) else {
            return Ok(());
        };
        let read = lines.next()?;
        let line = lines.line;
        match read {
            LineRead::Line => {
                self.report.report.rows += 1;
                match Row::from_json(kind, None, lines.text(), &self.request.bounds) {
                    Ok(row) => self.take(line, row, Role::Whole),
                    Err(faults) => {
                        let text = String::from_utf8_lossy(lines.text());
                        self.report.bad(line, &faults, |field| match field {
                            "" => (String::new(), text.clone().into_owned()),
                            field => (field.to_owned(), value(&text, field).unwrap_or_default()),
                        });
                    }
                }
            }
            LineRead::Last(fault) => {
                self.source = Source::Ended;
                self.report.report.rows += 1;
                self.report.bad(line, &[fault], |_| Default::default());
            }
            LineRead::End => {
                self.source = Source::Ended;
                if self.report.report.rows == 0 {
                    // It is as good as no file: to replace all rows by none, a table has at least a header.
                    return Err(io::Error::other("it is empty"));
                }
            }
        }
        Ok(())
    }

    /// Makes a row ready, behind its category if the store may lack it.
    fn take(&mut self, line: u64, row: Row, role: Role) {
        // In a table of purchases, the same product and user stand in many records.
        let repeats = self.request.content == FileContent::Shop && self.request.mode == ImportMode::Insert;
        let role = if repeats && role == Role::Whole { Role::IfAbsent } else { role };
        if role != Role::IfAbsent
            && self.makes_categories
            && let Some(category) = row.category()
            && !self.made.contains(category.id())
        {
            if self.made.len() < MADE_MAX {
                self.made.insert(category.id().to_owned());
            }
            self.ready.push_back(ImportRow { line, row: category, role: Role::IfAbsent });
        }
        self.ready.push_back(ImportRow { line, row, role });
    }
}
