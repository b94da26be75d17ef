//! A CSV file: its columns, and the rows of each of its records.

use std::io::{self, BufRead};

use sha2::{Digest, Sha256};

use super::columns::{Columns, KindColumns};
use super::recent_rows::RecentRows;
use super::record_reader::{RecordRead, RecordReader};
use super::{FileContent, ImportRequest, Role};
use crate::bounds::Bounds;
use crate::error::Fault;
use crate::field::{Field, Shape};
use crate::kind::Kind;
use crate::row::Row;

/// Tells two records apart.
pub(crate) type RecordDigest = [u8; 16];

/// Stands for the length of an empty text in a digest; 0 is the length of no value.
const EMPTY_TEXT: usize = usize::MAX;

/// A CSV file behind its first record.
pub(super) struct Table<'f> {
    pub(super) reader: RecordReader<'f>,
    pub(super) columns: Columns,
    content: FileContent,
    /// In a table of purchases, the same product and user stand in many records.
    recent: RecentRows,
}

impl<'f> Table<'f> {
    /// Reads the first record, which names the columns.
    ///
    /// # Errors
    /// When the file cannot be read. The inner error holds the faults of the first record.
    pub(super) fn open(request: &ImportRequest, file: &'f mut dyn BufRead) -> io::Result<Result<Self, Vec<Fault>>> {
        let mut reader = RecordReader::open(file)?;
        let columns = match reader.next()? {
            RecordRead::Record => Columns::find(request.content, &request.map, reader.cells()),
            RecordRead::End => Columns::find(request.content, &request.map, std::iter::empty()),
            RecordRead::Bad(_, fault) | RecordRead::Last(_, fault) => Err(vec![fault]),
        };
        Ok(columns.map(|columns| Table { reader, columns, content: request.content, recent: RecentRows::default() }))
    }

    /// The rows of the record that was read last. A row that stood in an earlier record, and has not changed since, may be left
    /// out.
    ///
    /// # Errors
    /// Every field at fault.
    pub(super) fn rows(&mut self, bounds: &Bounds) -> Result<Vec<(Row, Role)>, Vec<Fault>> {
        let (count, expected) = (self.reader.len(), self.columns.header.len());
        if count != expected {
            let reason = format!("has {count} fields, and the first line names {expected} columns");
            return Err(vec![Fault::new("", reason)]);
        }
        let (mut rows, mut faults, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_known = false;
        for columns in &self.columns.kinds {
            if self.content == FileContent::Shop && columns.kind != Kind::Purchases {
                let mark = self.recent.mark(columns.kind, self.cell(columns, columns.kind.key()), self.values(columns));
                if self.recent.has(mark) {
                    is_known = true;
                    continue;
                }
                marks.push(mark);
            }
            match self.row(columns, bounds) {
                Ok(row) => rows.extend(row),
                Err(found) => {
                    // Several kinds may have the same field.
                    let new: Vec<Fault> = found.into_iter().filter(|fault| !faults.contains(fault)).collect();
                    faults.extend(new);
                }
            }
        }
        if rows.is_empty() && faults.is_empty() && !is_known {
            faults.push(Fault::new("", "names no product, no user and no purchase"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        marks.into_iter().for_each(|mark| self.recent.put(mark));
        Ok(rows)
    }

    /// The values of a kind's fields; none where a cell gives no value.
    fn values<'t>(&'t self, columns: &'t KindColumns) -> impl Iterator<Item = (&'t str, Option<&'t str>)> {
        let fields = columns.fields.iter().enumerate();
        fields.filter_map(move |(at, field)| field.map(|field| (field, self.value(columns.kind, field, at))))
    }

    /// The value of a field in this column. Quotes around nothing are an empty text, where the field may hold one.
    fn value(&self, kind: Kind, field: &str, at: usize) -> Option<&str> {
        let is_text = |known: &Field| known.name == field && matches!(known.shape, Shape::Text(_));
        let cell = self.reader.cell(at)?;
        let is_value = !cell.is_empty() || self.reader.is_quoted_nothing(at) && kind.fields().iter().any(is_text);
        is_value.then_some(cell)
    }

    /// The values that are given.
    fn given<'t>(&'t self, columns: &'t KindColumns) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.values(columns).filter_map(|(field, value)| Some((field, value?)))
    }

    fn cell(&self, columns: &KindColumns, field: &str) -> &str {
        columns.at(field).and_then(|at| self.reader.cell(at)).unwrap_or_default()
    }

    /// The row of one kind; none if the record of a whole shop has no such row.
    fn row(&self, columns: &KindColumns, bounds: &Bounds) -> Result<Option<(Row, Role)>, Vec<Fault>> {
        let cell = |field: &str| self.cell(columns, field);
        let kind = columns.kind;
        if kind != Kind::Purchases {
            let is_there = self.content != FileContent::Shop || !cell(kind.key()).is_empty();
            return is_there
                .then(|| Row::from_cells(kind, self.given(columns), bounds).map(|row| (row, Role::Whole)))
                .transpose();
        }
        let has_id = columns.has(kind.key());
        let named_by: &[&str] = if has_id { &["purchase_id"] } else { &["user_id", "product_id", "created_at"] };
        if self.content == FileContent::Shop && named_by.iter().any(|field| cell(field).is_empty()) {
            return Ok(None);
        }
        let made = format!("{}/{}", cell("user_id"), cell("created_at"));
        let made = (!has_id).then_some((kind.key(), made.as_str()));
        let row = Row::of_one_line(self.given(columns).chain(made), bounds);
        if !has_id && cell("created_at").is_empty() {
            // Otherwise purchases of one user from several files would be one, and replace each other.
            let mut faults = row.err().unwrap_or_default();
            faults.push(Fault::new("created_at", "is missing, and there is no column for the id of the purchase"));
            return Err(faults);
        }
        row.map(|row| Some((row, Role::Part)))
    }

    /// A digest of the cells of the record that was read last, each with its field of `kind`. The order of the columns, and
    /// columns that are no field, make no difference.
    pub(super) fn digest(&self, kind: Kind) -> RecordDigest {
        let mut digest = Sha256::new();
        let columns = self.columns.kinds.iter().find(|columns| columns.kind == kind);
        for field in kind.columns() {
            let Some(at) = columns.and_then(|columns| columns.at(field)) else { continue };
            let value = self.value(kind, field, at);
            let length = value.map_or(0, |value| if value.is_empty() { EMPTY_TEXT } else { value.len() });
            digest.update(field);
            digest.update([0]);
            digest.update(length.to_le_bytes());
            digest.update(value.unwrap_or_default());
        }
        let mut short = RecordDigest::default();
        short.copy_from_slice(&digest.finalize()[..size_of::<RecordDigest>()]);
        short
    }

    /// The column of a field, by its name in the file, and its value in the record that was read last.
    pub(super) fn place(&self, field: &str) -> (String, String) {
        let at = self.columns.kinds.iter().find_map(|columns| columns.at(field));
        let column = at.map_or(field, |at| self.columns.header[at].as_str());
        let value = at.and_then(|at| self.reader.cell(at)).unwrap_or_default();
        (column.to_owned(), value.to_owned())
    }
}
