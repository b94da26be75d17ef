//! Rows in SQL: reading one, and a page of them.

use chrono::{DateTime, Utc};
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{FromSql, ToSql, Type};
use postgres::{Client, GenericClient, Row as SqlRow};
use serde::de::DeserializeOwned;

use super::reason::PgError;
use crate::home::ListRequest;
use crate::kind::Kind;
use crate::row::{Category, Line, Product, Purchase, Row, Status, User};

/// A character that no text in the database holds.
const NO_TEXT: char = '\0';

/// A parameter of a statement.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The queries of each kind of rows.
pub(super) struct ShopSql([KindSql; 4]);

/// The table of a kind, called `t` in its expressions.
struct KindSql {
    table: &'static str,
    key: &'static str,
    /// What is read, in the order of `row_of`.
    select: &'static str,
}

impl ShopSql {
    /// The tables that Vitrine has made.
    pub(super) fn made() -> ShopSql {
        ShopSql(Kind::ALL.map(|kind| match kind {
            Kind::Products => KindSql {
                table: "products",
                key: "product_id",
                select: "product_id, name, category_id, price::text, description, attributes::text, available, embedding",
            },
            Kind::Categories => {
                KindSql { table: "categories", key: "category_id", select: "category_id, name, parent_id" }
            }
            Kind::Users => KindSql { table: "users", key: "user_id", select: "user_id, name, email, demographics::text" },
            Kind::Purchases => KindSql {
                table: "orders",
                key: "order_id",
                select: "order_id, user_id, created_at, status,
                         ARRAY(SELECT product_id FROM order_items l WHERE l.order_id = t.order_id ORDER BY line),
                         ARRAY(SELECT quantity FROM order_items l WHERE l.order_id = t.order_id ORDER BY line),
                         ARRAY(SELECT price::text FROM order_items l WHERE l.order_id = t.order_id ORDER BY line),
                         ARRAY(SELECT returned FROM order_items l WHERE l.order_id = t.order_id ORDER BY line)",
            },
        }))
    }

    fn of(&self, kind: Kind) -> &KindSql {
        let ShopSql([products, categories, users, purchases]) = self;
        match kind {
            Kind::Products => products,
            Kind::Categories => categories,
            Kind::Users => users,
            Kind::Purchases => purchases,
        }
    }

    /// The row with this id. `locked`: nobody else changes it until the transaction ends.
    pub(super) fn load(
        &self,
        client: &mut impl GenericClient,
        kind: Kind,
        id: &str,
        locked: bool,
    ) -> Result<Option<Row>, PgError> {
        if id.contains(NO_TEXT) {
            return Ok(None);
        }
        let KindSql { table, key, select } = self.of(kind);
        let lock = if locked { "FOR UPDATE" } else { "" };
        let sql = format!("SELECT {select} FROM {table} t WHERE {key} = $1 {lock}");
        client.query_typed_opt(&sql, &[(&id, Type::TEXT)])?.map(|row| row_of(kind, &row)).transpose()
    }

    /// Whether there is a row with this id. Nobody else removes it until the transaction ends.
    pub(super) fn is_there(&self, client: &mut impl GenericClient, kind: Kind, id: &str) -> Result<bool, PgError> {
        if id.contains(NO_TEXT) {
            return Ok(false);
        }
        let KindSql { table, key, .. } = self.of(kind);
        let sql = format!("SELECT FROM {table} WHERE {key} = $1 FOR KEY SHARE");
        Ok(client.query_typed_opt(&sql, &[(&id, Type::TEXT)])?.is_some())
    }

    /// Removes the row with this id.
    pub(super) fn delete(&self, client: &mut impl GenericClient, kind: Kind, id: &str) -> Result<(), PgError> {
        let KindSql { table, key, .. } = self.of(kind);
        client.execute_typed(&format!("DELETE FROM {table} WHERE {key} = $1"), &[(&id, Type::TEXT)])?;
        Ok(())
    }

    /// A query for those of the ids of a list that are there. It reads the index of the key once for each id, whatever the
    /// statistics say: for a join, or `= ANY ($1)`, the server may read a whole index; for `=`, one whose second column is the
    /// key. Only the index of the key has the order, if `enable_sort` is off.
    pub(super) fn present(&self, kind: Kind) -> String {
        let KindSql { table, key, .. } = self.of(kind);
        format!(
            "SELECT found.{key} FROM unnest($1) AS asked (asked_id)
             CROSS JOIN LATERAL (SELECT {key} FROM {table} WHERE {key} >= asked_id AND {key} <= asked_id
                                 ORDER BY {key} LIMIT 1) AS found"
        )
    }

    /// A statement that deletes the rows that an import has not seen. With `OFFSET 0` it is no join, so that the server finds
    /// each row of the file by its id.
    pub(super) fn delete_others(&self, kind: Kind) -> String {
        let KindSql { table, key, .. } = self.of(kind);
        format!(
            "DELETE FROM {table} AS t
             WHERE NOT EXISTS (SELECT FROM imported WHERE kind = $1 AND id = t.{key} OFFSET 0)"
        )
    }

