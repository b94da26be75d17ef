//! A CSV file as a table: lines that are appended are new rows, a file that is rewritten is a difference.

use std::io;
use std::path::Path;
use std::time::Duration;

use dataflow::time::Millis;
use events::LETTER_PAYLOAD_BYTES_MAX;

use super::context::{FileReporter, FilesContext, Interruption};
use super::follow::FollowedFile;
use super::records::{CsvRecords, NextRecord};
use super::rows::{CsvColumns, RowContext, TableLine, TableRows};
use crate::fault::Fault;
use crate::file_position::{FilePosition, read_at};
use crate::file_tail::{FileSpan, FileTail, TailChange};
use crate::refusals::Refusals;
use crate::retention;
use crate::row_store::RowStore;
use crate::side_thread::Stopped;

/// Appended lines that are read and fed together.
const ROWS_MAX: usize = 4096;

/// Lines of a rewritten file between two checks of the stop signal.
const CHECK_EVERY: usize = 4096;

/// Rows of orders that are kept no longer are removed this many times in the time for which orders are kept.
const SWEEPS: Millis = 720;

/// One followed table.
pub(super) struct FileTable<R: TableRows> {
    reporter: FileReporter,
    tail: FileTail,
    rest: Duration,
    store: RowStore<R::Row, ()>,
    gone: R::Gone,
    refusals: Refusals,
    /// The columns; none before the first line has been read.
    columns: Option<CsvColumns<R>>,
    /// The span that is being read, until its end, and whether the file rested when it was looked at.
    span: Option<(FileSpan, bool)>,
    /// The last line has no end yet and was not taken.
    unfinished: bool,
    /// Where a record begins that was refused because its quote was not closed before the end of the file. If it is closed
    /// later, the record was refused too early, and so were the lines after its first one taken too early.
    open_quote: Option<u64>,
    sweep_at: Millis,
}

impl<R: TableRows> FileTable<R> {
    pub(super) fn new(dir: &Path, part: usize, rest: Duration) -> Self {
        let reporter = FileReporter::new(part);
        let tail = FileTail::summing(dir.join(reporter.name()));
        FileTable {
            reporter,
            tail,
            rest,
            store: RowStore::by_row(),
            gone: R::Gone::default(),
            refusals: Refusals::default(),
            columns: None,
            span: None,
            unfinished: false,
            open_quote: None,
            sweep_at: 0,
        }
    }

    /// Reads the next lines of a span, as rows that are new; whether that was all of it.
    fn append(&mut self, span: &FileSpan, at_rest: bool, context: &FilesContext) -> Result<bool, Interruption> {
        let (reading, held) = (RowContext::now(context), context.dictionary.hold());
        let mut records = CsvRecords::new(&span.file, self.tail.position, span.to(), at_rest).summing(self.tail.sum());
        if self.columns.is_none() {
            self.columns = self.header(&mut records, span, context)?;
        }
        let Some(columns) = &self.columns else { return Ok(true) };
        let (mut rows, mut ended) = (Vec::new(), false);
        for _ in 0..ROWS_MAX {
            match columns.next(&mut records, &reading)? {
                TableLine::Row(row) => rows.extend(row.map(|row| (row, 1))),
                TableLine::Refused { fault, ended: false } => {
                    records.go_back();
                    warn_of_waiting(&self.tail, &fault);
                    self.unfinished = false;
                    ended = true;
                    break;
                }
                TableLine::Refused { fault, .. } => {
                    let (start, payload) = records.raw(LETTER_PAYLOAD_BYTES_MAX)?;
                    note_open_quote(&mut self.open_quote, &fault, start);
                    // Each appended line is reported; only a rewrite may bring the same one again.
                    self.refusals.is_new(&payload);
                    context.refuse(self.reporter.name(), start, fault.into(), &payload)?;
                }
                TableLine::Last { whole } => {
                    self.unfinished = !whole;
                    ended = true;
                    break;
                }
            }
        }
        let position = records.position;
        self.tail.summed(records.sum());
        self.tail.read(span, position, ended)?;
        // Nothing can fail any more, so the rows in the store are the rows that are fed.
        rows.iter().for_each(|(row, _)| self.store.hold(*row, ()));
        R::settle(&mut self.gone, &mut rows, &self.store);
        let changes = (!rows.is_empty()).then(|| R::changes(rows));
        context.send(self.reporter.batch(changes, position.offset, span.to(), ended).holding(held))?;
        Ok(ended)
    }

