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

use crate::fault::{Fault, id};
use crate::postgres::names::{SourceTable, Status, Tables};
use crate::postgres::rows::category_sets::RowCategories;
use crate::postgres::rows::copy_format::{CopyFields, copy};
use crate::postgres::rows::pgoutput::{Tuple, TupleValue};
use crate::postgres::rows::row_decoder::{ColumnValue, TRUE, UsedColumn, to_json};
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::error::Error;
use crate::postgres::session::liveness::Liveness;
use crate::postgres::values::charset::Charset;
use crate::postgres::values::id_format::IdFormat;
use crate::postgres::values::pg_time::TimeFormat;
use crate::postgres::values::zone::Zone;
use crate::refusals::Refusals;
use crate::side_thread::Stopped;

/// Rows between two checks of the stop signal.
const CHECK_EVERY: usize = 1024;

/// The status counter of orders that do not count until their time has come.
pub(crate) const FUTURE: &str = "future_order";

/// Why a row is reported.
pub(crate) enum RowIssue<'c> {
    /// The row is wrong.
    Refused(Fault<'c>),
    /// The row is taken, and does not count yet.
    Future,
}

impl<'c> From<Fault<'c>> for RowIssue<'c> {
    fn from(fault: Fault<'c>) -> Self {
        RowIssue::Refused(fault)
    }
}

impl From<Collision> for RowIssue<'_> {
    fn from(collision: Collision) -> Self {
        RowIssue::Refused(collision.into())
    }
}

/// Takes the rows of all three tables.
pub(crate) trait RowSink {
    /// A product is listed, also where its categories cannot be used.
    fn product(&mut self, product: ProductKey, categories: &[CategoryKey], is_usable: bool);

    /// An order. Its columns are read by the sink, which may need only some of them.
    fn order<'c>(&mut self, row: &CopiedRow<'_, 'c>) -> Result<(), RowIssue<'c>>;

    /// A line of an order.
    fn line(&mut self, line: LineRow);

    /// A line that was returned or is refused, by its key if lines come with one.
    fn unusable_line(&mut self, _: RowKey) {}
}

/// A row as it streams by.
pub(crate) struct CopiedRow<'r, 'c> {
    tuple: &'r Tuple<'r>,
    source: &'c TableQuery<'c>,
    dictionary: &'r Dictionary,
}

