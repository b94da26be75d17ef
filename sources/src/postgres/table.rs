//! Streams one table: every row is taken, or refused with a dead letter.

use std::borrow::Cow;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use dataflow::dictionary::{Collision, Dictionary};
use dataflow::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::source_status::SourceStatus;
use dataflow::tables::LineRow;
use dataflow::time::Millis;
use events::{DeadLetter, DeadLetterSender};
use postgres::Transaction;

use super::charset::Charset;
use super::copied::Fields;
use super::error::Error;
use super::form::Form;
use super::liveness::Pulse;
use super::names::{Status, Tables, Which};
use super::pg_time::Writing;
use super::pgoutput::{Tuple, Value};
use super::relation::{Field, Place, to_json};
use super::spelling::Spelling;
use super::sql;
use super::zone::Zone;
use crate::fault::{Fault, category_key, id};
use crate::refusals::Refusals;
use crate::side_thread::Stopped;

/// Rows between two checks of the stop signal.
const CHECK_EVERY: usize = 1024;

/// The status counter of orders that do not count until their time has come.
pub(super) const FUTURE: &str = "future_order";

/// Why a row is reported.
pub(super) enum Skip<'c> {
    /// The row is wrong.
    Refused(Fault<'c>),
    /// The row is taken, and does not count yet.
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

/// Takes the rows of all three tables.
pub(super) trait RowSink {
    /// A product is listed, also where its category cannot be used.
    fn product(&mut self, product: ProductKey, category: Option<CategoryKey>);

    /// An order. Its columns are read by the sink, which may need only some of them.
    fn order<'c>(&mut self, row: &Row<'_, 'c>) -> Result<(), Skip<'c>>;

    /// A line of an order.
    fn line(&mut self, line: LineRow);
}

/// A row as it streams by.
pub(super) struct Row<'r, 'c> {
    tuple: &'r Tuple<'r>,
    source: &'c Source<'c>,
    dictionary: &'r Dictionary,
}

impl<'r, 'c> Row<'r, 'c> {
    /// The order's id, in the first column of orders and of lines.
    pub(super) fn order(&self) -> Result<OrderKey, Fault<'c>> {
        Ok(self.dictionary.order(id(self.text(0)?.as_deref(), self.name(0))?))
    }

    /// The user's id.
    pub(super) fn user(&self) -> Result<UserKey, Fault<'c>> {
        Ok(self.dictionary.user(id(self.text(1)?.as_deref(), self.name(1))?))
    }

    /// When the order was created; none where the table has no time.
    pub(super) fn created_at(&self) -> Result<Option<Millis>, Fault<'c>> {
        let Some(writing) = self.source.time else { return Ok(None) };
        let column = self.name(2);
        let text = self.text(2)?.ok_or(Fault::Missing { column })?;
        writing.millis(&text, &self.source.zone).map(Some).ok_or(Fault::UnreadableTime { column })
    }

    /// Whether the order counts by its status.
    pub(super) fn counts(&self) -> Result<bool, Fault<'c>> {
        match self.source.status {
            Some((column, status)) => Ok(status.counts(self.text(column)?.as_deref())),
            None => Ok(true),
        }
    }

    fn product(&self, column: usize) -> Result<ProductKey, Skip<'c>> {
        Ok(self.dictionary.product(id(self.text(column)?.as_deref(), self.name(column))?)?)
    }

    fn line(&self) -> Result<LineRow, Skip<'c>> {
        let (order, product) = (self.order()?, self.product(1)?);
        let row = if self.source.keyed { self.dictionary.row(self.values_from(2)?) } else { RowKey::NONE };
        Ok(LineRow { order, product, row })
    }

    /// Hands the row to `sink`.
    fn give(&self, sink: &mut impl RowSink) -> Result<(), Skip<'c>> {
        match self.source.which {
            Which::Products => {
                let product = self.product(0)?;
                let category =
                    self.text(1).and_then(|text| category_key(text.as_deref(), self.name(1), self.dictionary));
                sink.product(product, category.as_ref().ok().copied());
                category?;
                Ok(())
            }
            Which::Orders => sink.order(self),
            Which::OrderItems => {
                sink.line(self.line()?);
                Ok(())
            }
        }
    }

    /// A column of text; none where it is null.
    fn text(&self, column: usize) -> Result<Option<Cow<'r, str>>, Fault<'c>> {
        Ok(match self.source.columns[column].read(self.tuple)? {
            Field::Text(text) => Some(text),
            Field::Null | Field::Kept => None,
        })
    }

    /// The columns from `first` on, as they were sent. None of them is null.
    fn values_from(&self, first: usize) -> Result<Vec<&'r [u8]>, Fault<'c>> {
        let value = |place: &'c Place| match place.value(self.tuple) {
            Value::Text(bytes) => Ok(bytes),
            Value::Null | Value::Kept => Err(Fault::Missing { column: &place.name }),
        };
        self.source.columns[first..].iter().map(value).collect()
    }

    fn name(&self, column: usize) -> &'c str {
        &self.source.columns[column].name
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
    /// How orders write their time, and the zone of local times.
    time: Option<Writing>,
    zone: Arc<Zone>,
    /// The column of the orders' status, and the values that count.
    status: Option<(usize, &'a Status)>,
    /// Lines come with the columns of their key.
    keyed: bool,
}

