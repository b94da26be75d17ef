//! A CSV file as a table: lines that are appended are new rows, a file that is rewritten is a difference.

use std::io;
use std::path::Path;
use std::time::Duration;

use dataflow::time::Millis;
use events::LETTER_PAYLOAD_BYTES_MAX;

use super::position::{FilePosition, read_at};
use super::reader::Followed;
use super::records::{Next, Records};
use super::refusals::{FileRefusals, Interruption, Voice};
use super::rows::{Columns, Line, Reading, Rows};
use super::tail::{Look, Span, Tail};
use crate::refusals::Refusals;
use crate::row_store::RowStore;
use crate::side_thread::Stopped;

/// Appended lines that are read and handed over together.
const ROWS_MAX: usize = 4096;

/// Lines of a rewritten file between two looks at the stop signal.
const LOOK_EVERY: usize = 4096;

/// Rows that have left the window are forgotten this many times in the length of a window.
const SWEEPS: Millis = 720;

/// The least time between two such sweeps, in milliseconds.
const SWEEP_MS_MIN: Millis = 1000;

/// One followed table.
pub(super) struct Table<R: Rows> {
    voice: Voice,
    tail: Tail,
    rest: Duration,
    store: RowStore<R::Row, ()>,
    gone: R::Gone,
    refusals: Refusals,
    /// Where the columns are; none before the first line has been read.
    columns: Option<Columns<R>>,
    /// What is being read, until its end.
    span: Option<Span>,
    /// The last line has no end yet and was not taken.
    unfinished: bool,
    /// The last line had no end and was taken: if more of it comes, it was wrong.
    unended: bool,
    sweep_at: Millis,
}

impl<R: Rows> Table<R> {
    pub(super) fn new(dir: &Path, part: usize, rest: Duration) -> Self {
        let voice = Voice::new(part);
        let tail = Tail::new(dir.join(voice.name()));
        Table {
            voice,
            tail,
            rest,
            store: RowStore::by_row(),
            gone: R::Gone::default(),
            refusals: Refusals::default(),
            columns: None,
            span: None,
            unfinished: false,
            unended: false,
            sweep_at: 0,
        }
    }

    /// Reads the next lines of a span, as rows that are new; whether that was all of it.
    fn append(&mut self, span: &Span, at_rest: bool, desk: &FileRefusals) -> Result<bool, Interruption> {
        let reading = Reading::now(desk);
        let mut records = Records::new(&span.file, self.tail.place, span.to(), at_rest);
        if self.columns.is_none() {
            self.columns = self.header(&mut records, span, desk)?;
        }
        let Some(columns) = &self.columns else { return Ok(true) };
        let (mut rows, mut ended) = (Vec::new(), false);
        for _ in 0..ROWS_MAX {
            match columns.next(&mut records, &reading)? {
                Line::Row { row, ended } => {
                    rows.extend(row.map(|row| (row, 1)));
                    self.unended = !ended;
                }
                Line::Refused(fault) => {
                    let (start, payload) = records.raw(LETTER_PAYLOAD_BYTES_MAX)?;
                    // New or not it is another line; only a rewrite may bring the same one again.
                    self.refusals.is_new(&payload);
                    desk.refuse(self.voice.name(), start, fault.into(), &payload)?;
                }
                Line::Last { whole } => {
                    self.unfinished = !whole;
                    ended = true;
                    break;
                }
            }
        }
        let place = records.place;
        self.tail.read(span, place, ended)?;
        // Nothing can fail any more: what is remembered is what is fed.
        rows.iter().for_each(|(row, _)| self.store.add(*row));
        R::settle(&mut self.gone, &mut rows, &self.store);
        let changes = (!rows.is_empty()).then(|| R::changes(rows));
        desk.send(self.voice.batch(changes, place.offset, span.to(), ended))?;
        Ok(ended)
    }

    /// Reads the whole file anew; the difference is one batch.
    fn reread(&mut self, span: &Span, desk: &FileRefusals) -> Result<(), Interruption> {
        let reading = Reading::now(desk);
        let mut records = Records::new(&span.file, FilePosition::default(), span.to(), true);
        self.columns = self.header(&mut records, span, desk)?;
        let Some(columns) = &self.columns else { return Ok(()) };
        let mut refresh = self.store.begin();
        for count in 1_usize.. {
            if count.is_multiple_of(LOOK_EVERY) {
                desk.stop.check()?;
            }
            match columns.next(&mut records, &reading)? {
                Line::Row { row, ended } => {
                    row.into_iter().for_each(|row| refresh.seen(row, ()));
                    self.unended = !ended;
                }
                Line::Refused(fault) => {
                    let (start, payload) = records.raw(LETTER_PAYLOAD_BYTES_MAX)?;
                    if self.refusals.is_new(&payload) {
                        desk.refuse(self.voice.name(), start, fault.into(), &payload)?;
                    }
                }
                Line::Last { .. } => break,
            }
        }
        let place = records.place;
        self.unfinished = false;
        self.tail.read(span, place, true)?;
        let mut rows: Vec<_> = refresh.finish().into_iter().map(|((row, ()), diff)| (row, diff)).collect();
        R::settle(&mut self.gone, &mut rows, &self.store);
        self.refusals.end_reading();
        let changes = (!rows.is_empty()).then(|| R::changes(rows));
        Ok(desk.send(self.voice.batch(changes, place.offset, span.to(), true))?)
    }

