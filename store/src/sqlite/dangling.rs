//! Dangling references: what rows in the store referred to before an import, and is not in the store. A file may repeat such a
//! reference, also after one of its records has replaced the row.

use rusqlite::{Connection, params};

use super::rows::{self, TableSql};
use crate::error::Fault;
use crate::kind::Kind;
use crate::row::Row;
use crate::settings::{Settings, UnknownIds};
use crate::write::unknown_references;

/// Room for the references, each with the rowid of its row.
pub(super) const PREPARE: &str = "
CREATE TEMP TABLE dangling (
    kind       INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    named_kind INTEGER NOT NULL,
    named      TEXT NOT NULL,
    PRIMARY KEY (kind, number, named_kind, named)
) WITHOUT ROWID";

/// The faults of a row that refers to rows that are not there, if that is refused. `there` is the rowid of the row in the store
/// with its id. `replaces`: the caller is about to replace references of that row.
pub(super) fn faults(
    connection: &Connection,
    row: &Row,
    there: Option<i64>,
    replaces: bool,
    settings: &Settings,
) -> rusqlite::Result<Vec<Fault>> {
    if settings.unknown_ids == UnknownIds::Take {
        return Ok(Vec::new());
    }
    let kind = row.kind();
    if let Some(number) = there.filter(|_| replaces) {
        keep(connection, kind, number)?;
    }
    if kind == Kind::Categories {
        // The parent of a category may follow it in the file.
        return Ok(Vec::new());
    }
    unknown_references(row, |named_kind, named| is_known(connection, (kind, there), named_kind, named))
}

/// Whether a row of this kind, with the rowid of the row in the store, may refer to this row: it is there, or the reference was.
/// What the row in the store refers to has been checked.
fn is_known(
    connection: &Connection,
    (kind, there): (Kind, Option<i64>),
    named_kind: Kind,
    named: &str,
) -> rusqlite::Result<bool> {
    if rows::is_there(connection, named_kind, named)? {
        return Ok(true);
    }
    let Some(number) = there else { return Ok(false) };
    keep(connection, kind, number)?;
    was_named(connection, (kind, number), named_kind, named)
}

/// Whether the row of this kind with this rowid had this dangling reference before the import.
pub(super) fn was_named(
    connection: &Connection,
    (kind, number): (Kind, i64),
    named_kind: Kind,
    named: &str,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM temp.dangling WHERE kind = ?1 AND number = ?2 AND named_kind = ?3 AND named = ?4";
    connection.prepare_cached(sql)?.exists(params![kind as i64, number, named_kind as i64, named])
}

/// Remembers the dangling references of the row in the store.
fn keep(connection: &Connection, kind: Kind, number: i64) -> rusqlite::Result<()> {
    for (named_kind, references) in references(kind) {
        let TableSql { table, key, .. } = TableSql::of(*named_kind);
        let sql = format!(
            "INSERT OR IGNORE INTO temp.dangling SELECT ?1, ?2, ?3, named FROM ({references}) \
             WHERE named IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {table} WHERE {key} = named)"
        );
        connection.prepare_cached(&sql)?.execute(params![kind as i64, number, *named_kind as i64])?;
    }
    Ok(())
}

/// The queries for what a row of this kind refers to, each with the kind of those rows.
fn references(kind: Kind) -> &'static [(Kind, &'static str)] {
    match kind {
        Kind::Products => &[(Kind::Categories, "SELECT category_id AS named FROM products WHERE rowid = ?2")],
        Kind::Categories => &[(Kind::Categories, "SELECT parent_id AS named FROM categories WHERE rowid = ?2")],
        Kind::Users => &[],
        Kind::Purchases => &[
            (Kind::Users, "SELECT user_id AS named FROM orders WHERE rowid = ?2"),
            (
                Kind::Products,
                "SELECT product_id AS named FROM orders JOIN order_items USING (order_id) WHERE orders.rowid = ?2",
            ),
        ],
    }
}
