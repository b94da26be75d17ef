//! Imports into SQLite: one transaction with a connection of its own. Other writes wait for it, or are told that nothing
//! was written.

use std::io::BufRead;
use std::sync::mpsc::Sender;

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, TableSql};
use super::saver::Saver;
use super::write::SqliteTables;
use super::{dangling, failed, unavailable, write};
use crate::error::{Fault, Refusal, StoreError};
use crate::import::{
    FileRows, ImportMode, ImportReport, ImportRequest, ImportRow, RefusedRow, Role, fault_of_user, unreadable,
    write_behind,
};
use crate::kind::{Kind, LINES_MAX};
use crate::row::{Purchase, Row};
use crate::settings::Settings;
use crate::write::refusal_of;

/// Room for pages that have changed, and the rows of the file by their rowid, with the number of lines of each purchase. New rows
/// have rising numbers, so that they are added at the end of the table whatever their ids are.
const PREPARE: &str = "
PRAGMA main.cache_size = -131072;
PRAGMA temp.cache_size = -16384;
CREATE TEMP TABLE imported (
    kind   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    lines  INTEGER NOT NULL,
    line   INTEGER NOT NULL,
    PRIMARY KEY (kind, number)
) WITHOUT ROWID";

/// Rows between two looks at the length of the log of changes.
pub(super) const ROWS_BETWEEN: u64 = 10_000;

/// The most rows that are handed over to the thread that writes, and the bytes of their records.
const PAGE_ROWS: usize = 1000;
const PAGE_BYTES: usize = 1 << 20;

/// Imports a file.
pub(super) fn import(
    connection: &mut Connection,
    request: &ImportRequest,
    file: &mut dyn BufRead,
    settings: &Settings,
) -> Result<ImportReport, StoreError> {
    let fail = |error: rusqlite::Error| unavailable(&error);
    let mut rows = request.rows(file, settings).map_err(unreadable)?;
    connection.execute_batch(PREPARE).map_err(fail)?;
    connection.execute_batch(dangling::PREPARE).map_err(fail)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(fail)?;
    let saver = Saver::new(|kind| rows.fields(kind));
    let mut import = Import { connection, request, settings, saver, count: 0 };
    write_behind(&mut rows, read_pages, |page, refuse| import.write_page(page, refuse))?;
    if request.mode == ImportMode::Replace {
        import.delete_others(&mut rows).map_err(fail)?;
    }
    import.check_parents(&mut rows).map_err(fail)?;
    let connection = import.connection;
    let mut report = rows.report();
    if report.bad > 0 || request.dry_run {
        connection.execute_batch("ROLLBACK").map_err(fail)?;
        return Ok(report);
    }
    report.change = write::last_change(connection).map_err(fail)?;
    connection.execute_batch("COMMIT").map_err(fail)?;
    report.written = true;
    Ok(report)
}

/// Gathers the rows of a file in pages. `take` takes them, or says that no more can be written.
fn read_pages<'f>(
    rows: &mut FileRows<'f>,
    take: &mut dyn FnMut(Vec<ImportRow>, &mut FileRows<'f>) -> bool,
) -> Result<(), StoreError> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next_row().map_err(unreadable)? {
        page.push(row);
        bytes += rows.record_bytes();
        if page.len() >= PAGE_ROWS || bytes >= PAGE_BYTES {
            if !take(std::mem::take(&mut page), rows) {
                return Ok(());
            }
            bytes = 0;
        }
    }
    take(page, rows);
    Ok(())
}

struct Import<'i> {
    connection: &'i mut Connection,
    request: &'i ImportRequest,
    settings: &'i Settings,
    saver: Saver,
    /// The rows so far.
    count: u64,
}

