//! Saving rows: the statements that add a row or change the one that is there. An equal row is no change.

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

static WHOLE: LazyLock<Saver> = LazyLock::new(|| Saver::new(|_| None));

/// The statements that save a row of each kind.
pub(super) struct Saver {
    rows: [String; Kind::ALL.len()],
    lines: String,
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
        Saver { rows: Kind::ALL.map(statement), lines: upsert(&LINES, &["order_id", "line"], None) }
    }

    /// Adds the row, or changes the one with its id. The lines of a purchase replace those before.
    pub(super) fn save(&self, connection: &Connection, row: &Row) -> rusqlite::Result<()> {
        let sql = match row {
            Row::Product(_) => &self.rows[Kind::Products as usize],
            Row::Category(_) => &self.rows[Kind::Categories as usize],
            Row::User(_) => &self.rows[Kind::Users as usize],
            Row::Purchase(_) => &self.rows[Kind::Purchases as usize],
        };
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
        let Row::Purchase(purchase) = row else { return Ok(()) };
        let mut cut = connection.prepare_cached("DELETE FROM order_items WHERE order_id = ?1 AND line > ?2")?;
        cut.execute(params![purchase.purchase_id, count(purchase.lines.len())])?;
        self.save_lines(connection, purchase, 0)
    }

    /// Saves the lines of a purchase behind its first `before` lines.
    pub(super) fn save_lines(
        &self,
        connection: &Connection,
        purchase: &Purchase,
        before: usize,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&self.lines)?;
        for (at, line) in purchase.lines.iter().enumerate() {
            let number = count(before + at + 1);
            let values =
                params![purchase.purchase_id, number, line.product_id, line.quantity, line.price, line.returned];
            statement.execute(values)?;
        }
        Ok(())
    }
}

/// A statement that adds a row, or changes these fields of the one that is there, all of them if there is no list.
fn upsert(sql: &TableSql, key: &[&str], fields: Option<&[&str]>) -> String {
    let TableSql { table, columns, .. } = sql;
    let all: Vec<&str> = columns.split(", ").collect();
    let places: Vec<String> = (1..=all.len()).map(|number| format!("?{number}")).collect();
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
    let (places, key) = (places.join(", "), key.join(", "));
    format!("INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({key}) DO {change}")
}

fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("rows are plain data")
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("lines are few")
}
