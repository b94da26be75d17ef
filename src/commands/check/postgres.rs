//! The database: connection, tables, the source's own findings, keys and the WAL level.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use ::postgres::Client;
use sources::postgres::{Connection, Diagnostic, Mode, Settings, SslMode, Target};

use super::CheckReport;
use crate::commands::database::{connect, error_text, quoted, quoted_whole, target};
use crate::commands::shop_tables::{ShopTable, list, shop_tables};
use crate::config::Postgres;

/// Timeout of all queries together. A server that works answers within it.
const CHECK_MAX: Duration = Duration::from_secs(30);

/// No statement of a check needs longer.
const LIMITS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '1s'";

const MAKE: &str = "vitrine generate --to services --empty --config FILE";

pub(super) fn check(postgres: &Postgres, kept_ms: u64, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let target = target(postgres);
    let mut client = match connect(&target) {
        Ok(client) => client,
        Err(error) if error.no_database => {
            let ways = [
                format!("CREATE DATABASE {};", quoted_whole(target.database())),
                format!("or let Vitrine make all that is missing: {MAKE}"),
            ];
            return report.bad(&format!("postgres: {error}"), &ways);
        }
        Err(error) => {
            let way = "start PostgreSQL, or set `postgres.url` or `postgres.url_file` (VITRINE__POSTGRES__URL) to where it \
                       runs";
            return report.bad(&format!("postgres: {error}"), &[way.to_owned()]);
        }
    };
    client.end_by(Instant::now() + CHECK_MAX);
    match version(&mut client) {
        Ok(version) => {
            report.good(&format!("postgres: version {version} at {}/{}", client.host(), target.database()))?
        }
        Err(error) => return report.bad(&format!("postgres: {}", error_text(&error)), &[]),
    }
    encryption(&client, target.tls().mode, report)?;
    let tables = shop_tables(postgres);
    let fit = tables_exist(&mut client, &tables, report)? && tables_fit(&mut client, postgres, report)?;
    if postgres.tables.orders.time_column().is_none() {
        report.note(
            "postgres: orders have no time column (order_time = \"first_seen\"): an order counts from when it is first read",
        )?;
    }
    rules(&mut client, postgres, report)?;
    if fit && postgres.mode != Mode::Refresh {
        let source = Settings { kept_ms, ..postgres.clone() };
        follows(&mut client, &target, &source, report)
    } else {
        wal_level(&mut client, report)
    }
}

/// Whether rows and the password cross the network in the open, and whether somebody else may pose as the server.
fn encryption(client: &Connection, mode: SslMode, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    match (client.is_encrypted(), client.is_local()) {
        (true, _) if mode.verifies() => {
            report.good(&format!("postgres: connections have TLS, and the certificate is verified (sslmode={mode})"))
        }
        (true, is_local) => {
            let may_end = if mode < SslMode::Require { ", and TLS is not demanded" } else { "" };
            let found = format!(
                "postgres: connections have TLS, but the server's certificate need not be verified{may_end} \
                 (sslmode={mode}; verify-full demands both)"
            );
            if is_local { report.good("postgres: connections have TLS") } else { report.note(&found) }
        }
        (false, true) => Ok(()),
        (false, false) => report.note(&format!(
            "postgres: connections are not encrypted (sslmode={mode}): rows and what a password protects cross the network \
             in the open; sslmode=verify-full demands TLS"
        )),
    }
}

fn version(client: &mut Client) -> Result<String, ::postgres::Error> {
    client.batch_execute(LIMITS)?;
    Ok(client.query_one("SELECT current_setting('server_version')", &[])?.get(0))
}

/// Whether all tables exist. A view, and a table without a primary key, get a note.
fn tables_exist(client: &mut Client, tables: &[ShopTable], report: &mut CheckReport<impl Write>) -> io::Result<bool> {
    let mut all = true;
    for table in tables {
        let name = &table.name;
        match relation(client, name) {
            Err(error) => {
                all = false;
                report.bad(&format!("postgres: table {name}: {}", error_text(&error)), &[])?;
            }
            Ok(None) => {
                all = false;
                let setting = format!("or, if it has another name than {name}, set that in [postgres.tables]");
                let ways =
                    [format!("{};", table.create), setting, format!("or let Vitrine make what is missing: {MAKE}")];
                report.bad(&format!("postgres: table {name} is missing"), &ways)?;
            }
            Ok(Some(Relation::View)) => report.note(&format!(
                "postgres: {name} is a view; it is read all the same. A view cannot be replicated logically: that would need \
                 the name of the table behind it in [postgres.tables]; mode \"refresh\" reads the view"
            ))?,
            Ok(Some(Relation::Table { has_key: false })) => {
                let sql = format!("ALTER TABLE {} ADD PRIMARY KEY ({});", quoted(name), list(&table.key));
                report.note(&format!(
                    "postgres: table {name} has no primary key; it is read all the same. Logical replication would need: {sql}"
                ))?;
            }
            Ok(Some(Relation::Table { has_key: true })) => {}
        }
    }
    Ok(all)
}