impl Import<'_> {
    /// Writes rows, and refuses those that are wrong. After a bad row the others are written too, to find all that is wrong.
    fn write_page(&mut self, page: Vec<ImportRow>, refuse: &Sender<RefusedRow>) -> Result<(), StoreError> {
        for row in page {
            if let Some(faults) = self.write(&row).map_err(|error| failed(0, &error))? {
                // The reader is there until all rows are written.
                let _ = refuse.send(RefusedRow { line: row.line, row: row.row, faults });
            }
            self.count += 1;
            if self.count.is_multiple_of(ROWS_BETWEEN) {
                write::forget_old_changes(self.connection).map_err(|error| unavailable(&error))?;
            }
        }
        Ok(())
    }

    /// Writes a row; what is wrong with it, if it is not written.
    fn write(&self, ImportRow { line, row, role }: &ImportRow) -> rusqlite::Result<Option<Vec<Fault>>> {
        let (connection, kind, mode) = (&*self.connection, row.kind(), self.request.mode);
        let there = rows::number(connection, kind, row.id())?;
        if *role == Role::IfAbsent {
            if there.is_some() {
                return Ok(None);
            }
            if let Some(category) = row.category() {
                self.write(&ImportRow { line: *line, row: category, role: Role::IfAbsent })?;
            }
        }
        let (lines, user) = match there {
            Some(there) if *role == Role::Part => self.lines_so_far(there)?.unzip(),
            _ => (None, None),
        };
        if user.is_some_and(|user| row.purchase().is_some_and(|purchase| purchase.user_id != user)) {
            return Ok(Some(vec![fault_of_user()]));
        }
        if lines.is_none() && *role != Role::IfAbsent && mode == ImportMode::Insert && there.is_some() {
            return Ok(Some(vec![Fault::new(kind.key(), "is there already")]));
        }
        // The parent of a category may follow it: see `check_parents`.
        let faults = dangling::faults(connection, row, there, lines.is_none(), self.settings)?;
        if !faults.is_empty() {
            return Ok(Some(faults));
        }
        let mut count = 0;
        match (row, lines) {
            (Row::Purchase(purchase), Some(lines)) => {
                count = lines + purchase.lines.len();
                if count > LINES_MAX {
                    return Ok(Some(vec![Fault::new("purchase_id", format!("has more than {LINES_MAX} lines"))]));
                }
                self.saver.add_lines(connection, purchase, lines)?;
            }
            (row, _) => {
                match there {
                    Some(_) => self.saver.save(connection, row)?,
                    None => self.saver.add(connection, row)?,
                }
                if let Row::Purchase(Purchase { lines, .. }) = row {
                    count = lines.len();
                }
            }
        }
        if *role == Role::Part || mode == ImportMode::Replace || kind == Kind::Categories {
            let sql = match there {
                Some(_) => {
                    "INSERT INTO temp.imported VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (kind, number) DO UPDATE SET lines = excluded.lines, line = excluded.line"
                }
                // Without a journal of the statement: see `Saver`.
                None => "INSERT OR FAIL INTO temp.imported VALUES (?1, ?2, ?3, ?4)",
            };
            // The lines of a purchase have no rowid, and triggers do not change what this returns.
            let there = there.unwrap_or_else(|| connection.last_insert_rowid());
            connection.prepare_cached(sql)?.execute(params![kind as i64, there, number(count), number(*line)])?;
        }
        Ok(None)
    }

    /// The lines that the file had before of the purchase with this rowid, and its user; none if it did not have the purchase.
    fn lines_so_far(&self, purchase: i64) -> rusqlite::Result<Option<(usize, String)>> {
        let sql = "SELECT lines, user_id FROM temp.imported JOIN orders ON orders.rowid = number \
                   WHERE kind = ?1 AND number = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
        let found = statement.query_row(params![Kind::Purchases as i64, purchase], read).optional()?;
        Ok(found.and_then(|(lines, user)| Some((usize::try_from(lines).ok()?, user))))
    }

    /// Checks the parents of the categories in the file, when all of them are written and no others are left.
    fn check_parents(&self, rows: &mut FileRows<'_>) -> rusqlite::Result<()> {
        let sql = "SELECT category_id, line, number FROM temp.imported JOIN categories ON categories.rowid = number \
                   WHERE kind = ?1 ORDER BY line";
        let mut statement = self.connection.prepare(sql)?;
        let mut found = statement.query([Kind::Categories as i64])?;
        while let Some(row) = found.next()? {
            let (id, line): (String, i64) = (row.get(0)?, row.get(1)?);
            let place = (Kind::Categories, row.get(2)?);
            let Some(category) = rows::load(self.connection, Kind::Categories, &id)? else { continue };
            let mut tables = SqliteTables(&*self.connection);
            let refusal = refusal_of(&mut tables, &category, self.settings, |tables, kind, id| {
                Ok(rows::is_there(tables.0, kind, id)? || dangling::was_named(tables.0, place, kind, id)?)
            })?;
            if let Some(refusal) = refusal {
                rows.refuse(u64::try_from(line).unwrap_or_default(), &category, &faults_of(refusal));
            }
        }
        Ok(())
    }

    /// Deletes the rows that the file does not have. A category that others need is a fault.
    fn delete_others(&self, rows: &mut FileRows<'_>) -> rusqlite::Result<()> {
        for kind in self.request.content.kinds().iter().rev() {
            let table = TableSql::of(*kind).table;
            let absent = format!(
                "NOT EXISTS (SELECT 1 FROM temp.imported WHERE kind = {} AND number = {table}.rowid)",
                *kind as i64
            );
            if *kind == Kind::Categories {
                self.refuse_needed(&absent, rows)?;
            }
            self.connection.execute(&format!("DELETE FROM {table} WHERE {absent}"), [])?;
        }
        Ok(())
    }

    fn refuse_needed(&self, absent: &str, rows: &mut FileRows<'_>) -> rusqlite::Result<()> {
        let sql = format!(
            "SELECT category_id FROM categories WHERE {absent} AND (\
             EXISTS (SELECT 1 FROM products WHERE products.category_id = categories.category_id) OR \
             EXISTS (SELECT 1 FROM categories AS child JOIN temp.imported ON kind = {} AND number = child.rowid \
             WHERE child.parent_id = categories.category_id))",
            Kind::Categories as i64,
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let fault = Fault::new("category_id", "is not in the file, and has subcategories or products");
            rows.refuse_id(0, &row.get::<_, String>(0)?, &[fault]);
        }
        Ok(())
    }
}

