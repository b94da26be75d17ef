//! Whose tables the database has, and bringing Vitrine's own to the newest version.

use postgres::types::Type;
use postgres::{Client, GenericClient};

use super::LONG;
use super::connect::Connect;
use super::reason::PgError;

/// The scripts that lead from each version of the tables to the next one.
const SCRIPTS: [&str; 2] = [include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// The comment on a table that Vitrine has made.
const MARK: &str = "made by Vitrine";

/// The lock of whoever makes the tables, and of whoever writes them.
pub(super) const LOCK: i64 = 0x0076_6974_7269_6e65;

/// For each table whether it is there, and its comment. The join locks `pg_class`: only with a lock on a table does a
/// transaction that has waited hear of the tables that were made meanwhile.
const TABLES: &str = "
    SELECT name, found.oid IS NOT NULL, obj_description(found.oid, 'pg_class')
    FROM unnest(ARRAY['categories', 'products', 'users', 'orders', 'order_items', 'vitrine_answered', 'vitrine_store'])
         WITH ORDINALITY AS wanted (name, place)
    LEFT JOIN pg_class AS found ON found.oid = to_regclass(name)
    ORDER BY place";

/// How many of them are the shop's rows.
const SHOP_TABLES: usize = 5;

/// What may be done with the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TableAccess {
    /// They are Vitrine's.
    Writes,
    /// They may be read, and not be written for this reason.
    Reads(String),
    /// They are of no use for this reason.
    Nothing(String),
}

/// The tables in the database.
enum FoundTables {
    Nothing,
    /// Made by Vitrine, with this version.
    Made(usize),
    Unfit(String),
}

/// Finds out what may be done with the tables; makes them if that is allowed, on a connection of its own, because scripts
/// may take long on large tables.
///
/// # Errors
/// Why the tables cannot be looked at or made.
pub(super) fn prepare(client: &mut Client, manage: bool, connect: &Connect) -> Result<TableAccess, String> {
    let in_words = |error: PgError| error.to_string();
    let known = SCRIPTS.len();
    let mut found = look(client).map_err(in_words)?;
    let is_old = match &found {
        FoundTables::Nothing => true,
        FoundTables::Made(version) => *version < known,
        FoundTables::Unfit(_) => false,
    };
    if manage && is_old {
        make(&mut *connect(Some(LONG))?).map_err(in_words)?;
        found = look(client).map_err(in_words)?;
    }
    Ok(match found {
        FoundTables::Made(version) if version > known => TableAccess::Nothing(format!(
            "the tables are of version {version}, and this program knows versions up to {known}: use a newer Vitrine"
        )),
        FoundTables::Made(version) if version < known => TableAccess::Nothing(
            "the tables are of an older version; `store.manage = true` brings them up to date".into(),
        ),
        FoundTables::Made(_) if manage => TableAccess::Writes,
        FoundTables::Made(_) => TableAccess::Reads("`store.manage` is false, so Vitrine only reads the tables".into()),
        FoundTables::Nothing => TableAccess::Nothing(
            "the database of [postgres] has no tables of the store; `store.manage = true` lets Vitrine make them"
                .into(),
        ),
        FoundTables::Unfit(reason) => TableAccess::Nothing(reason),
    })
}

fn look(client: &mut impl GenericClient) -> Result<FoundTables, PgError> {
    let encoding: String = client.query_typed_one("SELECT current_setting('server_encoding')", &[])?.try_get(0)?;
    if encoding != "UTF8" {
        return Ok(FoundTables::Unfit(format!("the database has the encoding {encoding}, and the store needs UTF8")));
    }
    let rows = client.query_typed(TABLES, &[])?;
    let mut missing = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let (name, is_there, comment): (String, bool, Option<String>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if !is_there {
            missing.push(name);
        } else if at < SHOP_TABLES && comment.as_deref() != Some(MARK) {
            return Ok(FoundTables::Unfit(format!(
                "table {name} is the shop's own: Vitrine has not made it. Such tables are read for the lists only, and never \
                 written: read and write their rows in the database, or let Vitrine make tables in another database"
            )));
        }
    }
    if missing.len() == rows.len() {
        return Ok(FoundTables::Nothing);
    }
    if !missing.is_empty() {
        return Ok(FoundTables::Unfit(format!("some tables of the store are missing: {}", missing.join(", "))));
    }
    let version: i64 = client.query_typed_one("SELECT max(version) FROM vitrine_store", &[])?.try_get(0)?;
    Ok(FoundTables::Made(usize::try_from(version).unwrap_or(0)))
}

/// A statement may take as long as it needs. It does not wait long for the transaction of another tool: who comes behind it
/// would wait too.
const LIMITS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5s'";

/// Lets the scripts work in the schema of the tables; before there are any, in the one where they will be made. Another
/// schema may have come before it in the search path since.
const SCHEMA: &str = "
    SELECT set_config('search_path', quote_ident(schema), true)
    FROM (SELECT coalesce(
        (SELECT nspname::text FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid
         WHERE c.oid = to_regclass('categories')),
        current_schema()::text)) AS found (schema)
    WHERE schema IS NOT NULL";

/// Runs the missing scripts in one transaction, while no other process does.
fn make(client: &mut Client) -> Result<(), PgError> {
    let mut transaction = client.transaction()?;
    transaction.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])?;
    let version = match look(&mut transaction)? {
        FoundTables::Nothing => 0,
        FoundTables::Made(version) => version,
        FoundTables::Unfit(_) => return Ok(()),
    };
    let Some(missing) = SCRIPTS.get(version..).filter(|missing| !missing.is_empty()) else { return Ok(()) };
    transaction.batch_execute(LIMITS)?;
    transaction.batch_execute(SCHEMA)?;
    for script in missing {
        transaction.batch_execute(script)?;
    }
    let version = i64::try_from(SCRIPTS.len()).expect("scripts are few");
    transaction.execute_typed("UPDATE vitrine_store SET version = $1", &[(&version, Type::INT8)])?;
    transaction.commit()?;
    tracing::info!(version, "the tables of the store were made");
    Ok(())
}