/// What a name of a table stands for.
enum Relation {
    Table { has_key: bool },
    View,
}

/// What is there; `None` if there is no such table.
fn relation(client: &mut Client, name: &str) -> Result<Option<Relation>, ::postgres::Error> {
    let sql = "SELECT relkind IN ('v', 'm'), EXISTS (SELECT FROM pg_index WHERE indrelid = oid AND indisprimary) \
               FROM pg_class WHERE oid = to_regclass($1)";
    let row = client.query_opt(sql, &[&quoted(name)])?;
    Ok(row.map(|row| if row.get(0) { Relation::View } else { Relation::Table { has_key: row.get(1) } }))
}

/// The source's own check of the tables: columns, their types, the right to read them.
fn tables_fit(client: &mut Client, postgres: &Postgres, report: &mut CheckReport<impl Write>) -> io::Result<bool> {
    let findings = match sources::postgres::inspect(client, &postgres.tables) {
        Err(error) => {
            report.bad(&format!("postgres: the tables cannot be examined: {}", error_text(&error)), &[])?;
            return Ok(false);
        }
        Ok(findings) => findings,
    };
    if findings.is_empty() {
        report.good("postgres: all tables have their columns and may be read")?;
        if let Ok(Some(zone)) = sources::postgres::time_zone(client, &postgres.tables) {
            report.good(&format!(
                "postgres: orders have times without a time zone, which are read as those of {zone} (`postgres.time_zone`)"
            ))?;
        }
        return Ok(true);
    }
    for Diagnostic { problem, mend } in findings {
        report.bad(&format!("postgres: {problem}"), &[mend])?;
    }
    Ok(false)
}

/// The table of merchandising rules, if there is one, read as the source would read it.
fn rules(client: &mut Client, postgres: &Postgres, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let found = match sources::postgres::rules::inspect(client, postgres) {
        Ok(None) => return Ok(()),
        Ok(Some(found)) => found,
        Err(error) => {
            return report.bad(&format!("postgres: {}", error.problem()), error.mend().as_slice());
        }
    };
    report.good(&format!("postgres: {} merchandising rules can be read", found.rules))?;
    for reason in found.refused {
        report
            .note(&format!("postgres: a row of the table of rules is no rule, and will be a dead letter: {reason}"))?;
    }
    Ok(())
}

/// Whether the server's log can be followed, and which objects Vitrine will create for that.
fn follows(
    client: &mut Connection,
    target: &Target,
    source: &Settings,
    report: &mut CheckReport<impl Write>,
) -> io::Result<()> {
    let mut found = match sources::postgres::inspect_replication(&mut **client, source) {
        Ok(found) => found,
        Err(error) => {
            return report.bad(&format!("postgres: the server's log cannot be examined: {}", error_text(&error)), &[]);
        }
    };
    // A process that follows the slot now has a session, maybe the last free session.
    if found.obstacles.is_empty() && !found.is_followed {
        match sources::postgres::try_session(client, target, source) {
            Ok(obstacles) => found.obstacles = obstacles,
            Err(error) => return report.bad(&format!("postgres: {error}"), &[]),
        }
    }
    if found.obstacles.is_empty() {
        let publication = match found.publication {
            Some(sql) => format!("the publication will be created: {sql}"),
            None => format!("the publication {} has all that is needed", source.publication),
        };
        report.good(&format!("postgres: wal_level is logical, the server's log can be followed; {publication}"))?;
        return report.good(&format!("postgres: replication slot {}: {}", source.slot, found.slot));
    }
    for Diagnostic { problem, mend } in found.obstacles {
        if source.mode == Mode::Replication {
            report.bad(&format!("postgres: {problem}"), &[mend])?;
        } else {
            report.note(&format!(
                "postgres: {problem}; the tables are read again every {} s instead. To follow the server's log: {mend}",
                source.refresh.as_secs()
            ))?;
        }
    }
    Ok(())
}

/// A note for later only: reading the tables again works at any level.
fn wal_level(client: &mut Client, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    match client.query_one("SELECT current_setting('wal_level')", &[]) {
        Ok(row) if row.get::<_, String>(0) == "logical" => report.good("postgres: wal_level is logical"),
        Ok(row) => report.note(&format!(
            "postgres: wal_level is {}; mode \"refresh\" works with it. Logical replication would need: ALTER SYSTEM SET \
             wal_level = logical; and a restart",
            row.get::<_, String>(0)
        )),
        Err(error) => report.bad(&format!("postgres: wal_level cannot be read: {}", error_text(&error)), &[]),
    }
}