impl<'r, 'c> CopiedRow<'r, 'c> {
    /// The order's id, in the first column of orders and of lines.
    pub(crate) fn order(&self) -> Result<OrderKey, Fault<'c>> {
        Ok(self.dictionary.order(id(self.text(0)?.as_deref(), self.name(0))?))
    }

    /// The user's id.
    pub(crate) fn user(&self) -> Result<UserKey, Fault<'c>> {
        Ok(self.dictionary.user(id(self.text(1)?.as_deref(), self.name(1))?))
    }

    /// When the order was created; none where the table has no time.
    pub(crate) fn created_at(&self) -> Result<Option<Millis>, Fault<'c>> {
        let Some(writing) = self.source.time else { return Ok(None) };
        let column = self.name(2);
        let text = self.text(2)?.ok_or(Fault::Missing { column })?;
        writing.millis(&text, &self.source.zone).map(Some).ok_or(Fault::UnreadableTime { column })
    }

    /// Whether the order counts by its status.
    pub(crate) fn counts(&self) -> Result<bool, Fault<'c>> {
        match self.source.status {
            Some((column, status)) => Ok(status.counts(self.text(column)?.as_deref())),
            None => Ok(true),
        }
    }

    fn product(&self, column: usize) -> Result<ProductKey, RowIssue<'c>> {
        Ok(self.dictionary.product(id(self.text(column)?.as_deref(), self.name(column))?)?)
    }

    fn line(&self) -> Result<LineRow, RowIssue<'c>> {
        let (order, product) = (self.order()?, self.product(1)?);
        Ok(LineRow { order, product, row: self.key()? })
    }

    /// The key of a line.
    fn key(&self) -> Result<RowKey, Fault<'c>> {
        Ok(match self.source.key_at {
            Some(first) => self.dictionary.row(self.values_from(first)?),
            None => RowKey::NONE,
        })
    }

    /// Hands the row to `sink`.
    fn give(&self, sink: &mut impl RowSink) -> Result<(), RowIssue<'c>> {
        match self.source.which {
            SourceTable::Products => {
                let product = self.product(0)?;
                let (is_list, name) = (self.source.category_lists, self.name(1));
                let available = self.flag()? != Some(false);
                let (categories, fault) = match self.text(1) {
                    Ok(text) => RowCategories::read(text.as_deref(), is_list, name, self.dictionary),
                    Err(fault) => (None, Some(fault)),
                };
                let is_usable = categories.is_some();
                sink.product(product, RowCategories::of_product(categories, available).keys(), is_usable);
                fault.map_or(Ok(()), |fault| Err(fault.into()))
            }
            SourceTable::Orders => sink.order(self),
            SourceTable::OrderItems => {
                let read = self.line().and_then(|line| Ok((line, self.flag()? == Some(true))));
                if !matches!(read, Ok((_, false)))
                    && let Ok(row) = self.key()
                {
                    sink.unusable_line(row);
                }
                let (line, is_returned) = read?;
                if !is_returned {
                    sink.line(line);
                }
                Ok(())
            }
        }
    }

    /// The truth value of a product or a line; none where it is null or not used.
    fn flag(&self) -> Result<Option<bool>, Fault<'c>> {
        let text = self.source.flag.map(|column| self.text(column)).transpose()?.flatten();
        Ok(text.map(|text| text == TRUE))
    }

    /// A column of text; none where it is null.
    fn text(&self, column: usize) -> Result<Option<Cow<'r, str>>, Fault<'c>> {
        Ok(match self.source.columns[column].read(self.tuple)? {
            ColumnValue::Text(text) => Some(text),
            ColumnValue::Null | ColumnValue::Kept => None,
        })
    }

    /// The columns from `first` on, as they were sent. None of them is null.
    fn values_from(&self, first: usize) -> Result<Vec<&'r [u8]>, Fault<'c>> {
        let value = |place: &'c UsedColumn| match place.value(self.tuple) {
            TupleValue::Text(bytes) => Ok(bytes),
            TupleValue::Null | TupleValue::Kept => Err(Fault::Missing { column: &place.name }),
        };
        self.source.columns[first..].iter().map(value).collect()
    }

    fn name(&self, column: usize) -> &'c str {
        &self.source.columns[column].name
    }
}

/// What is read of a table.
pub(crate) struct TableQuery<'a> {
    pub(crate) which: SourceTable,
    pub(crate) table: &'a str,
    /// It calls the table `t` and ends in a condition, to which others can be added.
    pub(crate) query: String,
    pub(crate) columns: Vec<UsedColumn>,
    pub(crate) charset: Charset,
    /// The columns with which a row can be named, and no person.
    pub(crate) ids: Vec<String>,
    /// How orders write their time, and the zone of local times.
    time: Option<TimeFormat>,
    zone: Arc<Zone>,
    /// The column of the orders' status, and the values that count.
    status: Option<(usize, &'a Status)>,
    /// The column of the truth value of products and lines.
    flag: Option<usize>,
    /// Whether the column of the category holds lists of ids.
    category_lists: bool,
    /// The first of the columns with which lines come for their key, if they do.
    key_at: Option<usize>,
}

impl<'a> TableQuery<'a> {
    /// The rows of a query whose first columns are the used ones of that table, followed by those of `key`, as they are
    /// sent.
    pub(crate) fn new(
        tables: &'a Tables,
        which: SourceTable,
        query: String,
        format: &ValueFormat,
        key: Option<&[String]>,
    ) -> Self {
        let form = |at: usize| format.form(tables, which, at);
        let used = tables.columns(which).into_iter().enumerate().map(|(at, name)| (name, form(at)));
        let others = key.unwrap_or_default().iter().map(|name| (name.as_str(), IdFormat::Plain));
        let place = |(at, (name, form)): (usize, (&str, IdFormat))| UsedColumn::new(name, at, form, format.charset);
        let columns = used.chain(others).enumerate().map(place).collect();
        let ids = match which {
            SourceTable::Products => vec![tables.products.product_id.clone()],
            SourceTable::Orders => vec![tables.orders.order_id.clone()],
            SourceTable::OrderItems => vec![tables.order_items.order_id.clone(), tables.order_items.product_id.clone()],
        };
        TableQuery {
            which,
            table: tables.name(which),
            query,
            columns,
            charset: format.charset,
            ids,
            time: format.time.map(TimeFormat::of_column),
            zone: format.zone.clone(),
            status: tables.status_at().zip(tables.orders.status.as_ref()),
            flag: tables.flag_at(which),
            category_lists: format.category_lists,
            key_at: key.map(|_| tables.columns(which).len()),
        }
    }
}

