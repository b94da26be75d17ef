//! Rows in SQL: adding and replacing any number of rows of one kind with one statement.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use postgres::GenericClient;
use postgres::types::Type;
use serde::Serialize;

use super::reason::PgError;
use super::rows::Parameter;
use crate::Millis;
use crate::kind::Kind;
use crate::row::{Category, Product, Purchase, Row, User};

/// The columns of a kind's table, the key first, each with the type of the array that carries its values, the type of the
/// column, and how two values are compared. As text, equal JSON, amounts and vectors are equal digit by digit.
pub(super) type Columns = &'static [(&'static str, &'static str, &'static str)];

const PRODUCT: Columns = &[
    ("product_id", "text", ""),
    ("name", "text", ""),
    ("category_id", "text", ""),
    ("price", "numeric", "::text"),
    ("description", "text", ""),
    ("attributes", "json", "::text"),
    ("available", "bool", ""),
    ("embedding", "real[]", "::text"),
];
const CATEGORY: Columns = &[("category_id", "text", ""), ("name", "text", ""), ("parent_id", "text", "")];
const USER: Columns =
    &[("user_id", "text", ""), ("name", "text", ""), ("email", "text", ""), ("demographics", "json", "::text")];
const ORDER: Columns =
    &[("order_id", "text", ""), ("user_id", "text", ""), ("created_at", "timestamptz", ""), ("status", "text", "")];

/// The table of a kind's rows, and its columns. The lines of purchases have a table of their own.
pub(super) fn table(kind: Kind) -> (&'static str, Columns) {
    match kind {
        Kind::Products => ("products", PRODUCT),
        Kind::Categories => ("categories", CATEGORY),
        Kind::Users => ("users", USER),
        Kind::Purchases => ("orders", ORDER),
    }
}

/// What is done with a row that is there already.
#[derive(Clone, Copy)]
pub(super) enum Present<'f> {
    /// It is an error: the caller has found that it is not there.
    Fails,
    /// It stays.
    Stays,
    /// The fields change, all of them or these. An equal row is no change.
    Changes(Option<&'f [&'static str]>),
}

/// Adds rows of one kind, all with different ids. Lines of purchases are saved on their own.
pub(super) fn save(client: &mut impl GenericClient, rows: &[&Row], present: Present<'_>) -> Result<(), PgError> {
    let Some(first) = rows.first() else { return Ok(()) };
    match first.kind() {
        Kind::Products => {
            products(client, &pick(rows, |row| if let Row::Product(row) = row { Some(row) } else { None }), present)
        }
        Kind::Categories => {
            categories(client, &pick(rows, |row| if let Row::Category(row) = row { Some(row) } else { None }), present)
        }
        Kind::Users => {
            users(client, &pick(rows, |row| if let Row::User(row) = row { Some(row) } else { None }), present)
        }
        Kind::Purchases => {
            orders(client, &pick(rows, |row| if let Row::Purchase(row) = row { Some(row) } else { None }), present)
        }
    }
}

fn pick<'r, R>(rows: &[&'r Row], as_kind: impl Fn(&'r Row) -> Option<&'r R>) -> Vec<&'r R> {
    rows.iter().filter_map(|row| as_kind(row)).collect()
}

fn products(client: &mut impl GenericClient, rows: &[&Product], present: Present<'_>) -> Result<(), PgError> {
    let attributes = each(rows, |row| row.attributes.as_ref().map(text_of));
    let embeddings = each(rows, |row| row.embedding.as_ref().map(|numbers| array(numbers)));
    let values: [Parameter<'_>; 8] = [
        (&each(rows, |row| &*row.product_id), Type::TEXT_ARRAY),
        (&each(rows, |row| row.name.as_deref()), Type::TEXT_ARRAY),
        (&each(rows, |row| row.category_id.as_deref()), Type::TEXT_ARRAY),
        (&each(rows, |row| row.price.as_deref()), Type::TEXT_ARRAY),
        (&each(rows, |row| row.description.as_deref()), Type::TEXT_ARRAY),
        (&attributes, Type::TEXT_ARRAY),
        (&each(rows, |row| row.available), Type::BOOL_ARRAY),
        (&embeddings, Type::TEXT_ARRAY),
    ];
    run(client, &insert(Kind::Products, present), &values)
}

