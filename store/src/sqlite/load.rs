//! Loads a followed file: the difference of its records to those that were loaded before, in one transaction.
//!
//! ```text
//! record of the file ─▶ as it was loaded before ─▶ nothing
//!                    ├▶ new                     ─▶ its row is added, or changed if it is there
//!                    ├▶ another one than before ─▶ its row is changed, if it is still there
//! record that is gone ──────────────────────────▶ its row is removed
//! ```
//! So a row that was changed or removed in another way stays like that as long as its record stays as it is, and rows that
//! are in no file stay. Memory does not depend on the length of the file.

use std::io::BufRead;

use rusqlite::{Connection, OptionalExtension, params};

use super::import::{ROWS_BETWEEN, number};
use super::saver::Saver;
use super::{dangling, failed, rows, unavailable, write};
use crate::error::{Fault, StoreError};
use crate::import::{FileRows, ImportReport, ImportRow, Role, fault_of_user, unreadable};
use crate::kind::{Kind, LINES_MAX};
use crate::row::Row;
use crate::settings::Settings;
use crate::shop_file::LoadRequest;

/// Room for pages that have changed, and the ids in the file with their records so far, and the user of a purchase.
const PREPARE: &str = "
PRAGMA main.cache_size = -131072;
PRAGMA temp.cache_size = -16384;
CREATE TEMP TABLE seen (id TEXT PRIMARY KEY NOT NULL, parts INTEGER NOT NULL, user_id TEXT) WITHOUT ROWID";

/// Removes the rows whose records are gone: purchases, lines of purchases that stay, and products.
const REMOVE_PURCHASES: &str = "
DELETE FROM orders WHERE order_id IN (
    SELECT id FROM loaded WHERE kind = ?1 AND part = 1 AND NOT EXISTS (SELECT 1 FROM temp.seen WHERE seen.id = loaded.id))";
const REMOVE_LINES: &str = "
DELETE FROM order_items WHERE (order_id, line) IN (
    SELECT loaded.id, part FROM loaded JOIN temp.seen ON seen.id = loaded.id WHERE kind = ?1 AND part > parts)";
const REMOVE_PRODUCTS: &str = "
DELETE FROM products WHERE product_id IN (
    SELECT id FROM loaded WHERE kind = ?1 AND NOT EXISTS (SELECT 1 FROM temp.seen WHERE seen.id = loaded.id))";

/// Forgets the records that are gone.
const FORGET: &str = "
DELETE FROM loaded WHERE kind = ?1
    AND NOT EXISTS (SELECT 1 FROM temp.seen WHERE seen.id = loaded.id AND parts >= loaded.part)";

/// Loads a state of a file; none if it is loaded already.
pub(super) fn load(
    connection: &Connection,
    request: &LoadRequest,
    file: &mut dyn BufRead,
    settings: &Settings,
) -> Result<Option<ImportReport>, StoreError> {
    let fail = |error: rusqlite::Error| unavailable(&error);
    let kind = request.file.kind();
    if stamp(connection, kind).map_err(fail)?.as_ref() == Some(&request.stamp) {
        return Ok(None);
    }
    let records = request.records();
    let mut rows = records.rows(file, settings).map_err(unreadable)?;
    connection.execute_batch(PREPARE).map_err(fail)?;
    connection.execute_batch(dangling::PREPARE).map_err(fail)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(fail)?;
    let saver = Saver::new(|kind| rows.fields(kind)).with_lines(rows.fields(kind).as_deref());
    let load = FileLoad { connection, settings, saver, kind };
    let mut count = 0_u64;
    // After a bad line the others are written too, to find all that is wrong.
    while let Some(row) = rows.next_row().map_err(unreadable)? {
        if let Some(faults) = load.take(&row, &rows).map_err(|error| failed(0, &error))? {
            rows.refuse(row.line, &row.row, &faults);
        }
        count += 1;
        if count.is_multiple_of(ROWS_BETWEEN) {
            write::forget_old_changes(connection).map_err(fail)?;
        }
    }
    let mut report = rows.report();
    if report.bad > 0 {
        connection.execute_batch("ROLLBACK").map_err(fail)?;
        return Ok(Some(report));
    }
    load.remove_others(&request.stamp).map_err(fail)?;
    report.change = write::last_change(connection).map_err(fail)?;
    connection.execute_batch("COMMIT").map_err(fail)?;
    report.written = true;
    Ok(Some(report))
}

/// The state of the file with this kind of rows that was loaded last.
fn stamp(connection: &Connection, kind: Kind) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT stamp FROM loaded_files WHERE kind = ?1";
    connection.query_row(sql, [code(kind)], |row| row.get(0)).optional()
}