/// What a reading reports to, and how it waits.
pub(crate) struct TableScan<'a> {
    pub(crate) status: &'a SourceStatus,
    pub(crate) letters: &'a DeadLetterSender,
    pub(crate) liveness: &'a Liveness,
    /// Waits for that long; an error when the source is to end.
    pub(crate) pause: Box<dyn Fn(Duration) -> Result<(), Stopped> + 'a>,
    /// The number of this reading, or the transaction's place in the log: the offset of its dead letters.
    pub(crate) reading: i64,
}

impl TableScan<'_> {
    /// Gives every row of the source to `sink`.
    pub(crate) fn table(
        &self,
        transaction: &mut Transaction<'_>,
        source: &TableQuery<'_>,
        dictionary: &Dictionary,
        refusals: &mut Refusals,
        sink: &mut impl RowSink,
    ) -> Result<(), Error> {
        self.liveness.ask();
        let copied = transaction.copy_out(&copy(&source.query, source.charset)).map_err(Error::from);
        let copied = copied.and_then(|rows| self.rows(rows, source, dictionary, refusals, sink));
        copied.map_err(|error| error.of_row(source.which, source.table))
    }

    /// Gives every row of a COPY to `sink`.
    pub(crate) fn rows(
        &self,
        mut rows: impl BufRead,
        source: &TableQuery<'_>,
        dictionary: &Dictionary,
        refusals: &mut Refusals,
        sink: &mut impl RowSink,
    ) -> Result<(), Error> {
        let (mut line, mut fields) = (Vec::new(), CopyFields::default());
        let mut count: usize = 0;
        loop {
            line.clear();
            if rows.read_until(b'\n', &mut line).map_err(Error::of_copy)? == 0 {
                return Ok(());
            }
            count += 1;
            if count.is_multiple_of(CHECK_EVERY) {
                self.check_stop()?;
                self.liveness.ask();
            }
            fields.find(&mut line);
            let tuple = fields.tuple(&line);
            if let Err(skip) = (CopiedRow { tuple: &tuple, source, dictionary }).give(sink) {
                self.skip(source.table, to_json(&source.columns, &tuple), skip, refusals)?;
                self.liveness.ask();
            }
        }
    }

    /// An error when the source is to end.
    pub(crate) fn check_stop(&self) -> Result<(), Stopped> {
        (self.pause)(Duration::ZERO)
    }

    /// The first time such a row is seen it is counted, and one that is wrong goes to the dead letters.
    pub(crate) fn skip(
        &self,
        table: &str,
        payload: String,
        skip: RowIssue<'_>,
        refusals: &mut Refusals,
    ) -> Result<(), Stopped> {
        if !refusals.is_new(&(table, &payload)) {
            return Ok(());
        }
        match skip {
            RowIssue::Future => {
                self.status.ignored(FUTURE);
                Ok(())
            }
            RowIssue::Refused(fault) => self.refuse(letter(table, self.reading, &fault, payload)),
        }
    }

    /// Counts a refused row and hands over its dead letter.
    pub(crate) fn refuse(&self, letter: DeadLetter) -> Result<(), Stopped> {
        self.status.rejected(letter.reason);
        // Waiting for room is no silence of the server's.
        self.liveness.rest();
        events::send(self.letters, letter, &self.pause)
    }
}

/// The dead letter of a row of that table, read at that offset.
pub(crate) fn letter(table: &str, offset: i64, fault: &Fault<'_>, payload: String) -> DeadLetter {
    DeadLetter {
        stream: table.to_owned(),
        partition: 0,
        offset,
        reason: fault.reason(),
        detail: fault.to_string(),
        payload: payload.into_bytes(),
    }
}
