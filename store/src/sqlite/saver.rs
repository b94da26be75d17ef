//! Saving rows: the statements that add a row or change the one that is there. An equal row is no change.
//!
//! A row that is known to be new is added with `OR FAIL`. With any other rule SQLite copies each page that the row and its
//! triggers change into a journal of the statement, which takes a third of the time of an import.

use std::sync::LazyLock;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::rows::TableSql;
use crate::kind::Kind;
use crate::row::{Purchase, Row};

/// The lines of purchases.
const LINES: TableSql = TableSql {
    table: "order_items",
    key: "order_id",
    columns: "order_id, line, product_id, quantity, price, returned",
};

/// The key of a line.
const LINES_KEY: [&str; 2] = ["order_id", "line"];

static WHOLE: LazyLock<Saver> = LazyLock::new(|| Saver::new(|_| None));

/// The statements that save a row of each kind.
pub(super) struct Saver {
    rows: [String; Kind::ALL.len()],
    new_rows: [String; Kind::ALL.len()],
    lines: String,
    new_lines: String,
}

impl Saver {
    /// Saves all fields of a row.
    pub(super) fn whole() -> &'static Saver {
        &WHOLE
    }

    /// Of a row that is there already, changes only the fields that `fields` gives for its kind, if it gives any.
    pub(super) fn new(fields: impl Fn(Kind) -> Option<Vec<&'static str>>) -> Saver {
        let statement = |kind: Kind| {
            let sql = TableSql::of(kind);
            upsert(&sql, &[sql.key], fields(kind).as_deref())
        };
        Saver {
            rows: Kind::ALL.map(statement),
            new_rows: Kind::ALL.map(|kind| insert("INSERT OR FAIL", &TableSql::of(kind))),
            lines: upsert(&LINES, &LINES_KEY, None),
            new_lines: insert("INSERT OR FAIL", &LINES),
        }
    }

    /// Of a line that is there already, changes only these fields, if there is a list.
    pub(super) fn with_lines(self, fields: Option<&[&str]>) -> Saver {
        Saver { lines: upsert(&LINES, &LINES_KEY, fields), ..self }
    }

    /// Adds the row, or changes the one with its id. The lines of a purchase replace those before.
    pub(super) fn save(&self, connection: &Connection, row: &Row) -> rusqlite::Result<()> {
        self.save_head(connection, row)?;
        let Row::Purchase(purchase) = row else { return Ok(()) };
        cut_lines(connection, &purchase.purchase_id, purchase.lines.len())?;
        self.save_lines(connection, purchase, 0)
    }

    /// The same without the lines of a purchase.
    pub(super) fn save_head(&self, connection: &Connection, row: &Row) -> rusqlite::Result<()> {
        put(connection, &self.rows[row.kind() as usize], row)
    }

    /// Saves the lines of a purchase behind its first `before` lines.
    pub(super) fn save_lines(
        &self,
        connection: &Connection,
        purchase: &Purchase,
        before: usize,
    ) -> rusqlite::Result<()> {
        put_lines(connection, &self.lines, purchase, before)
    }

    /// Adds a row whose id is not there yet. After an error the transaction must be given up, because a part of the row may
    /// be written.
    pub(super) fn add(&self, connection: &Connection, row: &Row) -> rusqlite::Result<()> {
        put(connection, &self.new_rows[row.kind() as usize], row)?;
        let Row::Purchase(purchase) = row else { return Ok(()) };
        // Other tools may have written lines without a purchase. To look for them takes less time than to remove none.
        if connection
            .prepare_cached("SELECT 1 FROM order_items WHERE order_id = ?1")?
            .exists([&purchase.purchase_id])?
        {
            cut_lines(connection, &purchase.purchase_id, 0)?;
        }
        self.add_lines(connection, purchase, 0)
    }

    /// Adds the lines of a purchase behind its first `before` lines, which are all that it has. After an error the transaction
    /// must be given up.
    pub(super) fn add_lines(
        &self,
        connection: &Connection,
        purchase: &Purchase,
        before: usize,
    ) -> rusqlite::Result<()> {
        put_lines(connection, &self.new_lines, purchase, before)
    }
}

/// Executes a statement with all values of a row.
fn put(connection: &Connection, sql: &str, row: &Row) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    match row {
        Row::Product(row) => statement.execute(params![
            row.product_id,
            row.name,
            row.category_id,
            row.price,
            row.description,
            row.attributes.as_ref().map(text_of),
            row.available,
            row.embedding.as_ref().map(text_of),
        ])?,
        Row::Category(row) => statement.execute(params![row.category_id, row.name, row.parent_id])?,
        Row::User(row) => {
            let demographics = row.demographics.as_ref().map(text_of);
            statement.execute(params![row.user_id, row.name, row.email, demographics])?
        }
        Row::Purchase(row) => {
            statement.execute(params![row.purchase_id, row.user_id, row.created_at, row.status.word()])?
        }
    };
    Ok(())
}

/// Removes the lines of a purchase behind its first `kept` lines.
fn cut_lines(connection: &Connection, purchase: &str, kept: usize) -> rusqlite::Result<()> {
    let mut cut = connection.prepare_cached("DELETE FROM order_items WHERE order_id = ?1 AND line > ?2")?;
    cut.execute(params![purchase, count(kept)]).map(drop)
}

/// Executes a statement with each line of a purchase, which has `before` lines already.
fn put_lines(connection: &Connection, sql: &str, purchase: &Purchase, before: usize) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    for (at, line) in purchase.lines.iter().enumerate() {
        let number = count(before + at + 1);
        statement.execute(params![
            purchase.purchase_id,
            number,
            line.product_id,
            line.quantity,
            line.price,
            line.returned
        ])?;
    }
    Ok(())
}

/// A statement that adds a row, or changes these fields of the one that is there, all of them if there is no list.
fn upsert(sql: &TableSql, key: &[&str], fields: Option<&[&str]>) -> String {
    let TableSql { table, columns, .. } = sql;
    let all: Vec<&str> = columns.split(", ").collect();
    let is_given = |column: &str| fields.is_none_or(|fields| fields.contains(&column));
    let others: Vec<&str> = all.into_iter().filter(|column| !key.contains(column) && is_given(column)).collect();
    let each =
        |form: fn(&str, &str) -> String| others.iter().map(|column| form(column, table)).collect::<Vec<_>>().join(", ");
    let change = if others.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!(
            "UPDATE SET {} WHERE ({}) IS NOT ({})",
            each(|column, _| format!("{column} = excluded.{column}")),
            each(|column, table| format!("{table}.{column}")),
            each(|column, _| format!("excluded.{column}")),
        )
    };
    format!("{} ON CONFLICT ({}) DO {change}", insert("INSERT", sql), key.join(", "))
}

/// A statement that adds a row.
fn insert(verb: &str, TableSql { table, columns, .. }: &TableSql) -> String {
    let places: Vec<String> = (1..=columns.split(", ").count()).map(|number| format!("?{number}")).collect();
    format!("{verb} INTO {table} ({columns}) VALUES ({})", places.join(", "))
}

fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("rows are plain data")
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("lines are few")
}
