//! Imports into SQLite: one transaction with a connection of its own. Other writes wait for it, or are told that nothing
//! was written.

use std::io::BufRead;

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, TableSql};
use super::{unavailable, write};
use crate::error::{Fault, Refusal, StoreError};
use crate::import::{FileRows, ImportLine, ImportMode, ImportReport, ImportRequest};
use crate::kind::{Kind, LINES_MAX};
use crate::row::{Purchase, Row};
use crate::settings::Settings;

/// The ids in the file, and the number of lines of each purchase.
const IMPORTED: &str =
    "CREATE TEMP TABLE imported (id TEXT PRIMARY KEY NOT NULL, lines INTEGER NOT NULL) WITHOUT ROWID";

/// Imports a file.
pub(super) fn import(
    connection: &Connection,
    request: &ImportRequest,
    file: &mut dyn BufRead,
    settings: &Settings,
) -> Result<ImportReport, StoreError> {
    let fail = |error: rusqlite::Error| unavailable(&error);
    connection.execute_batch(IMPORTED).map_err(fail)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(fail)?;
    let mut rows = request.rows(file);
    write_rows(connection, request, &mut rows, settings)?;
    let mut report = rows.report.report;
    if report.bad > 0 || request.dry_run {
        connection.execute_batch("ROLLBACK").map_err(fail)?;
        return Ok(report);
    }
    if request.mode == ImportMode::Replace {
        delete_others(connection, request.kind).map_err(fail)?;
    }
    report.change = write::last_change(connection).map_err(fail)?;
    connection.execute_batch("COMMIT").map_err(fail)?;
    report.written = true;
    Ok(report)
}

/// Writes every row of the file. After a bad line the others are only checked.
fn write_rows(
    connection: &Connection,
    request: &ImportRequest,
    rows: &mut FileRows<&mut dyn BufRead>,
    settings: &Settings,
) -> Result<(), StoreError> {
    let unreadable = |error: std::io::Error| StoreError::Unavailable(format!("the file cannot be read: {error}"));
    while let Some(ImportLine { line, row }) = rows.next_row().map_err(unreadable)? {
        rows.report.report.rows += 1;
        if rows.report.report.bad > 0 {
            continue;
        }
        let fault = write_row(connection, request, &row, settings).map_err(|error| unavailable(&error))?;
        if let Some(faults) = fault {
            rows.report.bad(line, &faults, |_| row.id().to_owned());
        }
    }
    Ok(())
}

/// Writes a row; what is wrong with it, if it is not written.
fn write_row(
    connection: &Connection,
    request: &ImportRequest,
    row: &Row,
    settings: &Settings,
) -> rusqlite::Result<Option<Vec<Fault>>> {
    let lines = lines_so_far(connection, row.id())?;
    if lines.is_none() && request.mode == ImportMode::Insert && rows::is_there(connection, row.kind(), row.id())? {
        return Ok(Some(vec![Fault::new(row.kind().key(), "is there already")]));
    }
    if let Some(refusal) = write::refusal_of(connection, row, settings)? {
        return Ok(Some(match refusal {
            Refusal::Invalid(faults) => faults,
            other => vec![Fault::new("", other.to_string())],
        }));
    }
    let count = match (row, lines) {
        (Row::Purchase(purchase), Some(lines)) => {
            if lines + purchase.lines.len() > LINES_MAX {
                return Ok(Some(vec![Fault::new("purchase_id", format!("has more than {LINES_MAX} lines"))]));
            }
            rows::save_lines(connection, purchase, lines)?;
            lines + purchase.lines.len()
        }
        (row, _) => {
            rows::save(connection, row)?;
            if let Row::Purchase(Purchase { lines, .. }) = row { lines.len() } else { 0 }
        }
    };
    if request.mode != ImportMode::Upsert || row.kind() == Kind::Purchases {
        let sql = "INSERT INTO temp.imported VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET lines = excluded.lines";
        let count = i64::try_from(count).expect("lines are few");
        connection.prepare_cached(sql)?.execute(params![row.id(), count])?;
    }
    Ok(None)
}

/// The lines of a purchase that the file had before; none if it did not have the row.
fn lines_so_far(connection: &Connection, id: &str) -> rusqlite::Result<Option<usize>> {
    let mut statement = connection.prepare_cached("SELECT lines FROM temp.imported WHERE id = ?1")?;
    let lines: Option<i64> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(lines.and_then(|lines| usize::try_from(lines).ok()))
}

/// Deletes the rows that the file does not have.
fn delete_others(connection: &Connection, kind: Kind) -> rusqlite::Result<()> {
    let TableSql { table, key, .. } = TableSql::of(kind);
    let sql = format!("DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM temp.imported WHERE id = {table}.{key})");
    connection.execute(&sql, []).map(drop)
}
