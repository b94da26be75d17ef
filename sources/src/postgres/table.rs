//! Streams one table: every row is taken, or refused with a dead letter.

use std::time::Duration;

use dataflow::board::SourceBoard;
use dataflow::dictionary::Collision;
use postgres::Transaction;
use postgres::binary_copy::{BinaryCopyOutIter, BinaryCopyOutRow};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;
use serde_json::{Map, Value};

use super::error::Error;
use super::pulse::Pulse;
use super::session::Session;
use crate::dead_letter::{DeadLetters, post};
use crate::decode::DeadLetter;
use crate::fault::Fault;
use crate::refusals::Refusals;
use crate::side_thread::{Stop, Stopped};

/// Rows between two looks at the stop signal.
const LOOK_EVERY: usize = 1024;

/// An order that does not count until its time has come, on the board.
pub(super) const FUTURE: &str = "future_order";

/// A column that is read.
pub(super) struct Column<'a> {
    name: &'a str,
    kind: Type,
}

impl<'a> Column<'a> {
    /// An id, cast to text.
    pub(super) fn text(name: &'a str) -> Self {
        Column { name, kind: Type::TEXT }
    }

    /// A time, turned into milliseconds.
    pub(super) fn millis(name: &'a str) -> Self {
        Column { name, kind: Type::INT8 }
    }
}

/// What is to be told of a row.
pub(super) enum Skip<'c> {
    /// It is wrong.
    Refused(Fault<'c>),
    /// It is taken, and does not count yet.
    Future,
}

impl<'c> From<Fault<'c>> for Skip<'c> {
    fn from(fault: Fault<'c>) -> Self {
        Skip::Refused(fault)
    }
}

impl From<Collision> for Skip<'_> {
    fn from(collision: Collision) -> Self {
        Skip::Refused(collision.into())
    }
}

/// A row as it streams by.
pub(super) struct Row<'r, 'c> {
    row: &'r BinaryCopyOutRow,
    columns: &'c [Column<'c>],
}

impl<'r, 'c> Row<'r, 'c> {
    /// A column of text; none where it is null.
    pub(super) fn text(&self, index: usize) -> Result<Option<&'r str>, Fault<'c>> {
        self.row.try_get(index).map_err(|_| Fault::NotUtf8 { column: self.columns[index].name })
    }

    /// The column's name.
    pub(super) fn name(&self, index: usize) -> &'c str {
        self.columns[index].name
    }

    /// A column of whole numbers; none where it is null.
    pub(super) fn number(&self, index: usize) -> Option<i64> {
        self.row.get(index)
    }

    /// The row as one JSON object; text that is not UTF-8 is left out.
    fn to_json(&self) -> String {
        let value = |(index, column): (usize, &Column<'_>)| {
            let value = match column.kind {
                Type::TEXT => self.text(index).ok().flatten().map(Value::from),
                _ => self.number(index).map(Value::from),
            };
            (column.name.to_owned(), value.unwrap_or(Value::Null))
        };
        Value::Object(self.columns.iter().enumerate().map(value).collect::<Map<_, _>>()).to_string()
    }
}

/// What a reading needs for the rows of which something is to be told.
pub(super) struct Scan<'a> {
    pub(super) board: &'a SourceBoard,
    pub(super) letters: &'a DeadLetters,
    pub(super) pulse: &'a Pulse,
    pub(super) stop: &'a Stop,
    /// The number of this reading, or the transaction's place in the log: the offset of its dead letters.
    pub(super) reading: i64,
    /// The session in which the rows come, if they do: it goes on while something is waited for.
    pub(super) session: Option<&'a Session>,
}

impl Scan<'_> {
    /// Calls `take` with every row the query gives.
    pub(super) fn table<'c>(
        &mut self,
        transaction: &mut Transaction<'_>,
        table: &str,
        query: &str,
        columns: &'c [Column<'c>],
        refusals: &mut Refusals,
        mut take: impl FnMut(&Row<'_, 'c>) -> Result<(), Skip<'c>>,
    ) -> Result<(), Error> {
        self.pulse.ask();
        let kinds: Vec<Type> = columns.iter().map(|column| column.kind.clone()).collect();
        let mut rows = BinaryCopyOutIter::new(transaction.copy_out(query)?, &kinds);
        let mut count: usize = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if count.is_multiple_of(LOOK_EVERY) {
                self.stop.check()?;
                self.pulse.ask();
            }
            let row = Row { row: &row, columns };
            if let Err(skip) = take(&row) {
                self.skip(table, row.to_json(), skip, refusals)?;
                self.pulse.ask();
            }
        }
        Ok(())
    }

    /// The first time such a row is seen it is counted, and one that is wrong goes to the dead letters.
    pub(super) fn skip(
        &self,
        table: &str,
        payload: String,
        skip: Skip<'_>,
        refusals: &mut Refusals,
    ) -> Result<(), Error> {
        if !refusals.is_new(&(table, &payload)) {
            return Ok(());
        }
        let fault = match skip {
            Skip::Future => {
                self.board.ignored(FUTURE);
                return Ok(());
            }
            Skip::Refused(fault) => fault,
        };
        self.board.rejected(fault.reason());
        let letter = DeadLetter {
            stream: table.to_owned(),
            partition: 0,
            offset: self.reading,
            reason: fault.reason(),
            detail: fault.to_string(),
            payload: payload.into_bytes(),
        };
        // Waiting for room is no silence of the server's.
        self.pulse.rest();
        post(self.letters, letter, |wait| self.wait(wait))?;
        Ok(())
    }

    fn wait(&self, wait: Duration) -> Result<(), Stopped> {
        match self.session {
            Some(session) => session.rest(wait, self.stop),
            None => self.stop.wait(wait),
        }
    }
}
