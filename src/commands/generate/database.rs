//! Writes test data to PostgreSQL: creates the database and its tables if they are missing, and copies rows in.
//!
//! ```text
//! rows ─▶ COPY into a temporary table ─▶ INSERT … ON CONFLICT DO NOTHING     one transaction for all tables
//! returned lines ─▶ COPY ─▶ DELETE                                           one more, so that they are seen to go
//! ```

use std::io::{BufWriter, Write};
use std::time::Duration;

use anyhow::Context as _;
use postgres::Transaction;

use super::rfc3339;
use crate::commands::database::{Connection, Target, connect, error_text, quoted, quoted_whole, target};
use crate::commands::progress;
use crate::commands::shop_tables::{ShopTable, list, shop_tables};
use crate::config::Postgres;
use crate::generate::Shop;

const BUFFER_BYTES: usize = 1 << 18;

/// Timeout of a statement; the largest statement inserts all rows of a table.
const STATEMENT_MAX: Duration = Duration::from_secs(600);

/// Columns of the catalogue that are filled where the table has them.
const CATALOGUE_FURTHER: &[&str] = &["product_name", "price", "description", "attributes"];

/// Creates the tables and fills them; existing rows stay unchanged.
pub(super) fn fill(shop: &Shop, postgres: &Postgres) -> anyhow::Result<()> {
    let mut client = connect_or_create(&target(postgres))?;
    client.batch_execute(&format!("SET statement_timeout = '{}s'", STATEMENT_MAX.as_secs()))?;
    client.allow(STATEMENT_MAX)?;
    let [products, orders, items] = shop_tables(postgres);
    let mut rows = client.transaction()?;
    for table in [&products, &orders, &items] {
        make(&mut rows, table)?;
    }
    let count = |added: u64, table: &ShopTable| println!("table {}: {added} rows added", table.name);
    count(fill_products(&mut rows, shop, &products)?, &products);
    count(fill_orders(&mut rows, shop, postgres, &orders)?, &orders);
    count(fill_items(&mut rows, shop, &items)?, &items);
    rows.commit().map_err(|error| anyhow::anyhow!("the rows cannot be committed: {}", error_text(&error)))?;
    let mut returns = client.transaction()?;
    let returned = return_items(&mut returns, shop, &items)?;
    returns.commit().map_err(|error| anyhow::anyhow!("the returns cannot be committed: {}", error_text(&error)))?;
    println!("table {}: {returned} rows deleted again, as returns", items.name);
    Ok(())
}

/// Connects; if the server says that the database is missing, it is created through the `postgres` database.
fn connect_or_create(target: &Target) -> anyhow::Result<Connection> {
    match connect(target) {
        Err(error) if error.no_database => {
            let mut maintenance = connect(&target.clone().with_database("postgres"))?;
            let name = target.database();
            let create = format!("CREATE DATABASE {}", quoted_whole(name));
            maintenance.batch_execute(&create).map_err(|error| {
                anyhow::anyhow!("database {name} is missing and cannot be created: {}", error_text(&error))
            })?;
            println!("database {name}: created");
            Ok(connect(target)?)
        }
        connected => Ok(connected?),
    }
}

fn make(rows: &mut Transaction<'_>, table: &ShopTable) -> anyhow::Result<()> {
    if let Some((schema, _)) = table.name.split_once('.') {
        run(rows, &format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema)))?;
    }
    run(rows, &table.create)
}

fn fill_products(rows: &mut Transaction<'_>, shop: &Shop, table: &ShopTable) -> anyhow::Result<u64> {
    let further = existing(rows, table, CATALOGUE_FURTHER)?;
    let mut columns = names(table);
    columns.extend(further.iter().cloned());
    let bar = progress::items("products", u64::from(shop.plan().products));
    add(rows, table, &columns, |out| {
        for product in bar.wrap_iter(shop.products()) {
            let mut fields = vec![product.id.as_str(), product.category.as_str()];
            let price = product.price();
            fields.extend(further.iter().map(|column| match column.as_str() {
                "product_name" => product.name.as_str(),
                "price" => price.as_str(),
                "description" => product.description.as_str(),
                _ => product.attributes.as_str(),
            }));
            row(out, &fields)?;
        }
        Ok(())
    })
}

fn fill_orders(rows: &mut Transaction<'_>, shop: &Shop, postgres: &Postgres, table: &ShopTable) -> anyhow::Result<u64> {
    let columns = names(table);
    let has_time = postgres.tables.orders.time_column().is_some();
    // Every order gets a status that counts.
    let status = postgres.tables.orders.status.as_ref().and_then(|status| status.counting.first());
    let bar = progress::items("orders", shop.plan().orders);
    add(rows, table, &columns, |out| {
        for order in bar.wrap_iter(shop.orders()) {
            let (id, user, at) = (order.id(), shop.user_id(order.user), rfc3339(order.at));
            let fields = [Some(&*id), Some(&*user), has_time.then_some(&*at), status.map(String::as_str)];
            row(out, &fields.into_iter().flatten().collect::<Vec<_>>())?;
        }
        Ok(())
    })
}