fn categories(client: &mut impl GenericClient, rows: &[&Category], present: Present<'_>) -> Result<(), PgError> {
    let values: [Parameter<'_>; 3] = [
        (&each(rows, |row| &*row.category_id), Type::TEXT_ARRAY),
        (&each(rows, |row| row.name.as_deref()), Type::TEXT_ARRAY),
        (&each(rows, |row| row.parent_id.as_deref()), Type::TEXT_ARRAY),
    ];
    run(client, &insert(Kind::Categories, present), &values)
}

fn users(client: &mut impl GenericClient, rows: &[&User], present: Present<'_>) -> Result<(), PgError> {
    let values: [Parameter<'_>; 4] = [
        (&each(rows, |row| &*row.user_id), Type::TEXT_ARRAY),
        (&each(rows, |row| row.name.as_deref()), Type::TEXT_ARRAY),
        (&each(rows, |row| row.email.as_deref()), Type::TEXT_ARRAY),
        (&each(rows, |row| row.demographics.as_ref().map(text_of)), Type::TEXT_ARRAY),
    ];
    run(client, &insert(Kind::Users, present), &values)
}

fn orders(client: &mut impl GenericClient, rows: &[&Purchase], present: Present<'_>) -> Result<(), PgError> {
    let values: [Parameter<'_>; 4] = [
        (&each(rows, |row| &*row.purchase_id), Type::TEXT_ARRAY),
        (&each(rows, |row| &*row.user_id), Type::TEXT_ARRAY),
        (&each(rows, |row| time(row.created_at)), Type::TIMESTAMPTZ_ARRAY),
        (&each(rows, |row| row.status.word()), Type::TEXT_ARRAY),
    ];
    run(client, &insert(Kind::Purchases, present), &values)
}

/// Saves the lines of purchases, each behind the first lines of the purchase that it names. A line that stays as it is, is
/// no change.
pub(super) fn lines(client: &mut impl GenericClient, purchases: &[(&Purchase, usize)]) -> Result<(), PgError> {
    if purchases.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = purchases
        .iter()
        .flat_map(|(row, before)| row.lines.iter().zip(before + 1..).map(|(line, at)| (&*row.purchase_id, at, line)))
        .collect();
    let sql = "
        INSERT INTO order_items AS t (order_id, line, product_id, quantity, price, returned)
        SELECT order_id, line, product_id, quantity, price::numeric, returned
        FROM unnest($1::text[], $2::int8[], $3::text[], $4::int8[], $5::text[], $6::bool[])
             AS new (order_id, line, product_id, quantity, price, returned)
        ON CONFLICT (order_id, line) DO UPDATE
        SET product_id = excluded.product_id, quantity = excluded.quantity, price = excluded.price,
            returned = excluded.returned
        WHERE (t.product_id, t.quantity, t.price::text, t.returned)
              IS DISTINCT FROM (excluded.product_id, excluded.quantity, excluded.price::text, excluded.returned)";
    let values: [Parameter<'_>; 6] = [
        (&each(&lines, |(order, ..)| *order), Type::TEXT_ARRAY),
        (&each(&lines, |(_, at, _)| count(*at)), Type::INT8_ARRAY),
        (&each(&lines, |(.., line)| &*line.product_id), Type::TEXT_ARRAY),
        (&each(&lines, |(.., line)| line.quantity), Type::INT8_ARRAY),
        (&each(&lines, |(.., line)| line.price.as_deref()), Type::TEXT_ARRAY),
        (&each(&lines, |(.., line)| line.returned), Type::BOOL_ARRAY),
    ];
    run(client, sql, &values)
}