    /// Finds the columns in the first line; none when they are not there, which is then said.
    fn header(
        &mut self,
        records: &mut Records<'_>,
        span: &Span,
        desk: &FileRefusals,
    ) -> Result<Option<Columns<R>>, Interruption> {
        let next = records.next()?;
        let (found, empty) = match next {
            Next::Record { ended } => {
                self.unended = !ended;
                (Columns::find(records.fields()), false)
            }
            _ => (Err(R::COLUMNS.to_vec()), true),
        };
        let missing = match found {
            Ok(columns) => return Ok(Some(columns)),
            Err(missing) => missing,
        };
        self.unfinished = next == Next::Unfinished;
        self.tail.read(span, FilePosition::default(), true)?;
        let batch = if empty && self.store.is_empty() {
            // A table that has yet to be written.
            Some(self.voice.batch(None, 0, span.to(), true))
        } else {
            let (all, missing) = (R::COLUMNS.join(", "), missing.join(", "));
            let reason =
                format!("the first line must name the columns {all}, it lacks {missing}; rows read before stay");
            self.voice.trouble(&self.tail, reason)
        };
        batch.map_or(Ok(()), |batch| desk.send(batch))?;
        Ok(None)
    }

    /// Forgets rows that have left the window.
    fn sweep(&mut self, desk: &FileRefusals) -> Result<(), Stopped> {
        let reading = Reading::now(desk);
        if reading.now < self.sweep_at {
            return Ok(());
        }
        self.sweep_at = reading.now + (reading.window_ms / SWEEPS).max(SWEEP_MS_MIN);
        let gone = self.store.retain(|row| R::lives(row, &reading));
        if gone.is_empty() {
            return Ok(());
        }
        let rows = gone.into_iter().map(|((row, ()), diff)| (row, diff)).collect();
        let offset = self.tail.place.offset;
        let end = self.span.as_ref().map_or(offset, Span::to);
        desk.send(self.voice.batch(Some(R::changes(rows)), offset, end, false))
    }

    /// Whether what is new are further lines. It is not where the last line was taken without an end and there is more of
    /// it, nor where rows were read from a file whose first line has become unreadable.
    fn goes_on(&self, span: &Span) -> io::Result<bool> {
        if self.columns.is_none() {
            return Ok(self.store.is_empty());
        }
        if !self.unended {
            return Ok(true);
        }
        let mut byte = [0];
        let filled = read_at(&span.file, self.tail.place.offset, &mut byte)?;
        Ok(filled == 0 || matches!(byte, [b'\r' | b'\n']))
    }
}

impl<R: Rows> Followed for Table<R> {
    fn turn(&mut self, desk: &FileRefusals) -> Result<bool, Interruption> {
        self.sweep(desk)?;
        let rests = self.tail.rests_for() >= self.rest;
        let (span, at_rest) = match self.span.take() {
            Some(span) => (span, false),
            None => match self.tail.look()? {
                Look::Missing => {
                    self.voice.missing(&self.tail).map_or(Ok(()), |batch| desk.send(batch))?;
                    return Ok(false);
                }
                Look::Same if self.unfinished && rests => (self.tail.open()?, true),
                Look::Same => {
                    if self.columns.is_some() {
                        self.voice.well(&self.tail).map_or(Ok(()), |batch| desk.send(batch))?;
                    }
                    return Ok(false);
                }
                Look::Grown(span) if self.goes_on(&span)? => (span, false),
                Look::Grown(_) | Look::Replaced(_) if !rests => return Ok(false),
                Look::Grown(span) | Look::Replaced(span) => {
                    tracing::warn!(file = %self.tail.path().display(), "rewritten, it is read from its start");
                    self.reread(&span, desk)?;
                    return Ok(true);
                }
            },
        };
        if !self.append(&span, at_rest, desk)? {
            self.span = Some(span);
        }
        Ok(true)
    }

    fn trouble(&mut self, error: &io::Error, desk: &FileRefusals) -> Result<(), Interruption> {
        self.span = None;
        Ok(self.voice.trouble(&self.tail, error.to_string()).map_or(Ok(()), |batch| desk.send(batch))?)
    }
}