    /// Reads the whole file again; the difference is one batch.
    fn reread(&mut self, span: &FileSpan, context: &FilesContext) -> Result<(), Interruption> {
        let (reading, held) = (RowContext::now(context), context.dictionary.hold());
        let mut records = CsvRecords::new(&span.file, FilePosition::default(), span.to(), true);
        self.columns = self.header(&mut records, span, context)?;
        let Some(columns) = &self.columns else { return Ok(()) };
        let (mut refresh, mut open_quote) = (self.store.begin(), None);
        for count in 1_usize.. {
            if count.is_multiple_of(CHECK_EVERY) {
                context.stop.check()?;
            }
            match columns.next(&mut records, &reading)? {
                TableLine::Row(row) => row.into_iter().for_each(|row| refresh.seen(row, ())),
                TableLine::Refused { fault, ended: false } => {
                    records.go_back();
                    warn_of_waiting(&self.tail, &fault);
                    break;
                }
                TableLine::Refused { fault, .. } => {
                    let (start, payload) = records.raw(LETTER_PAYLOAD_BYTES_MAX)?;
                    note_open_quote(&mut open_quote, &fault, start);
                    if self.refusals.is_new(&payload) {
                        context.refuse(self.reporter.name(), start, fault.into(), &payload)?;
                    }
                }
                TableLine::Last { .. } => break,
            }
        }
        let position = records.position;
        self.tail.restart();
        self.tail.summed(records.sum());
        self.tail.read(span, position, true)?;
        (self.unfinished, self.open_quote) = (false, open_quote);
        let mut rows: Vec<_> = refresh.finish().into_iter().map(|((row, ()), diff)| (row, diff)).collect();
        R::settle(&mut self.gone, &mut rows, &self.store);
        self.refusals.end_reading();
        let changes = (!rows.is_empty()).then(|| R::changes(rows));
        Ok(context.send(self.reporter.batch(changes, position.offset, span.to(), true).holding(held))?)
    }

    /// Finds the columns in the first line. If they are missing, reports it and returns none.
    fn header(
        &mut self,
        records: &mut CsvRecords<'_>,
        span: &FileSpan,
        context: &FilesContext,
    ) -> Result<Option<CsvColumns<R>>, Interruption> {
        let next = records.next()?;
        let (found, empty) = match next {
            NextRecord::Record { .. } => (CsvColumns::find(records.fields()), false),
            _ => (Err(R::COLUMNS.to_vec()), true),
        };
        let missing = match found {
            Ok(columns) => return Ok(Some(columns)),
            Err(missing) => missing,
        };
        self.unfinished = next == NextRecord::Unfinished;
        self.tail.restart();
        self.tail.read(span, FilePosition::default(), true)?;
        let batch = if empty && self.store.is_empty() {
            // The table has yet to be written.
            Some(self.reporter.batch(None, 0, span.to(), true))
        } else {
            let (all, missing) = (R::COLUMNS.join(", "), missing.join(", "));
            let reason =
                format!("the first line must name the columns {all}, it lacks {missing}; rows read before stay");
            self.reporter.failing(&self.tail, reason)
        };
        context.send_any(batch)?;
        Ok(None)
    }