/// Removes the lines that these purchases do not have any more.
pub(super) fn cut_lines(client: &mut impl GenericClient, purchases: &[&Purchase]) -> Result<(), PgError> {
    if purchases.is_empty() {
        return Ok(());
    }
    // A `DELETE` that joins a list may read the whole table, and the list again for each row. `OFFSET 0` makes it no join.
    let sql = "
        SELECT order_id, lines FROM unnest($1::text[], $2::int8[]) AS now (order_id, lines)
        WHERE EXISTS (SELECT FROM order_items AS t WHERE t.order_id = now.order_id AND t.line > now.lines OFFSET 0)";
    let values: [Parameter<'_>; 2] = [
        (&each(purchases, |row| &*row.purchase_id), Type::TEXT_ARRAY),
        (&each(purchases, |row| count(row.lines.len())), Type::INT8_ARRAY),
    ];
    // As most have few lines, there are few numbers of lines.
    let mut longer: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in client.query_typed(sql, &values)? {
        longer.entry(row.try_get(1)?).or_default().push(row.try_get(0)?);
    }
    for (lines, ids) in longer {
        let sql = "DELETE FROM order_items WHERE order_id = ANY ($1) AND line > $2";
        run(client, sql, &[(&ids, Type::TEXT_ARRAY), (&lines, Type::INT8)])?;
    }
    Ok(())
}

/// A statement that adds rows from one array for each column.
fn insert(kind: Kind, present: Present<'_>) -> String {
    let (table, columns) = table(kind);
    let names = |form: &dyn Fn(&str, &str, &str) -> String| {
        columns.iter().map(|(name, kind, compared)| form(name, kind, compared)).collect::<Vec<_>>().join(", ")
    };
    // Arrays of JSON, amounts and vectors are sent as texts.
    let carried =
        |kind: &str| if ["bool", "timestamptz"].contains(&kind) { kind.to_owned() } else { "text".to_owned() };
    let arrays = columns.iter().enumerate().map(|(at, (_, kind, _))| format!("${}::{}[]", at + 1, carried(kind)));
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let all = names(&|name, _, _| name.to_owned());
    let sql = format!(
        "INSERT INTO {table} AS t ({all}) SELECT {} FROM unnest({arrays}) AS new ({all})",
        names(&|name, kind, _| format!("{name}::{kind}")),
    );
    let key = columns[0].0;
    let fields = match present {
        Present::Fails => return sql,
        Present::Stays => Some(&[][..]),
        Present::Changes(fields) => fields,
    };
    let is_given = |name: &str| name != key && fields.is_none_or(|fields| fields.contains(&name));
    let given: Vec<_> = columns.iter().filter(|(name, ..)| is_given(name)).collect();
    if given.is_empty() {
        return format!("{sql} ON CONFLICT ({key}) DO NOTHING");
    }
    let each = |form: &dyn Fn(&str, &str) -> String| {
        given.iter().map(|(name, _, compared)| form(name, compared)).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{sql} ON CONFLICT ({key}) DO UPDATE SET {} WHERE ROW({}) IS DISTINCT FROM ROW({})",
        each(&|name, _| format!("{name} = excluded.{name}")),
        each(&|name, compared| format!("t.{name}{compared}")),
        each(&|name, compared| format!("excluded.{name}{compared}")),
    )
}

fn run(client: &mut impl GenericClient, sql: &str, values: &[Parameter<'_>]) -> Result<(), PgError> {
    client.execute_typed(sql, values)?;
    Ok(())
}

fn each<'r, R, V>(rows: &'r [R], value: impl Fn(&'r R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

/// A value as JSON.
pub(super) fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("rows are plain data")
}

/// A vector as the database writes it.
pub(super) fn array(numbers: &[f32]) -> String {
    let texts: Vec<String> = numbers.iter().map(f32::to_string).collect();
    format!("{{{}}}", texts.join(","))
}

fn time(millis: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("lines are few")
}
