//! Streams one table: every row is taken, or refused with a dead letter.

use std::borrow::Cow;
use std::io::BufRead as _;
use std::time::Duration;

use dataflow::dictionary::Collision;
use dataflow::source_status::SourceStatus;
use dataflow::time::Millis;
use postgres::Transaction;

use super::charset::Charset;
use super::copied::Fields;
use super::error::Error;
use super::form::Form;
use super::liveness::Pulse;
use super::names::{Tables, Which};
use super::pg_time::Writing;
use super::pgoutput::{Tuple, Value};
use super::relation::{Field, Place};
use super::rows::to_json;
use super::session::Session;
use super::spelling::Spelling;
use super::zone::Zone;
use super::{damage, sql};
use crate::dead_letter::{DeadLetters, post};
use crate::decode::DeadLetter;
use crate::fault::Fault;
use crate::refusals::Refusals;
use crate::side_thread::{Stop, Stopped};

/// Rows between two looks at the stop signal.
const LOOK_EVERY: usize = 1024;

/// An order that does not count until its time has come, on the board.
pub(super) const FUTURE: &str = "future_order";

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
    tuple: &'r Tuple<'r>,
    columns: &'c [Place],
}

impl<'r, 'c> Row<'r, 'c> {
    /// A column of text; none where it is null.
    pub(super) fn text(&self, index: usize) -> Result<Option<Cow<'r, str>>, Fault<'c>> {
        Ok(match self.columns[index].read(self.tuple)? {
            Field::Text(text) => Some(text),
            Field::Null | Field::Kept => None,
        })
    }

    /// A column of times.
    pub(super) fn millis(&self, index: usize, writing: Writing, zone: &Zone) -> Result<Millis, Fault<'c>> {
        let column = self.name(index);
        let text = self.text(index)?.ok_or(Fault::Missing { column })?;
        writing.millis(&text, zone).ok_or(Fault::UnreadableTime { column })
    }

    /// The columns behind `index`, as they were sent. None of them is null.
    pub(super) fn behind(&self, index: usize) -> Result<Vec<&'r [u8]>, Fault<'c>> {
        let value = |place: &'c Place| match place.value(self.tuple) {
            Value::Text(bytes) => Ok(bytes),
            Value::Null | Value::Kept => Err(Fault::Missing { column: &place.name }),
        };
        self.columns[index..].iter().map(value).collect()
    }

    /// The column's name.
    pub(super) fn name(&self, index: usize) -> &'c str {
        &self.columns[index].name
    }
}

/// What is read of a table.
pub(super) struct Source<'a> {
    pub(super) which: Which,
    pub(super) table: &'a str,
    /// It calls the table `t` and ends in a condition, to which others can be added.
    pub(super) query: String,
    pub(super) columns: Vec<Place>,
    pub(super) charset: Charset,
    /// The columns with which a row can be named, and no person.
    pub(super) ids: Vec<String>,
}

impl<'a> Source<'a> {
    /// The rows of a query whose first columns are those that are used of that table, the others as they were sent.
    pub(super) fn new(tables: &'a Tables, which: Which, query: String, spelling: &Spelling, others: &[String]) -> Self {
        let form = |at: usize| spelling.form(tables, which, at);
        let used = tables.columns(which).into_iter().enumerate().map(|(at, name)| (name, form(at)));
        let others = others.iter().map(|name| (name.as_str(), Form::Plain));
        let place = |(at, (name, form)): (usize, (&str, Form))| Place::new(name, at, form, spelling.charset);
        let columns = used.chain(others).enumerate().map(place).collect();
        let ids = match which {
            Which::Products => vec![tables.products.product_id.clone()],
            Which::Orders => vec![tables.orders.order_id.clone()],
            Which::OrderItems => vec![tables.order_items.order_id.clone(), tables.order_items.product_id.clone()],
        };
        Source { which, table: tables.name(which), query, columns, charset: spelling.charset, ids }
    }
}

/// What a reading needs for the rows of which something is to be told.
pub(super) struct Scan<'a> {
    pub(super) status: &'a SourceStatus,
    pub(super) letters: &'a DeadLetters,
    pub(super) pulse: &'a Pulse,
    pub(super) stop: &'a Stop,
    /// The number of this reading, or the transaction's place in the log: the offset of its dead letters.
    pub(super) reading: i64,
    /// The session in which the rows come, if they do: it goes on while something is waited for.
    pub(super) session: Option<&'a Session>,
}

impl Scan<'_> {
    /// Calls `take` with every row of the source.
    pub(super) fn table<'c>(
        &mut self,
        transaction: &mut Transaction<'_>,
        source: &'c Source<'_>,
        refusals: &mut Refusals,
        take: impl FnMut(&Row<'_, 'c>) -> Result<(), Skip<'c>>,
    ) -> Result<(), Error> {
        self.pulse.ask();
        let copied = self.rows(transaction, source, refusals, take);
        copied.map_err(|error| damage::of_rows(source, error))
    }

    fn rows<'c>(
        &mut self,
        transaction: &mut Transaction<'_>,
        source: &'c Source<'_>,
        refusals: &mut Refusals,
        mut take: impl FnMut(&Row<'_, 'c>) -> Result<(), Skip<'c>>,
    ) -> Result<(), Error> {
        let mut rows = transaction.copy_out(&sql::copy(&source.query, source.charset))?;
        let (mut line, mut fields) = (Vec::new(), Fields::default());
        let mut count: usize = 0;
        loop {
            line.clear();
            if rows.read_until(b'\n', &mut line).map_err(Error::of_copy)? == 0 {
                return Ok(());
            }
            count += 1;
            if count.is_multiple_of(LOOK_EVERY) {
                self.stop.check()?;
                self.pulse.ask();
            }
            fields.find(&mut line);
            let tuple = fields.tuple(&line);
            if let Err(skip) = take(&Row { tuple: &tuple, columns: &source.columns }) {
                self.skip(source.table, to_json(&source.columns, &tuple), skip, refusals)?;
                self.pulse.ask();
            }
        }
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
                self.status.ignored(FUTURE);
                return Ok(());
            }
            Skip::Refused(fault) => fault,
        };
        self.status.rejected(fault.reason());
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