    /// Removes rows of orders that are kept no longer.
    fn sweep(&mut self, context: &FilesContext) -> Result<(), Stopped> {
        let reading = RowContext::now(context);
        if reading.now < self.sweep_at {
            return Ok(());
        }
        self.sweep_at = reading.now + retention::sweep_every(reading.kept_ms, SWEEPS);
        let mut gone = Vec::new();
        self.store.keep(|row, ()| R::lives(row, &reading), &mut |row, (), diff| gone.push((row, diff)));
        if gone.is_empty() {
            return Ok(());
        }
        let offset = self.tail.position.offset;
        let end = self.span.as_ref().map_or(offset, |(span, _)| span.to());
        context.send(self.reporter.batch(Some(R::changes(gone)), offset, end, false))
    }

    /// Whether the growth is further lines. It is not if the last line was taken without an end and there is more of it, if
    /// the quote is closed now that was open at the end, nor if rows were read from a file whose first line has become
    /// unreadable.
    fn is_append(&mut self, span: &FileSpan) -> io::Result<bool> {
        if self.columns.is_none() {
            return Ok(self.store.is_empty());
        }
        if let Some(offset) = self.open_quote {
            let position = FilePosition { offset, skipping: false };
            match CsvRecords::new(&span.file, position, span.to(), false).next()? {
                NextRecord::Record { .. } => return Ok(false),
                NextRecord::Refused(_) => self.open_quote = None,
                NextRecord::Unfinished | NextRecord::End => {}
            }
        }
        let FilePosition { offset, skipping } = self.tail.position;
        let Some(before) = offset.checked_sub(1).filter(|_| !skipping) else { return Ok(true) };
        let mut around = [0; 2];
        let filled = read_at(&span.file, before, &mut around)?;
        Ok(filled < around.len() || around.iter().any(|byte| matches!(byte, b'\r' | b'\n')))
    }
}

/// Says that the last line waits: it has no end, and the rest of it may make it right.
fn warn_of_waiting(tail: &FileTail, fault: &Fault<'_>) {
    let (file, reason) = (tail.path().display(), fault.to_string());
    tracing::warn!(%file, reason, "the last line has no line end and cannot be read: it waits for the rest of it");
}

/// Remembers the first record whose quote was still open at the end of the file.
fn note_open_quote(first: &mut Option<u64>, fault: &Fault<'_>, start: u64) {
    if *fault == Fault::OpenQuote {
        first.get_or_insert(start);
    }
}

impl<R: TableRows> FollowedFile for FileTable<R> {
    fn turn(&mut self, context: &FilesContext) -> Result<bool, Interruption> {
        self.sweep(context)?;
        let rests = self.tail.rests_for() >= self.rest;
        let (span, at_rest) = match self.span.take() {
            Some(reading) => reading,
            None => match self.tail.look()? {
                TailChange::Missing => {
                    context.send_any(self.reporter.missing(&self.tail))?;
                    return Ok(false);
                }
                TailChange::Same if self.unfinished && rests && !self.tail.is_comparing() => (self.tail.open()?, true),
                TailChange::Same => {
                    if self.columns.is_some() {
                        context.send_any(self.reporter.live(&self.tail))?;
                    }
                    return Ok(false);
                }
                TailChange::Grown(span) if self.is_append(&span)? => {
                    let at_rest = self.tail.has_rested(&span, self.rest);
                    (span, at_rest)
                }
                TailChange::Grown(_) | TailChange::Replaced(_) if !rests => return Ok(false),
                TailChange::Grown(span) | TailChange::Replaced(span) => {
                    tracing::warn!(file = %self.tail.path().display(), "the file was rewritten: it is read from its start");
                    self.reread(&span, context)?;
                    return Ok(true);
                }
            },
        };
        if !self.append(&span, at_rest, context)? {
            self.span = Some((span, at_rest));
        }
        Ok(true)
    }

    fn trouble(&mut self, error: &io::Error, context: &FilesContext) -> Result<(), Interruption> {
        self.span = None;
        Ok(context.send_any(self.reporter.failing(&self.tail, error.to_string()))?)
    }
}
