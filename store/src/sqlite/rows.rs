//! Rows in SQL: reading one, a page of them, all of them, and removing.

use rusqlite::types::{FromSqlError, Value as Sql};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params_from_iter};
use serde::de::DeserializeOwned;

use crate::home::ListRequest;
use crate::kind::Kind;
use crate::row::{Category, Line, Product, Purchase, Row, Status, User};

/// A kind's table, its key, and all its columns.
pub(super) struct TableSql {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    pub(super) columns: &'static str,
}

impl TableSql {
    pub(super) fn of(kind: Kind) -> TableSql {
        let (table, key, columns) = match kind {
            Kind::Products => (
                "products",
                "product_id",
                "product_id, name, category_id, price, description, attributes, available, embedding",
            ),
            Kind::Categories => ("categories", "category_id", "category_id, name, parent_id"),
            Kind::Users => ("users", "user_id", "user_id, name, email, demographics"),
            Kind::Purchases => ("orders", "order_id", "order_id, user_id, created_at, status"),
        };
        TableSql { table, key, columns }
    }
}

/// The row with this id.
pub(super) fn load(connection: &Connection, kind: Kind, id: &str) -> rusqlite::Result<Option<Row>> {
    let TableSql { table, key, columns } = TableSql::of(kind);
    let mut statement = connection.prepare_cached(&format!("SELECT {columns} FROM {table} WHERE {key} = ?1"))?;
    let row = statement.query_row([id], |row| row_of(kind, row)).optional()?;
    row.map(|row| with_lines(connection, row)).transpose()
}

/// Whether there is a row with this id.
pub(super) fn is_there(connection: &Connection, kind: Kind, id: &str) -> rusqlite::Result<bool> {
    let TableSql { table, key, .. } = TableSql::of(kind);
    connection.prepare_cached(&format!("SELECT 1 FROM {table} WHERE {key} = ?1"))?.exists([id])
}

/// The rowid of the row with this id, if there is one.
pub(super) fn number(connection: &Connection, kind: Kind, id: &str) -> rusqlite::Result<Option<i64>> {
    let TableSql { table, key, .. } = TableSql::of(kind);
    let mut statement = connection.prepare_cached(&format!("SELECT rowid FROM {table} WHERE {key} = ?1"))?;
    statement.query_row([id], |row| row.get(0)).optional()
}

/// The rows of a page.
pub(super) fn page(connection: &Connection, request: &ListRequest) -> rusqlite::Result<Vec<Row>> {
    let TableSql { table, key, columns } = TableSql::of(request.kind);
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    let mut add = |condition: &str, value: Sql| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(after) = &request.after {
        add(&format!("{key} > ?"), after.clone().into());
    }
    let filter = &request.filter;
    if request.kind != Kind::Purchases && filter.prefix.as_ref().is_some_and(|prefix| prefix.contains('\0')) {
        // No name has this character, at which LIKE ends its pattern.
        return Ok(Vec::new());
    }
    match (request.kind, &filter.category, &filter.user) {
        (Kind::Products, Some(category), _) => add("category_id = ?", category.clone().into()),
        (Kind::Categories, Some(parent), _) => add("parent_id = ?", parent.clone().into()),
        (Kind::Purchases, _, Some(user)) => add("user_id = ?", user.clone().into()),
        _ => {}
    }
    if let (Kind::Products, Some(available)) = (request.kind, filter.available) {
        add("available = ?", i64::from(available).into());
    }
    if let Some(prefix) = filter.prefix.as_ref().filter(|_| request.kind != Kind::Purchases) {
        add("name LIKE ? ESCAPE '\\'", like(prefix).into());
    }
    values.push(i64::try_from(request.limit).unwrap_or(i64::MAX).into());
    let filter = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let sql = format!("SELECT {columns} FROM {table} {filter} ORDER BY {key} LIMIT ?{}", values.len());
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| row_of(request.kind, row))?;
    rows.map(|row| with_lines(connection, row?)).collect()
}

/// Sees every row in the order of ids, until `see` returns false.
pub(super) fn each(connection: &Connection, kind: Kind, see: &mut dyn FnMut(Row) -> bool) -> rusqlite::Result<()> {
    let TableSql { table, key, columns } = TableSql::of(kind);
    let mut statement = connection.prepare(&format!("SELECT {columns} FROM {table} ORDER BY {key}"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !see(with_lines(connection, row_of(kind, row)?)?) {
            break;
        }
    }
    Ok(())
}

/// A pattern for all texts that start with `prefix`.
fn like(prefix: &str) -> String {
    let escape =
        |character| if ['%', '_', '\\'].contains(&character) { vec!['\\', character] } else { vec![character] };
    prefix.chars().flat_map(escape).chain(['%']).collect()
}

/// Removes the row with this id.
pub(super) fn delete(connection: &Connection, kind: Kind, id: &str) -> rusqlite::Result<()> {
    let TableSql { table, key, .. } = TableSql::of(kind);
    connection.prepare_cached(&format!("DELETE FROM {table} WHERE {key} = ?1"))?.execute([id]).map(drop)
}

fn row_of(kind: Kind, row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(match kind {
        Kind::Products => Row::Product(Product {
            product_id: row.get(0)?,
            name: row.get(1)?,
            category_id: row.get(2)?,
            price: row.get(3)?,
            description: row.get(4)?,
            attributes: json_of(row, 5)?,
            available: row.get(6)?,
            embedding: json_of(row, 7)?,
        }),
        Kind::Categories => {
            Row::Category(Category { category_id: row.get(0)?, name: row.get(1)?, parent_id: row.get(2)? })
        }
        Kind::Users => Row::User(User {
            user_id: row.get(0)?,
            name: row.get(1)?,
            email: row.get(2)?,
            demographics: json_of(row, 3)?,
        }),
        Kind::Purchases => Row::Purchase(Purchase {
            purchase_id: row.get(0)?,
            user_id: row.get(1)?,
            created_at: row.get(2)?,
            status: if row.get_ref(3)?.as_str()? == Status::Cancelled.word() {
                Status::Cancelled
            } else {
                Status::Placed
            },
            lines: Vec::new(),
        }),
    })
}

fn json_of<T: DeserializeOwned>(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    let read = |text| serde_json::from_str(text).map_err(|error| FromSqlError::Other(error.into()).into());
    text.map(read).transpose()
}

fn with_lines(connection: &Connection, row: Row) -> rusqlite::Result<Row> {
    let Row::Purchase(mut purchase) = row else { return Ok(row) };
    let sql = "SELECT product_id, quantity, price, returned FROM order_items WHERE order_id = ?1 ORDER BY line";
    let mut statement = connection.prepare_cached(sql)?;
    let lines = statement.query_map([&purchase.purchase_id], |row| {
        Ok(Line { product_id: row.get(0)?, quantity: row.get(1)?, price: row.get(2)?, returned: row.get(3)? })
    })?;
    purchase.lines = lines.collect::<rusqlite::Result<_>>()?;
    Ok(Row::Purchase(purchase))
}