    /// Sees every row in the order of ids, until `see` returns false.
    pub(super) fn each(
        &self,
        client: &mut Client,
        kind: Kind,
        see: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), PgError> {
        let KindSql { table, key, select } = self.of(kind);
        let none: [(&str, Type); 0] = [];
        let mut rows = client.query_typed_raw(&format!("SELECT {select} FROM {table} t ORDER BY {key}"), none)?;
        while let Some(row) = rows.next()? {
            if !see(row_of(kind, &row)?) {
                break;
            }
        }
        Ok(())
    }

    /// The rows of a page.
    pub(super) fn page(&self, client: &mut impl GenericClient, request: &ListRequest) -> Result<Vec<Row>, PgError> {
        let (kind, filter) = (request.kind, &request.filter);
        let KindSql { table, key, select } = self.of(kind);
        let prefix = filter.prefix.as_ref().filter(|_| kind != Kind::Purchases).map(|prefix| like(prefix));
        let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
        let chosen = [&filter.category, &filter.user, &filter.prefix].into_iter().flatten();
        if chosen.into_iter().any(|text| text.contains(NO_TEXT)) {
            return Ok(Vec::new());
        }
        // No id holds the character, so the ids after a text with it are those after its beginning.
        let after = request.after.as_deref().map(|after| after.split(NO_TEXT).next().unwrap_or_default());
        let mut given: Vec<(String, Parameter<'_>)> = Vec::new();
        if let Some(after) = &after {
            given.push((format!("{key} > ?"), (after, Type::TEXT)));
        }
        match (kind, &filter.category, &filter.user) {
            (Kind::Products, Some(category), _) => given.push(("category_id = ?".into(), (category, Type::TEXT))),
            (Kind::Categories, Some(parent), _) => given.push(("parent_id = ?".into(), (parent, Type::TEXT))),
            (Kind::Purchases, _, Some(user)) => given.push(("user_id = ?".into(), (user, Type::TEXT))),
            _ => {}
        }
        if let (Kind::Products, Some(available)) = (kind, &filter.available) {
            given.push(("available = ?".into(), (available, Type::BOOL)));
        }
        if let Some(prefix) = &prefix {
            given.push(("name ILIKE ? ESCAPE '\\'".into(), (prefix, Type::TEXT)));
        }
        let mut conditions = vec!["true".to_owned()];
        let mut values: Vec<Parameter<'_>> = vec![(&limit, Type::INT8)];
        for (condition, value) in given {
            values.push(value);
            conditions.push(condition.replace('?', &format!("${}", values.len())));
        }
        let sql = format!("SELECT {select} FROM {table} t WHERE {} ORDER BY {key} LIMIT $1", conditions.join(" AND "));
        client.query_typed(&sql, &values)?.iter().map(|row| row_of(kind, row)).collect()
    }
}

/// A pattern for all texts that start with `prefix`.
fn like(prefix: &str) -> String {
    let escape =
        |character| if ['%', '_', '\\'].contains(&character) { vec!['\\', character] } else { vec![character] };
    prefix.chars().flat_map(escape).chain(['%']).collect()
}

fn row_of(kind: Kind, row: &SqlRow) -> Result<Row, PgError> {
    Ok(match kind {
        Kind::Products => Row::Product(Product {
            product_id: get(row, 0)?,
            name: get(row, 1)?,
            category_id: get(row, 2)?,
            price: get(row, 3)?,
            description: get(row, 4)?,
            attributes: json(row, 5, "attributes")?,
            available: get(row, 6)?,
            embedding: get(row, 7)?,
        }),
        Kind::Categories => {
            Row::Category(Category { category_id: get(row, 0)?, name: get(row, 1)?, parent_id: get(row, 2)? })
        }
        Kind::Users => Row::User(User {
            user_id: get(row, 0)?,
            name: get(row, 1)?,
            email: get(row, 2)?,
            demographics: json(row, 3, "demographics")?,
        }),
        Kind::Purchases => {
            let created_at: DateTime<Utc> = get(row, 2)?;
            let is_cancelled = get::<String>(row, 3)? == Status::Cancelled.word();
            Row::Purchase(Purchase {
                purchase_id: get(row, 0)?,
                user_id: get(row, 1)?,
                created_at: created_at.timestamp_millis(),
                status: if is_cancelled { Status::Cancelled } else { Status::Placed },
                lines: lines(row)?,
            })
        }
    })
}

/// The lines of a purchase, from four lists of equal length.
fn lines(row: &SqlRow) -> Result<Vec<Line>, PgError> {
    let (products, quantities): (Vec<String>, Vec<i64>) = (get(row, 4)?, get(row, 5)?);
    let (prices, returned): (Vec<Option<String>>, Vec<bool>) = (get(row, 6)?, get(row, 7)?);
    let lines = products.into_iter().zip(quantities).zip(prices.into_iter().zip(returned));
    let line = |((product_id, quantity), (price, returned))| Line { product_id, quantity, price, returned };
    Ok(lines.map(line).collect())
}

fn get<'r, T: FromSql<'r>>(row: &'r SqlRow, column: usize) -> Result<T, PgError> {
    Ok(row.try_get(column)?)
}

fn json<T: DeserializeOwned>(row: &SqlRow, column: usize, name: &'static str) -> Result<Option<T>, PgError> {
    let text: Option<&str> = get(row, column)?;
    text.map(|text| serde_json::from_str(text).map_err(|_| PgError::Value(name))).transpose()
}