impl<'a> Source<'a> {
    /// The rows of a query whose first columns are the used ones of that table, followed by those of `key`, as they are
    /// sent.
    pub(super) fn new(
        tables: &'a Tables,
        which: Which,
        query: String,
        spelling: &Spelling,
        key: Option<&[String]>,
    ) -> Self {
        let form = |at: usize| spelling.form(tables, which, at);
        let used = tables.columns(which).into_iter().enumerate().map(|(at, name)| (name, form(at)));
        let others = key.unwrap_or_default().iter().map(|name| (name.as_str(), Form::Plain));
        let place = |(at, (name, form)): (usize, (&str, Form))| Place::new(name, at, form, spelling.charset);
        let columns = used.chain(others).enumerate().map(place).collect();
        let ids = match which {
            Which::Products => vec![tables.products.product_id.clone()],
            Which::Orders => vec![tables.orders.order_id.clone()],
            Which::OrderItems => vec![tables.order_items.order_id.clone(), tables.order_items.product_id.clone()],
        };
        Source {
            which,
            table: tables.name(which),
            query,
            columns,
            charset: spelling.charset,
            ids,
            time: spelling.time.map(Writing::of_column),
            zone: spelling.zone.clone(),
            status: tables.status_at().zip(tables.orders.status.as_ref()),
            keyed: key.is_some(),
        }
    }
}

/// What a reading reports to, and how it waits.
pub(super) struct Scan<'a> {
    pub(super) status: &'a SourceStatus,
    pub(super) letters: &'a DeadLetterSender,
    pub(super) pulse: &'a Pulse,
    /// Waits for that long; an error when the source is to end.
    pub(super) pause: Box<dyn Fn(Duration) -> Result<(), Stopped> + 'a>,
    /// The number of this reading, or the transaction's place in the log: the offset of its dead letters.
    pub(super) reading: i64,
}

impl Scan<'_> {
    /// Gives every row of the source to `sink`.
    pub(super) fn table(
        &self,
        transaction: &mut Transaction<'_>,
        source: &Source<'_>,
        dictionary: &Dictionary,
        refusals: &mut Refusals,
        sink: &mut impl RowSink,
    ) -> Result<(), Error> {
        self.pulse.ask();
        let copied = transaction.copy_out(&sql::copy(&source.query, source.charset)).map_err(Error::from);
        let copied = copied.and_then(|rows| self.rows(rows, source, dictionary, refusals, sink));
        copied.map_err(|error| error.of_row(source.which, source.table))
    }

    /// Gives every row of a COPY to `sink`.
    pub(super) fn rows(
        &self,
        mut rows: impl BufRead,
        source: &Source<'_>,
        dictionary: &Dictionary,
        refusals: &mut Refusals,
        sink: &mut impl RowSink,
    ) -> Result<(), Error> {
        let (mut line, mut fields) = (Vec::new(), Fields::default());
        let mut count: usize = 0;
        loop {
            line.clear();
            if rows.read_until(b'\n', &mut line).map_err(Error::of_copy)? == 0 {
                return Ok(());
            }
            count += 1;
            if count.is_multiple_of(CHECK_EVERY) {
                self.check_stop()?;
                self.pulse.ask();
            }
            fields.find(&mut line);
            let tuple = fields.tuple(&line);
            if let Err(skip) = (Row { tuple: &tuple, source, dictionary }).give(sink) {
                self.skip(source.table, to_json(&source.columns, &tuple), skip, refusals)?;
                self.pulse.ask();
            }
        }
    }

    /// An error when the source is to end.
    pub(super) fn check_stop(&self) -> Result<(), Stopped> {
        (self.pause)(Duration::ZERO)
    }

    /// The first time such a row is seen it is counted, and one that is wrong goes to the dead letters.
    pub(super) fn skip(
        &self,
        table: &str,
        payload: String,
        skip: Skip<'_>,
        refusals: &mut Refusals,
    ) -> Result<(), Stopped> {
        if !refusals.is_new(&(table, &payload)) {
            return Ok(());
        }
        match skip {
            Skip::Future => {
                self.status.ignored(FUTURE);
                Ok(())
            }
            Skip::Refused(fault) => self.refuse(letter(table, self.reading, &fault, payload)),
        }
    }

    /// Counts a refused row and hands over its dead letter.
    pub(super) fn refuse(&self, letter: DeadLetter) -> Result<(), Stopped> {
        self.status.rejected(letter.reason);
        // Waiting for room is no silence of the server's.
        self.pulse.rest();
        events::send(self.letters, letter, &self.pause)
    }
}

/// The dead letter of a row of that table, read at that offset.
pub(super) fn letter(table: &str, offset: i64, fault: &Fault<'_>, payload: String) -> DeadLetter {
    DeadLetter {
        stream: table.to_owned(),
        partition: 0,
        offset,
        reason: fault.reason(),
        detail: fault.to_string(),
        payload: payload.into_bytes(),
    }
}
