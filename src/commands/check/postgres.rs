//! The database: connection, tables, columns, the orders' time, keys and the WAL level.

use std::io::{self, Write};

use ::postgres::Client;

use super::Report;
use crate::commands::database::{connect, place, quoted, settings, words};
use crate::commands::shop_tables::{ShopTable, list, shop_tables};
use crate::config::Postgres;

/// Types that can be an order's time.
const TIME_TYPES: &[&str] = &["timestamp with time zone", "timestamp without time zone", "date"];

/// No statement of a check needs longer.
const LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '1s'";

pub(super) fn check(postgres: &Postgres, report: &mut Report<impl Write>) -> io::Result<()> {
    let config = settings(postgres);
    let mut client = match connect(&config) {
        Ok(client) => client,
        Err(error) => {
            let ways = ["start PostgreSQL, or set `postgres.url` or `postgres.url_file` (VITRINE__POSTGRES__URL) to where it runs".to_owned(),
                "if only the database or its tables are missing: vitrine generate --to services --empty --config FILE".to_owned()];
            return report.bad(&format!("postgres: {error:#}"), &ways);
        }
    };
    match server(&mut client) {
        Ok(version) => report.good(&format!("postgres: version {version} at {}", place(&config)))?,
        Err(error) => return report.bad(&format!("postgres: {}", words(&error)), &[]),
    }
    let time = postgres.order_time_column();
    for table in shop_tables(postgres) {
        match found(&mut client, &table.name) {
            Err(error) => report.bad(&format!("postgres: table {}: {}", table.name, words(&error)), &[])?,
            Ok(None) => report.bad(
                &format!("postgres: table {} is missing", table.name),
                &[format!("{};", table.create), rename(&table)],
            )?,
            Ok(Some(found)) => check_table(&table, &found, time, report)?,
        }
    }
    if time.is_none() {
        report.note("postgres: orders have no time column (order_time = \"first_seen\"): an order counts from when it is first read")?;
    }
    wal_level(&mut client, report)
}

/// What a table looks like.
struct Found {
    columns: Vec<(String, String)>,
    has_key: bool,
    readable: bool,
}

fn server(client: &mut Client) -> Result<String, ::postgres::Error> {
    client.batch_execute(LIMITS)?;
    Ok(client.query_one("SELECT current_setting('server_version')", &[])?.get(0))
}

fn found(client: &mut Client, name: &str) -> Result<Option<Found>, ::postgres::Error> {
    let table = client.query_one(
        "SELECT to_regclass($1)::oid, coalesce(has_table_privilege(to_regclass($1)::oid, 'SELECT'), false)",
        &[&quoted(name)],
    )?;
    let Some(oid) = table.get::<_, Option<u32>>(0) else { return Ok(None) };
    let columns = client.query(
        "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped",
        &[&oid],
    )?;
    let key = client.query_one("SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = $1 AND indisprimary)", &[&oid])?;
    let columns = columns.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(Some(Found { columns, has_key: key.get(0), readable: table.get(1) }))
}

fn check_table(
    table: &ShopTable,
    found: &Found,
    time: Option<&str>,
    report: &mut Report<impl Write>,
) -> io::Result<()> {
    let name = &table.name;
    if !found.readable {
        let way = format!(
            "GRANT SELECT ON {} TO CURRENT_USER;  -- as the table's owner, with the user of postgres.url",
            quoted(name)
        );
        return report.bad(&format!("postgres: table {name} must not be read by this user"), &[way]);
    }
    let mut complete = true;
    for (column, kind) in &table.columns {
        let of_time = time == Some(column.as_str()) && *kind == "timestamptz";
        match found.columns.iter().find(|(known, _)| known == column) {
            None => {
                complete = false;
                report.bad(
                    &format!("postgres: table {name} has no column {column}"),
                    &missing_column(table, column, kind, of_time),
                )?;
            }
            Some((_, actual)) if of_time && !TIME_TYPES.contains(&actual.as_str()) => {
                complete = false;
                let way = format!(
                    "ALTER TABLE {} ALTER COLUMN {} TYPE timestamptz USING {1}::timestamptz;",
                    quoted(name),
                    quoted(column)
                );
                report.bad(
                    &format!("postgres: column {name}.{column} is of type {actual}, not a time"),
                    &[way, time_settings()],
                )?;
            }
            Some(_) => {}
        }
    }
    if complete {
        report.good(&format!("postgres: table {name} has its columns"))?;
    }
    if !found.has_key {
        let sql = format!("ALTER TABLE {} ADD PRIMARY KEY ({});", quoted(name), list(&table.key));
        report.note(&format!(
            "postgres: table {name} has no primary key; it is read all the same. Logical replication would need: {sql}"
        ))?;
    }
    Ok(())
}

fn missing_column(table: &ShopTable, column: &str, kind: &str, of_time: bool) -> Vec<String> {
    let add = match of_time {
        true => {
            format!("ALTER TABLE {} ADD COLUMN {} {kind} NOT NULL DEFAULT now();", quoted(&table.name), quoted(column))
        }
        false => format!("ALTER TABLE {} ADD COLUMN {} {kind};", quoted(&table.name), quoted(column)),
    };
    let setting =
        if of_time { time_settings() } else { "or name the column that has it in [postgres.tables]".to_owned() };
    vec![add, setting]
}

fn time_settings() -> String {
    "or name another column with `postgres.order_time`, or set it to \"first_seen\"".into()
}

fn rename(table: &ShopTable) -> String {
    format!(
        "or, if it has another name than {}, set that in [postgres.tables]; or let Vitrine make it: vitrine generate --to services --empty --config FILE",
        table.name
    )
}

/// Only of interest for later: re-reading the tables works at any level.
fn wal_level(client: &mut Client, report: &mut Report<impl Write>) -> io::Result<()> {
    match client.query_one("SELECT current_setting('wal_level')", &[]) {
        Ok(row) if row.get::<_, String>(0) == "logical" => report.good("postgres: wal_level is logical"),
        Ok(row) => report.note(&format!(
            "postgres: wal_level is {}; mode \"refresh\" works with it. Logical replication would need: ALTER SYSTEM SET wal_level = logical; and a restart",
            row.get::<_, String>(0)
        )),
        Err(error) => report.bad(&format!("postgres: wal_level cannot be read: {}", words(&error)), &[]),
    }
}
