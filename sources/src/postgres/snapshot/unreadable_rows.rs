//! Rows that the server itself cannot read, such as one whose large value is damaged, or whose enum has lost a label.
//!
//! The server ends the whole query at such a row. The table is then read in halves, and halves of halves, until the rows are
//! found. Only these rows are refused, and the others are read without them. A row that was found is tried again before
//! every reading: it may have been repaired, and another row may be in its place.
//!
//! A damaged page, or a view, cannot be read in parts: then the whole reading fails with the server's message.

use std::io::BufRead as _;

use postgres::Transaction;
use postgres::types::Type;
use serde_json::{Map, Value as Json};

use crate::fault::Fault;
use crate::postgres::names::{self, SourceTable};
use crate::postgres::rows::copy_format::copy;
use crate::postgres::rows::table_scan::{RowIssue, TableQuery, TableScan};
use crate::postgres::session::error::{Error, is_row_error};
use crate::postgres::session::error_text::error_text;
use crate::postgres::values::charset::{Charset, escaped};
use crate::refusals::Refusals;

/// The most unreadable rows that are skipped; more of them are not single damaged rows.
const ROWS_MAX: usize = 1000;

/// How often one reading starts again because more such rows were found.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// The tables that rows of a table are stored in, itself or its partitions, and how many pages each has.
const STORED: &str = "
    WITH RECURSIVE part (oid) AS (
        SELECT to_regclass($1)::oid
        UNION
        SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid)
    SELECT c.oid, COALESCE(pg_relation_size(c.oid) / current_setting('block_size')::bigint, 0)
    FROM part JOIN pg_class c ON c.oid = part.oid
    WHERE c.relkind IN ('r', 'm')";

/// The rows that could not be read when they were tried last.
#[derive(Default)]
pub(crate) struct UnreadableRows([Vec<RowLocation>; 3]);

/// The place of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RowLocation {
    /// The number of the table that stores it.
    stored: u32,
    /// Page and place, such as `(0,7)`.
    place: String,
    /// The server's message.
    message: String,
}

impl RowLocation {
    fn sql(&self) -> String {
        format!("t.tableoid = {} AND t.ctid = '{}'", self.stored, self.place)
    }
}

impl TableScan<'_> {
    /// Refuses the rows that cannot be read, and excludes them from the query.
    pub(crate) fn exclude_unreadable_rows(
        &self,
        transaction: &mut Transaction<'_>,
        unreadable: &mut UnreadableRows,
        source: &mut TableQuery<'_>,
        refusals: &mut Refusals,
    ) -> Result<(), Error> {
        let locations = &mut unreadable.0[source.which as usize];
        let mut still = Vec::new();
        for location in locations.drain(..) {
            if let Some(message) = self.fails(transaction, source, &location.sql())? {
                still.push(RowLocation { message, ..location });
            }
        }
        for location in &still {
            let payload = self.shown(transaction, source, location)?;
            let fault = Fault::Unreadable { words: location.message.clone() };
            self.skip(source.table, payload, RowIssue::Refused(fault), refusals)?;
            source.query += &format!(" AND NOT ({})", location.sql());
        }
        *locations = still;
        Ok(())
    }

    /// Finds the rows at which reading failed; false if no row of a table that can be read in parts is the cause.
    pub(crate) fn find_unreadable_rows(
        &self,
        transaction: &mut Transaction<'_>,
        unreadable: &mut UnreadableRows,
        which: SourceTable,
        source: &TableQuery<'_>,
    ) -> Result<bool, Error> {
        let table = names::table(source.table);
        let stored = transaction.query_typed(STORED, &[(&table, Type::TEXT)])?;
        let mut found = 0;
        for row in &stored {
            let (stored, pages): (u32, i64) = (row.get(0), row.get(1));
            let mut ranges = vec![(0, pages)];
            while let Some((first, end)) = ranges.pop() {
                let part = format!("t.tableoid = {stored} AND t.ctid >= '({first},0)' AND t.ctid < '({end},0)'");
                if first >= end || self.fails(transaction, source, &part)?.is_none() {
                    continue;
                }
                if end - first > 1 {
                    let middle = first + (end - first) / 2;
                    ranges.extend([(middle, end), (first, middle)]);
                    continue;
                }
                let places = format!("SELECT t.ctid::text FROM {table} AS t WHERE {part}");
                for row in transaction.query(&places, &[])? {
                    let mut location = RowLocation { stored, place: row.get(0), message: String::new() };
                    if let Some(message) = self.fails(transaction, source, &location.sql())? {
                        location.message = message;
                        unreadable.0[which as usize].push(location);
                        found += 1;
                    }
                    if unreadable.0[which as usize].len() > ROWS_MAX {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(found > 0)
    }

    /// Reads a part of the table to its end; returns the server's message if it cannot read a row.
    fn fails(
        &self,
        transaction: &mut Transaction<'_>,
        source: &TableQuery<'_>,
        part: &str,
    ) -> Result<Option<String>, Error> {
        self.check_stop()?;
        self.liveness.ask();
        // The error ends only this part of the transaction.
        let mut attempt = transaction.transaction()?;
        let read = drain(&mut attempt, &copy(&format!("{} AND {part}", source.query), source.charset));
        attempt.rollback()?;
        match read {
            Ok(()) => Ok(None),
            Err(Error::Server(error)) if is_row_error(&error) => Ok(Some(error_text(&error))),
            Err(error) => Err(error),
        }
    }

    /// The payload of a row that cannot be read: its place, and its ids as far as they can be read.
    fn shown(
        &self,
        transaction: &mut Transaction<'_>,
        source: &TableQuery<'_>,
        location: &RowLocation,
    ) -> Result<String, Error> {
        let mut object = Map::new();
        for place in source.columns.iter().filter(|place| source.ids.contains(&place.name)) {
            let column = names::column(&place.name);
            let table = names::table(source.table);
            let query = format!("SELECT t.{column} FROM {table} AS t WHERE {}", location.sql());
            let mut attempt = transaction.transaction()?;
            let value = value(&mut attempt, &copy(&query, source.charset), source.charset);
            attempt.rollback()?;
            object.insert(place.name.clone(), value.map_or(Json::Null, Json::from));
        }
        object.insert("ctid".to_owned(), Json::from(location.place.clone()));
        Ok(Json::Object(object).to_string())
    }
}

fn drain(transaction: &mut Transaction<'_>, query: &str) -> Result<(), Error> {
    let mut rows = transaction.copy_out(query)?;
    loop {
        let read = rows.fill_buf().map_err(Error::of_copy)?.len();
        if read == 0 {
            return Ok(());
        }
        rows.consume(read);
    }
}

/// The one value that is copied; none if it cannot be read.
fn value(transaction: &mut Transaction<'_>, query: &str, charset: Charset) -> Option<String> {
    let mut line = Vec::new();
    transaction.copy_out(query).ok()?.read_until(b'\n', &mut line).ok()?;
    let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
    Some(charset.decode(bytes).map_or_else(|| escaped(bytes), Into::into))
}
