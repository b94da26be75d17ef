//! Follows the log of changes in a SQLite file.

use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::Millis;
use crate::follower::{FollowError, Followed, Follower, Listed, Placed, TableRow};

const CATEGORY: i64 = 1;
const PRODUCT: i64 = 2;
const ORDER: i64 = 4;
const LINE: i64 = 5;

/// Reads with a connection of its own.
pub(super) struct SqliteFollower {
    connection: Connection,
    /// SQLite's number of the state that was read last, which changes with every commit of another connection, and the
    /// last change in it.
    seen: Option<(i64, i64)>,
}

impl SqliteFollower {
    pub(super) fn new(connection: Connection) -> Self {
        SqliteFollower { connection, seen: None }
    }
}

impl Follower for SqliteFollower {
    fn read_all(&mut self, since: Millis, see: &mut dyn FnMut(TableRow)) -> Result<i64, FollowError> {
        self.seen = None;
        let transaction = self.connection.transaction().map_err(failed)?;
        all(&transaction, since, see).map_err(failed)
    }

    fn read_changes(&mut self, after: i64, see: &mut dyn FnMut(TableRow)) -> Result<Followed, FollowError> {
        let state = self.connection.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(failed)?;
        if self.seen == Some((state, after)) {
            return Ok(Followed::Unchanged);
        }
        let transaction = self.connection.transaction().map_err(failed)?;
        let followed = changes(&transaction, after, see).map_err(failed)?;
        drop(transaction);
        self.seen = match followed {
            Followed::Unchanged => Some((state, after)),
            Followed::UpTo(last) => Some((state, last)),
            Followed::Lost => None,
        };
        Ok(followed)
    }
}

fn failed(error: rusqlite::Error) -> FollowError {
    FollowError(error.to_string())
}

/// The number of the last change.
fn last(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'";
    Ok(transaction.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn all(transaction: &Transaction<'_>, since: Millis, see: &mut dyn FnMut(TableRow)) -> rusqlite::Result<i64> {
    let last = last(transaction)?;
    let mut statement = transaction.prepare("SELECT category_id, parent_id FROM categories")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        see(TableRow::Category { category: row.get(0)?, now: Some(row.get(1)?) });
    }
    let mut statement = transaction.prepare("SELECT product_id, category_id, available FROM products")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let now = Some(Listed { category: row.get(1)?, available: row.get(2)? });
        see(TableRow::Product { product: row.get(0)?, now });
    }
    let mut statement = transaction.prepare("SELECT product_id FROM deleted_products")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        see(TableRow::Product { product: row.get(0)?, now: None });
    }
    let mut statement = transaction
        .prepare("SELECT order_id, user_id, created_at, status <> 'cancelled' FROM orders WHERE created_at >= ?1")?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        let now = Some(Placed { user: row.get(1)?, created_at: row.get(2)?, counts: row.get(3)? });
        see(TableRow::Order { order: row.get(0)?, now });
    }
    let mut statement = transaction.prepare(
        "SELECT order_id, line, created_at, product_id FROM orders JOIN order_items USING (order_id) \
         WHERE created_at >= ?1 AND returned = 0",
    )?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        see(TableRow::Line { order: row.get(0)?, line: row.get(1)?, now: Some((row.get(2)?, row.get(3)?)) });
    }
    Ok(last)
}

fn changes(transaction: &Transaction<'_>, after: i64, see: &mut dyn FnMut(TableRow)) -> rusqlite::Result<Followed> {
    let last = last(transaction)?;
    if last == after {
        return Ok(Followed::Unchanged);
    }
    let first: Option<i64> =
        transaction.prepare_cached("SELECT min(number) FROM changes")?.query_row([], |row| row.get(0))?;
    if after > last || first.is_none_or(|first| first > after + 1) {
        return Ok(Followed::Lost);
    }
    let mut statement = transaction.prepare_cached("SELECT DISTINCT kind, id, line FROM changes WHERE number > ?1")?;
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        let (kind, id, line) = (row.get(0)?, row.get(1)?, row.get(2)?);
        changed(transaction, kind, id, line, see)?;
    }
    Ok(Followed::UpTo(last))
}

/// Sees a row that has changed as it is now. With an order, all its lines are seen: its time is theirs.
fn changed(
    transaction: &Transaction<'_>,
    kind: i64,
    id: String,
    line: Option<i64>,
    see: &mut dyn FnMut(TableRow),
) -> rusqlite::Result<()> {
    match (kind, line) {
        (CATEGORY, _) => {
            let mut statement =
                transaction.prepare_cached("SELECT parent_id FROM categories WHERE category_id = ?1")?;
            let now = statement.query_row([&id], |row| row.get(0)).optional()?;
            see(TableRow::Category { category: id, now });
        }
        (PRODUCT, _) => {
            let sql = "SELECT category_id, available FROM products WHERE product_id = ?1";
            let mut statement = transaction.prepare_cached(sql)?;
            let read = |row: &rusqlite::Row<'_>| Ok(Listed { category: row.get(0)?, available: row.get(1)? });
            let now = statement.query_row([&id], read).optional()?;
            see(TableRow::Product { product: id, now });
        }
        (ORDER, _) => {
            let sql = "SELECT user_id, created_at, status <> 'cancelled' FROM orders WHERE order_id = ?1";
            let mut statement = transaction.prepare_cached(sql)?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Placed { user: row.get(0)?, created_at: row.get(1)?, counts: row.get(2)? })
            };
            let now = statement.query_row([&id], read).optional()?;
            see(TableRow::Order { order: id.clone(), now });
            let mut statement = transaction.prepare_cached("SELECT line FROM order_items WHERE order_id = ?1")?;
            let mut lines = statement.query([&id])?;
            while let Some(row) = lines.next()? {
                line_of(transaction, &id, row.get(0)?, see)?;
            }
        }
        (LINE, Some(line)) => line_of(transaction, &id, line, see)?,
        _ => {}
    }
    Ok(())
}

fn line_of(
    transaction: &Transaction<'_>,
    order: &str,
    line: i64,
    see: &mut dyn FnMut(TableRow),
) -> rusqlite::Result<()> {
    let sql = "SELECT created_at, product_id FROM orders JOIN order_items USING (order_id) \
               WHERE order_id = ?1 AND line = ?2 AND returned = 0";
    let mut statement = transaction.prepare_cached(sql)?;
    let now = statement.query_row((order, line), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    see(TableRow::Line { order: order.to_owned(), line, now });
    Ok(())
}
