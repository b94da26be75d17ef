//! The tables of the SQLite file inside the writer's transaction.

use rusqlite::{Connection, OptionalExtension, params};

use super::saver::Saver;
use super::{failed, rows, unavailable};
use crate::Millis;
use crate::error::StoreError;
use crate::home::{WriteRequest, Written};
use crate::kind::Kind;
use crate::row::Row;
use crate::settings::Settings;
use crate::write::{self, KeptAnswer, WriteFailure, WriteTransaction};

/// Changes that are kept. A source that is further behind reads all rows.
const CHANGES_MAX: i64 = 1_000_000;

/// Old changes are removed in pieces of this size.
const CHANGES_PIECE: i64 = 10_000;

/// The tables, as the connection's transaction sees them.
pub(super) struct SqliteTables<'c>(pub(super) &'c Connection);

/// Does all the writes of a request, or none.
pub(super) fn request(
    connection: &Connection,
    request: &WriteRequest,
    settings: &Settings,
) -> Result<Written, StoreError> {
    let fail = |error: rusqlite::Error| unavailable(&error);
    connection.execute_batch("SAVEPOINT request").map_err(fail)?;
    let done = write::request(&mut SqliteTables(connection), request, settings);
    let end = if done.is_ok() { "RELEASE request" } else { "ROLLBACK TO request; RELEASE request" };
    // After some failures, such as a full disk, SQLite has rolled back everything already.
    let ended = if connection.is_autocommit() { Ok(()) } else { connection.execute_batch(end) };
    match done {
        Ok(written) => ended.map(|()| written).map_err(fail),
        Err(WriteFailure::Rule(error)) => Err(error),
        Err(WriteFailure::Home { index, error }) => Err(failed(index, &error)),
    }
}

impl WriteTransaction for SqliteTables<'_> {
    type Error = rusqlite::Error;

    fn load(&mut self, kind: Kind, id: &str) -> rusqlite::Result<Option<Row>> {
        rows::load(self.0, kind, id)
    }

    fn is_there(&mut self, kind: Kind, id: &str) -> rusqlite::Result<bool> {
        rows::is_there(self.0, kind, id)
    }

    fn save(&mut self, row: &Row, _is_new: bool) -> rusqlite::Result<()> {
        Saver::whole().save(self.0, row)
    }

    fn delete(&mut self, kind: Kind, id: &str) -> rusqlite::Result<()> {
        rows::delete(self.0, kind, id)
    }

    fn parent(&mut self, category: &str) -> rusqlite::Result<Option<String>> {
        let mut statement = self.0.prepare_cached("SELECT parent_id FROM categories WHERE category_id = ?1")?;
        Ok(statement.query_row([category], |row| row.get(0)).optional()?.flatten())
    }

    fn levels_below(&mut self, category: &str, most: usize) -> rusqlite::Result<usize> {
        let sql = "WITH RECURSIVE below (id, level) AS (\
                       SELECT ?1, 0 \
                       UNION ALL \
                       SELECT category_id, level + 1 FROM below JOIN categories ON parent_id = id WHERE level < ?2) \
                   SELECT max(level) FROM below";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let levels: i64 = self.0.prepare_cached(sql)?.query_row(params![category, most], |row| row.get(0))?;
        Ok(usize::try_from(levels).unwrap_or_default())
    }

    fn is_used(&mut self, category: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM categories WHERE parent_id = ?1) \
                   OR EXISTS (SELECT 1 FROM products WHERE category_id = ?1)";
        self.0.prepare_cached(sql)?.query_row([category], |row| row.get(0))
    }

    fn last_change(&mut self) -> rusqlite::Result<i64> {
        last_change(self.0)
    }

    fn kept_answer(&mut self, key: &str, since: Millis) -> rusqlite::Result<Option<KeptAnswer>> {
        let sql = "SELECT fingerprint, change, rows FROM answered WHERE key = ?1 AND at > ?2";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(KeptAnswer { fingerprint: row.get(0)?, change: row.get(1)?, rows: row.get(2)? })
        };
        self.0.prepare_cached(sql)?.query_row(params![key, since], read).optional()
    }

    fn keep_answer(&mut self, key: &str, kept: &KeptAnswer, now: Millis, until: Millis) -> rusqlite::Result<()> {
        self.0.prepare_cached("DELETE FROM answered WHERE at <= ?1")?.execute([until])?;
        let sql = "INSERT INTO answered (key, fingerprint, change, rows, at) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut statement = self.0.prepare_cached(sql)?;
        statement.execute(params![key, kept.fingerprint, kept.change, kept.rows, now]).map(drop)
    }
}

/// The number of the last change, in this transaction too.
pub(super) fn last_change(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Removes a piece of the changes that are not kept any more.
pub(super) fn forget_old_changes(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    let first: Option<i64> =
        connection.prepare_cached("SELECT min(number) FROM changes")?.query_row([], |row| row.get(0))?;
    let Some(first) = first else { return Ok(()) };
    let kept_from = last_change(connection)? - CHANGES_MAX;
    if first + CHANGES_PIECE <= kept_from {
        let mut statement = connection.prepare_cached("DELETE FROM changes WHERE number < ?1")?;
        statement.execute([kept_from.min(first + CHANGES_PIECE * 100)])?;
    }
    Ok(())
}
