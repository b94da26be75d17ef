//! A copy in a table of PostgreSQL: one row for each product of each list.
//!
//! ```text
//! list (text) │ position (integer, from 1) │ product (text) │ value (double precision) │ as_of (timestamptz)
//! ```
//! A batch of lists is one transaction. Only rows that differ are written: `as_of` is the time since which the row is so.

mod reading;
mod table;

use std::fmt::Display;

use dataflow::time::Time;
use postgres::types::Type;
use sources::postgres::{Connection, Target, error_text, quoted_table};

use self::reading::Reading;
use super::destination::{Destination, DestinationError, FoundList, ListChange, Presence};
use super::settings::PostgresCopy;

/// The table of a copy.
pub struct Table {
    target: Target,
    /// The name as configured.
    name: String,
    connection: Option<Connection>,
    reading: Reading,
}

/// The rows of many lists, by column.
#[derive(Default)]
struct Columns {
    lists: Vec<String>,
    positions: Vec<i32>,
    products: Vec<String>,
    values: Vec<Option<f64>>,
    as_of: Vec<i64>,
}

impl Table {
    /// The table that `settings` name, in the database of `url` or, if that is empty, of `shop`. `None` without a table.
    ///
    /// # Errors
    /// When the connection string cannot be read.
    pub fn new(settings: &PostgresCopy, shop: &str) -> Result<Option<Table>, sources::postgres::BadUrl> {
        let Some(name) = settings.table.clone() else { return Ok(None) };
        let url = Some(settings.url.expose()).filter(|url| !url.is_empty()).unwrap_or(shop);
        Ok(Some(Table { target: Target::of(url)?, name, connection: None, reading: Reading::default() }))
    }

    /// The server, the database and the table, for people.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{} at {}", self.name, self.target.place())
    }

    /// Connects, and checks the table, or whether it could be made, without changing anything.
    ///
    /// # Errors
    /// When the server cannot be reached, or the table cannot hold lists or be made.
    pub fn inspect(&self) -> Result<Presence, DestinationError> {
        table::inspect(&mut self.connect()?, &self.name)
    }

    fn connect(&self) -> Result<Connection, DestinationError> {
        self.target.connect().map_err(|error| DestinationError::Away {
            place: format!("PostgreSQL at {}", self.target.place()),
            reason: error.to_string(),
        })
    }

    fn connection(&mut self) -> Result<&mut Connection, DestinationError> {
        let away = |reason: &dyn Display| DestinationError::Away {
            place: format!("PostgreSQL at {}", self.target.place()),
            reason: reason.to_string(),
        };
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(away(&"the connection was closed")),
        }
    }
}

impl Destination for Table {
    fn begin(&mut self) -> Result<(), DestinationError> {
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        self.reading = Reading::default();
        let name = self.name.clone();
        table::prepare(self.connection()?, &name)
    }

    fn page(&mut self, page: &mut Vec<FoundList>) -> Result<bool, DestinationError> {
        let (name, mut reading) = (quoted_table(&self.name), std::mem::take(&mut self.reading));
        let is_more = reading.page(self.connection()?, &name, page);
        self.reading = reading;
        is_more.map_err(|error| refused("reading the table", &error))
    }

    fn write(&mut self, changes: &[ListChange]) -> Result<(), DestinationError> {
        let name = quoted_table(&self.name);
        write(self.connection()?, &name, changes).map_err(|error| refused("writing to the table", &error))
    }

    fn disconnect(&mut self) {
        self.connection = None;
    }
}

fn refused(doing: &str, error: &postgres::Error) -> DestinationError {
    DestinationError::Refused { doing: doing.to_owned(), reason: error_text(error) }
}

/// Writes lists in one transaction.
fn write(connection: &mut Connection, table: &str, changes: &[ListChange]) -> Result<(), postgres::Error> {
    let names: Vec<String> = changes.iter().map(|change| change.name.to_string()).collect();
    let lengths: Vec<i32> = changes.iter().map(|change| position(change.rows.len())).collect();
    let mut columns = Columns::default();
    for (change, name) in changes.iter().zip(&names) {
        columns.add(name, change);
    }
    let mut transaction = connection.transaction()?;
    let surplus = format!(
        "DELETE FROM {table} AS old USING unnest($1, $2) AS now (list, length) \
         WHERE old.list = now.list AND (old.position > now.length OR old.position < 1)"
    );
    transaction.execute_typed(&surplus, &[(&names, Type::TEXT_ARRAY), (&lengths, Type::INT4_ARRAY)])?;
    if !columns.lists.is_empty() {
        let rows = format!(
            "INSERT INTO {table} AS old (list, position, product, value, as_of) \
             SELECT list, position, product, value, timestamptz 'epoch' + ms * interval '1 millisecond' \
             FROM unnest($1, $2, $3, $4, $5) AS now (list, position, product, value, ms) \
             ON CONFLICT (list, position) DO UPDATE \
             SET product = excluded.product, value = excluded.value, as_of = excluded.as_of \
             WHERE (old.product, old.value) IS DISTINCT FROM (excluded.product, excluded.value) OR old.as_of IS NULL"
        );
        let Columns { lists, positions, products, values, as_of } = &columns;
        transaction.execute_typed(
            &rows,
            &[
                (lists, Type::TEXT_ARRAY),
                (positions, Type::INT4_ARRAY),
                (products, Type::TEXT_ARRAY),
                (values, Type::FLOAT8_ARRAY),
                (as_of, Type::INT8_ARRAY),
            ],
        )?;
    }
    transaction.commit()
}

impl Columns {
    fn add(&mut self, name: &str, change: &ListChange) {
        for (row, at) in change.rows.iter().zip(1..) {
            self.lists.push(name.to_owned());
            self.positions.push(position(at));
            self.products.push(row.product.to_string());
            self.values.push(row.value);
            self.as_of.push(milliseconds(change.as_of));
        }
    }
}

fn position(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

fn milliseconds(time: Time) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}