fn fill_items(rows: &mut Transaction<'_>, shop: &Shop, table: &ShopTable) -> anyhow::Result<u64> {
    let quantity = existing(rows, table, &["quantity"])?;
    let mut columns = names(table);
    columns.extend(quantity);
    let bar = progress::items("lines", shop.plan().orders);
    add(rows, table, &columns, |out| {
        for order in bar.wrap_iter(shop.orders()) {
            for line in &order.lines {
                let fields = [order.id(), shop.product_id(line.product), line.quantity.to_string()];
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                row(out, &fields[..columns.len()])?;
            }
        }
        Ok(())
    })
}

fn return_items(rows: &mut Transaction<'_>, shop: &Shop, table: &ShopTable) -> anyhow::Result<u64> {
    let columns = names(table);
    let bar = progress::items("returns", shop.plan().orders);
    stage(rows, table, &columns, |out| {
        for order in bar.wrap_iter(shop.orders()) {
            for line in order.lines.iter().filter(|line| line.returned) {
                row(out, &[&order.id(), &shop.product_id(line.product)])?;
            }
        }
        Ok(())
    })?;
    let equal: Vec<String> = columns.iter().map(|name| format!("kept.{0} = staged.{0}", quoted(name))).collect();
    let delete = format!("DELETE FROM {} AS kept USING staged WHERE {}", quoted(&table.name), equal.join(" AND "));
    rows.execute(&delete, &[]).map_err(|error| refused(&table.name, &error))
}

/// Copies rows into the table, except rows whose key exists already.
fn add(
    rows: &mut Transaction<'_>,
    table: &ShopTable,
    columns: &[String],
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<u64> {
    stage(rows, table, columns, write)?;
    let (name, list) = (quoted(&table.name), list(columns));
    let insert = format!("INSERT INTO {name} ({list}) SELECT {list} FROM staged ON CONFLICT DO NOTHING");
    rows.execute(&insert, &[]).map_err(|error| refused(&table.name, &error))
}

/// Copies rows into the temporary table `staged`, whose columns have the types of the real table.
fn stage(
    rows: &mut Transaction<'_>,
    table: &ShopTable,
    columns: &[String],
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let (name, list) = (quoted(&table.name), list(columns));
    run(rows, "DROP TABLE IF EXISTS pg_temp.staged")?;
    run(rows, &format!("CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT {list} FROM {name} WITH NO DATA"))?;
    let copy =
        rows.copy_in(&format!("COPY staged ({list}) FROM STDIN")).map_err(|error| refused(&table.name, &error))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, copy);
    write(&mut out).with_context(|| format!("table {} does not take the rows", table.name))?;
    let copy =
        out.into_inner().map_err(|error| anyhow::anyhow!("table {} does not take the rows: {error}", table.name))?;
    copy.finish().map_err(|error| refused(&table.name, &error))?;
    Ok(())
}

/// Those of the wanted columns that the table has.
fn existing(rows: &mut Transaction<'_>, table: &ShopTable, wanted: &[&str]) -> anyhow::Result<Vec<String>> {
    let known = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let known = rows.query(known, &[&quoted(&table.name)]).map_err(|error| refused(&table.name, &error))?;
    let known: Vec<String> = known.iter().map(|row| row.get(0)).collect();
    Ok(wanted.iter().map(|&name| name.to_owned()).filter(|name| known.contains(name)).collect())
}

fn names(table: &ShopTable) -> Vec<String> {
    table.columns.iter().map(|(name, _)| name.clone()).collect()
}

fn run(rows: &mut Transaction<'_>, sql: &str) -> anyhow::Result<()> {
    rows.batch_execute(sql).map_err(|error| anyhow::anyhow!("PostgreSQL refuses `{sql}`: {}", error_text(&error)))
}

fn refused(table: &str, error: &postgres::Error) -> anyhow::Error {
    anyhow::anyhow!("table {table} does not take the rows: {}", error_text(error))
}

/// One row of COPY's text format. Our ids and texts hold no tabs or line ends; backslashes are doubled.
fn row(out: &mut dyn Write, fields: &[&str]) -> std::io::Result<()> {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.write_all(b"\t")?;
        }
        out.write_all(field.replace('\\', "\\\\").as_bytes())?;
    }
    out.write_all(b"\n")
}
