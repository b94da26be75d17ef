//! From the lines of a table to rows: columns are found by name, text becomes rows.

use std::hash::Hash;
use std::io;
use std::marker::PhantomData;

use dataflow::dictionary::Dictionary;
use dataflow::time::{Diff, Millis};

use super::batch::InputChanges;
use super::context::FilesContext;
use super::records::{CsvFields, CsvRecords, NextRecord};
use crate::fault::{Fault, id};
use crate::row_store::RowStore;

/// The rows of one kind of file.
pub(super) trait TableRows {
    /// The columns of a line that are used.
    type Row: Copy + Eq + Hash;

    /// The columns that are read: the file's first line gives their positions.
    const COLUMNS: &'static [&'static str];

    /// A column that is read if the file has it, after the others.
    const OPTIONAL: Option<&'static str> = None;

    /// Reads a line; none if it does not count.
    fn read(text: &RowText<'_>, context: &RowContext<'_>) -> Result<Option<Self::Row>, Fault<'static>>;

    /// Whether a row still counts.
    fn lives(row: &Self::Row, context: &RowContext<'_>) -> bool;

    fn changes(rows: Vec<(Self::Row, Diff)>) -> InputChanges;

    /// The memory of rows that are gone.
    type Gone: Default;

    /// Completes a change with rows that follow from it; `now` has the rows after the change.
    fn settle(_gone: &mut Self::Gone, _change: &mut Vec<(Self::Row, Diff)>, _now: &RowStore<Self::Row, ()>) {}
}

/// The context of reading a line.
pub(super) struct RowContext<'a> {
    pub(super) dictionary: &'a Dictionary,
    /// The present: orders that are kept no longer by then do not count. In a replay it is the first step.
    pub(super) now: Millis,
    pub(super) kept_ms: Millis,
}

impl<'a> RowContext<'a> {
    pub(super) fn now(context: &'a FilesContext) -> Self {
        RowContext { dictionary: &context.dictionary, now: context.now(), kept_ms: context.kept_ms }
    }
}

/// The columns of one line.
pub(super) struct RowText<'a> {
    fields: &'a CsvFields,
    /// For every column that is read, the number of its field.
    positions: &'a [usize],
    names: &'static [&'static str],
    /// The number of the field of the optional column, and its name; none if the file does not have it.
    optional: Option<(usize, &'static str)>,
}

impl<'a> RowText<'a> {
    /// A column's text; none where it is empty or the line too short.
    pub(super) fn get(&self, column: usize) -> Result<Option<&'a str>, Fault<'static>> {
        self.field(self.positions[column], self.names[column])
    }

    fn field(&self, number: usize, column: &'static str) -> Result<Option<&'a str>, Fault<'static>> {
        let bytes = self.fields.get(number).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8 { column })?;
        Ok((!text.is_empty()).then_some(text))
    }

    /// Whether the optional column says true or false; none where it is empty or missing.
    pub(super) fn truth(&self) -> Result<Option<bool>, Fault<'static>> {
        let Some((number, column)) = self.optional else { return Ok(None) };
        let Some(text) = self.field(number, column)? else { return Ok(None) };
        store::truth_of(text).map(Some).ok_or(Fault::NoTruth { column })
    }

    /// A column's text as an id.
    pub(super) fn id(&self, column: usize) -> Result<&'a str, Fault<'static>> {
        id(self.get(column)?, self.names[column])
    }
}

/// The positions of the columns in a file.
pub(super) struct CsvColumns<R> {
    positions: Vec<usize>,
    optional: Option<(usize, &'static str)>,
    rows: PhantomData<R>,
}

/// The next line of a file.
pub(super) enum TableLine<T> {
    /// A row, if it counts.
    Row(Option<T>),
    /// A line that is wrong. Not `ended` where the rest of it, if it comes, may make it right.
    Refused { fault: Fault<'static>, ended: bool },
    /// No more lines; not `whole` where one has begun.
    Last { whole: bool },
}

impl<R: TableRows> CsvColumns<R> {
    /// Finds the columns in the first line, or returns those that are missing.
    pub(super) fn find(header: &CsvFields) -> Result<Self, Vec<&'static str>> {
        let position = |column: &&str| header.iter().position(|name| name.trim_ascii() == column.as_bytes());
        let positions: Vec<usize> = R::COLUMNS.iter().filter_map(position).collect();
        if positions.len() < R::COLUMNS.len() {
            return Err(R::COLUMNS.iter().filter(|column| position(column).is_none()).copied().collect());
        }
        let optional = R::OPTIONAL.and_then(|column| Some((position(&column)?, column)));
        Ok(CsvColumns { positions, optional, rows: PhantomData })
    }

    /// Reads the next line.
    pub(super) fn next(&self, records: &mut CsvRecords<'_>, context: &RowContext<'_>) -> io::Result<TableLine<R::Row>> {
        let ended = match records.next()? {
            NextRecord::Record { ended } => ended,
            NextRecord::Refused(fault) => {
                let ended = records.is_decided(&fault);
                return Ok(TableLine::Refused { fault, ended });
            }
            NextRecord::End => return Ok(TableLine::Last { whole: true }),
            NextRecord::Unfinished => return Ok(TableLine::Last { whole: false }),
        };
        let (positions, optional) = (&self.positions, self.optional);
        let text = RowText { fields: records.fields(), positions, names: R::COLUMNS, optional };
        Ok(match R::read(&text, context) {
            Ok(row) => TableLine::Row(row),
            Err(fault) => TableLine::Refused { fault, ended },
        })
    }
}