/// The kind's number in `changes` and in `loaded`.
fn code(kind: Kind) -> i64 {
    match kind {
        Kind::Categories => 1,
        Kind::Products => 2,
        Kind::Users => 3,
        Kind::Purchases => 4,
    }
}

struct FileLoad<'l> {
    connection: &'l Connection,
    settings: &'l Settings,
    saver: Saver,
    /// The kind of the file's rows.
    kind: Kind,
}

impl FileLoad<'_> {
    /// Writes a row if its record is new or has changed; what is wrong with it, if it may not be written.
    fn take(
        &self,
        ImportRow { row, role, .. }: &ImportRow,
        rows: &FileRows<'_>,
    ) -> rusqlite::Result<Option<Vec<Fault>>> {
        let FileLoad { connection, kind, .. } = *self;
        if *role == Role::IfAbsent {
            // A category that a product names. It stays when no product names it any more.
            let is_there = rows::is_there(connection, row.kind(), row.id())?;
            return if is_there { Ok(None) } else { self.saver.add(connection, row).map(|()| None) };
        }
        let user = row.purchase().map(|purchase| purchase.user_id.as_str());
        let part = match self.parts_so_far(row.id())? {
            Some(_) if *role == Role::Whole => {
                return Ok(Some(vec![Fault::new(kind.key(), "is in an earlier line too")]));
            }
            Some((_, first)) if first.as_deref() != user => return Ok(Some(vec![fault_of_user()])),
            Some((parts, _)) if parts >= LINES_MAX => {
                return Ok(Some(vec![Fault::new(kind.key(), format!("has more than {LINES_MAX} lines"))]));
            }
            parts => parts.map_or(0, |(parts, _)| parts) + 1,
        };
        self.see(row.id(), part, user)?;
        let digest = rows.record_digest(kind);
        let before = self.loaded(row.id(), part)?;
        if before.as_ref().is_some_and(|before| *before == digest) {
            return Ok(None);
        }
        let was_loaded = self.loaded(row.id(), 1)?.is_some();
        self.note(row.id(), part, &digest)?;
        let there = rows::number(connection, kind, row.id())?;
        if was_loaded && there.is_none() {
            // Removed in another way since it was loaded.
            return Ok(None);
        }
        let faults = dangling::faults(connection, row, there, part == 1 || before.is_some(), self.settings)?;
        if !faults.is_empty() {
            return Ok(Some(faults));
        }
        match row {
            Row::Purchase(purchase) if was_loaded => {
                if part == 1 {
                    self.saver.save_head(connection, row)?;
                }
                self.saver.save_lines(connection, purchase, part - 1)?;
            }
            row if there.is_some() => self.saver.save(connection, row)?,
            row => self.saver.add(connection, row)?,
        }
        Ok(None)
    }

    /// How many records of the row the file had so far, and the user of a purchase; none if it had none.
    fn parts_so_far(&self, id: &str) -> rusqlite::Result<Option<(usize, Option<String>)>> {
        let mut statement = self.connection.prepare_cached("SELECT parts, user_id FROM temp.seen WHERE id = ?1")?;
        let found = statement.query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).optional()?;
        Ok(found.and_then(|(parts, user)| Some((usize::try_from(parts).ok()?, user))))
    }

    fn see(&self, id: &str, parts: usize, user: Option<&str>) -> rusqlite::Result<()> {
        let sql = "INSERT INTO temp.seen VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET parts = excluded.parts";
        self.connection.prepare_cached(sql)?.execute(params![id, number(parts), user]).map(drop)
    }

    /// The digest of a record as it was loaded last.
    fn loaded(&self, id: &str, part: usize) -> rusqlite::Result<Option<Vec<u8>>> {
        let sql = "SELECT digest FROM loaded WHERE kind = ?1 AND id = ?2 AND part = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row(params![code(self.kind), id, number(part)], |row| row.get(0)).optional()
    }

    fn note(&self, id: &str, part: usize, digest: &[u8]) -> rusqlite::Result<()> {
        let sql = "INSERT INTO loaded VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (kind, id, part) DO UPDATE SET digest = excluded.digest";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params![code(self.kind), id, number(part), digest]).map(drop)
    }

    /// Removes the rows whose records are gone, and notes the state of the file.
    fn remove_others(&self, stamp: &str) -> rusqlite::Result<()> {
        let FileLoad { connection, kind, .. } = *self;
        let removals: &[&str] = match kind {
            Kind::Purchases => &[REMOVE_PURCHASES, REMOVE_LINES, FORGET],
            _ => &[REMOVE_PRODUCTS, FORGET],
        };
        for sql in removals {
            connection.execute(sql, [code(kind)])?;
        }
        let sql = "INSERT INTO loaded_files VALUES (?1, ?2) ON CONFLICT (kind) DO UPDATE SET stamp = excluded.stamp";
        connection.execute(sql, params![code(kind), stamp]).map(drop)
    }
}