fn faults_of(refusal: Refusal) -> Vec<Fault> {
    match refusal {
        Refusal::Invalid(faults) => faults,
        other => vec![Fault::new("", other.to_string())],
    }
}

/// A number for SQL.
pub(super) fn number(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::bounds::Bounds;
    use crate::home::Store as _;
    use crate::import::{FileContent, FileFormat};
    use crate::sqlite::SqliteStore;

    #[test]
    fn a_record_that_gives_a_purchase_another_user_is_a_bad_line() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { path: dir.path().join("store.db"), ..Settings::default() };
        let store = SqliteStore::open(settings).unwrap();
        let head = "purchase_id,user_id,product_id,created_at\nPc1,Bob,l1,2026-11-01\n";
        for content in [FileContent::Rows(Kind::Purchases), FileContent::Shop] {
            let request = ImportRequest {
                content,
                mode: ImportMode::Upsert,
                format: FileFormat::Csv,
                map: Vec::new(),
                dry_run: false,
                bounds: Bounds { price_digits: 2, now: 1_795_000_000_000 },
            };
            let import = |text: &str| store.import(&request, &mut Cursor::new(text.to_owned())).unwrap();
            let report = import(&format!("{head}Pc1,Ann,l2,2026-11-02\nPc1,Bob,l3,2026-11-01\n"));
            assert_eq!((report.written, report.bad, report.bad_lines[0].line), (false, 1, 3), "{report:?}");
            assert!(report.bad_lines[0].reason.contains("another user"), "{report:?}");
            assert!(import(head).written && import(&head.replace("Bob", "Ann")).written, "of another file");
        }
    }
}
