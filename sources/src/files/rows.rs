//! What the lines of a table mean: columns found by name, text made into rows.

use std::hash::Hash;
use std::io;
use std::marker::PhantomData;

use dataflow::dictionary::Dictionary;
use dataflow::time::{Diff, Millis};

use super::batch::Changes;
use super::records::{Fields, Next, Records};
use super::refusals::FileRefusals;
use crate::fault::Fault;
use crate::row_store::RowStore;

/// What the lines of a file mean.
pub(super) trait Rows {
    /// A line, as far as it matters.
    type Row: Copy + Eq + Hash;

    /// The columns that are read: the file's first line says where they are.
    const COLUMNS: &'static [&'static str];

    /// Reads a line; none if it does not count.
    fn read(text: &Text<'_>, reading: &Reading<'_>) -> Result<Option<Self::Row>, Fault<'static>>;

    /// Whether a row still counts.
    fn lives(row: &Self::Row, reading: &Reading<'_>) -> bool;

    fn changes(rows: Vec<(Self::Row, Diff)>) -> Changes;

    /// What is remembered of rows that are gone.
    type Gone: Default;

    /// Adds to a change what it means beyond its rows; `now` holds the rows as they are when it is done.
    fn settle(_gone: &mut Self::Gone, _change: &mut Vec<(Self::Row, Diff)>, _now: &RowStore<Self::Row, ()>) {}
}

/// What a line is read with.
pub(super) struct Reading<'a> {
    pub(super) dictionary: &'a Dictionary,
    pub(super) now: Millis,
    pub(super) window_ms: Millis,
}

impl<'a> Reading<'a> {
    pub(super) fn now(desk: &'a FileRefusals) -> Self {
        Reading { dictionary: &desk.dictionary, now: desk.now(), window_ms: desk.window_ms }
    }
}

/// The columns of one line.
pub(super) struct Text<'a> {
    fields: &'a Fields,
    /// For every column that is read, the number of its field.
    places: &'a [usize],
    names: &'static [&'static str],
}

impl<'a> Text<'a> {
    /// A column's text; none where it is empty or the line too short.
    pub(super) fn get(&self, column: usize) -> Result<Option<&'a str>, Fault<'static>> {
        let bytes = self.fields.get(self.places[column]).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8 { column: self.names[column] })?;
        Ok((!text.is_empty()).then_some(text))
    }
}

/// Where the columns of a file are.
pub(super) struct Columns<R> {
    places: Vec<usize>,
    rows: PhantomData<R>,
}

/// The next line of a file.
pub(super) enum Line<T> {
    /// A row, if it counts; `ended` says whether the line's end was there.
    Row { row: Option<T>, ended: bool },
    /// A line that is wrong.
    Refused(Fault<'static>),
    /// No more lines; not `whole` where one has begun.
    Last { whole: bool },
}

impl<R: Rows> Columns<R> {
    /// Finds the columns in the first line, or tells which are missing.
    pub(super) fn find(header: &Fields) -> Result<Self, Vec<&'static str>> {
        let place = |column: &&str| header.iter().position(|name| name.trim_ascii() == column.as_bytes());
        let places: Vec<usize> = R::COLUMNS.iter().filter_map(place).collect();
        if places.len() < R::COLUMNS.len() {
            return Err(R::COLUMNS.iter().filter(|column| place(column).is_none()).copied().collect());
        }
        Ok(Columns { places, rows: PhantomData })
    }

    /// Reads the next line.
    pub(super) fn next(&self, records: &mut Records<'_>, reading: &Reading<'_>) -> io::Result<Line<R::Row>> {
        let ended = match records.next()? {
            Next::Record { ended } => ended,
            Next::Refused(fault) => return Ok(Line::Refused(fault)),
            Next::End => return Ok(Line::Last { whole: true }),
            Next::Unfinished => return Ok(Line::Last { whole: false }),
        };
        let text = Text { fields: records.fields(), places: &self.places, names: R::COLUMNS };
        Ok(match R::read(&text, reading) {
            Ok(row) => Line::Row { row, ended },
            Err(fault) => Line::Refused(fault),
        })
    }
}
