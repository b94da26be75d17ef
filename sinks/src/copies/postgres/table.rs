//! The table of a copy: checked, and made if it is missing.

mod problems;

use std::collections::BTreeMap;

use postgres::Row;
use postgres::types::Type;
use sources::postgres::{Connection, error_text, quoted_name, quoted_table};

use self::problems::{FoundColumn, UniqueIndex, mend, problems};
use super::refused;
use crate::copies::destination::{DestinationError, Presence};

/// The columns with their types.
const COLUMNS: [(&str, &str); 5] = [
    ("list", "text"),
    ("position", "integer"),
    ("product", "text"),
    ("value", "double precision"),
    ("as_of", "timestamp with time zone"),
];

/// The columns that name a row.
const KEY_COLUMNS: [&str; 2] = ["list", "position"];

/// What has the name of the table; no row: nothing.
const RELATION: &str = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)";

/// The columns of a table: name, type, whether a row needs a value that has no default, whether it may lack one, and whether
/// only PostgreSQL writes it: by an expression that is stored or not, or by a sequence.
const FOUND: &str = "
    SELECT a.attname::text, format_type(a.atttypid, NULL),
           a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = '', NOT a.attnotnull,
           a.attgenerated = 's', a.attgenerated NOT IN ('', 's'), a.attidentity = 'a'
    FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";

/// Whether a list has each position once. `ON CONFLICT` cannot use a deferrable constraint.
const KEY: &str = "
    SELECT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
          AND i.indnkeyatts = 2 AND ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                    ORDER BY 1) = ARRAY['list', 'position'])";

/// The indexes that may refuse rows: the name of the constraint, if there is one; the quoted name of the index; whether it is a
/// primary key, of an exclusion constraint, or deferrable; its columns without expressions, and with them; and the statements that drop the
/// foreign keys that refer to it.
const UNIQUE: &str = "
    SELECT c.conname::text, format('%I.%I', n.nspname, r.relname), i.indisprimary, i.indisexclusion,
           NOT i.indimmediate,
           ARRAY(SELECT a.attname::text FROM generate_series(1, i.indnkeyatts) AS k
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1]),
           (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ', ' ORDER BY k)
            FROM generate_series(1, i.indnkeyatts) AS k),
           ARRAY(SELECT format('ALTER TABLE %s DROP CONSTRAINT %I;', f.conrelid::regclass, f.conname) FROM pg_constraint f
                 WHERE f.contype = 'f' AND f.conindid = i.indexrelid AND f.conparentid = 0 ORDER BY f.oid)
    FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = to_regclass($1) AND (i.indisunique OR i.indisexclusion) ORDER BY r.relname";

/// What this user may not do with the table, and the user's name as SQL quotes it. All rights but DELETE may be granted for
/// single columns.
const RIGHTS: &str = "
    SELECT quote_ident(current_user), string_agg(wanted, ', ') FILTER (WHERE NOT CASE wanted
        WHEN 'DELETE' THEN has_table_privilege(to_regclass($1), wanted)
        ELSE has_any_column_privilege(to_regclass($1), wanted) END)
    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted";

/// Another session may hold a lock, such as one that makes the table as well.
const PATIENCE: &str = "SET LOCAL lock_timeout = '1s'";

/// The state of a table that can hold lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Missing,
    /// `may_lack_names`: rows may have no list or no position.
    Present {
        may_lack_names: bool,
    },
}

/// Makes the table if it is missing, and checks that it can hold lists. Removes rows without a list or a position: no list can
/// have them, and no later write would find them.
pub(super) fn prepare(connection: &mut Connection, table: &str) -> Result<(), DestinationError> {
    let mut found = check(connection, table)?;
    if found == Fit::Missing {
        let sql = statement(table);
        connection.batch_execute(&sql).map_err(|error| not_created(table, sql, &error))?;
        tracing::info!(table, "created the table of a copy of lists");
        found = check(connection, table)?;
    }
    if found == (Fit::Present { may_lack_names: true }) {
        let removed = connection.execute_typed(&unnamed_rows(&quoted_table(table)), &[]);
        let removed = removed.map_err(|error| refused("removing rows without a list or a position", &error))?;
        if removed > 0 {
            tracing::warn!(table, removed, "removed rows without a list or a position from a copy of lists");
        }
    }
    Ok(())
}

/// The statement that removes rows without a list or a position. `name` is quoted.
fn unnamed_rows(name: &str) -> String {
    let lacks: Vec<String> = KEY_COLUMNS.iter().map(|column| format!("{} IS NULL", quoted_name(column))).collect();
    format!("DELETE FROM {name} WHERE {}", lacks.join(" OR "))
}

/// Checks that the table can hold lists, or could be made. Changes nothing: the table is made in a transaction that is
/// rolled back.
pub(super) fn inspect(connection: &mut Connection, table: &str) -> Result<Presence, DestinationError> {
    let found = check(connection, table)?;
    if found == Fit::Missing {
        let sql = statement(table);
        let attempt = connection.transaction().and_then(|mut transaction| {
            transaction.batch_execute(&format!("{PATIENCE}; {sql}"))?;
            transaction.rollback()
        });
        attempt.map_err(|error| not_created(table, sql, &error))?;
        return Ok(Presence::Missing);
    }
    Ok(Presence::Present)
}

/// Checks the columns and the key of the table, and what this user may do with it.
fn check(connection: &mut Connection, table: &str) -> Result<Fit, DestinationError> {
    let name = quoted_table(table);
    let asking = |error: postgres::Error| refused("asking for the table's columns", &error);
    let relation = connection.query_typed(RELATION, &[(&name, Type::TEXT)]).map_err(asking)?;
    let Some(relation) = relation.first() else { return Ok(Fit::Missing) };
    if let Some(found) = other_kind(relation.get(0)) {
        return Err(DestinationError::NoTable { name: table.to_owned(), found });
    }
    let rows = connection.query_typed(FOUND, &[(&name, Type::TEXT)]).map_err(asking)?;
    let unfit = |problem: String, sql: String| DestinationError::Unfit { table: table.to_owned(), problem, sql };
    let found: BTreeMap<String, FoundColumn> = rows.iter().map(|row| (row.get(0), column(row))).collect();
    let indexes = connection.query_typed(UNIQUE, &[(&name, Type::TEXT)]).map_err(asking)?;
    let indexes: Vec<UniqueIndex> = indexes.iter().map(index).collect();
    let key = connection.query_typed(KEY, &[(&name, Type::TEXT)]).map_err(asking)?;
    let has_key = key.first().is_some_and(|row| row.get(0));
    let problems = problems(&name, &found, &indexes, has_key);
    if !problems.is_empty() {
        let words: Vec<&str> = problems.iter().map(|problem| &*problem.words).collect();
        return Err(unfit(words.join(", "), mend(&name, &problems)));
    }
    let rights = connection.query_typed(RIGHTS, &[(&name, Type::TEXT)]).map_err(asking)?;
    let lacking = rights.first().map(|row| (row.get::<_, String>(0), row.get::<_, Option<String>>(1)));
    match lacking {
        Some((user, Some(rights))) => {
            let sql = format!("GRANT {rights} ON {name} TO {user};");
            Err(unfit(format!("the user {user} lacks the right to {rights}"), sql))
        }
        _ => {
            let may_lack_names =
                KEY_COLUMNS.iter().any(|column| found.get(*column).is_none_or(|found| found.may_be_null));
            Ok(Fit::Present { may_lack_names })
        }
    }
}

fn column(row: &Row) -> FoundColumn {
    FoundColumn {
        kind: row.get(1),
        is_demanded: row.get(2),
        may_be_null: row.get(3),
        is_stored: row.get(4),
        is_virtual: row.get(5),
        is_identity: row.get(6),
    }
}

fn index(row: &Row) -> UniqueIndex {
    UniqueIndex {
        constraint: row.get(0),
        name: row.get(1),
        is_primary: row.get(2),
        is_exclusion: row.get(3),
        is_deferrable: row.get(4),
        columns: row.get(5),
        definition: row.get(6),
        references: row.get(7),
    }
}

/// What a relation is, by its `relkind`; none if it is a table.
fn other_kind(kind: &str) -> Option<&'static str> {
    match kind {
        "r" | "p" => None,
        "v" => Some("a view"),
        "m" => Some("a materialized view"),
        "f" => Some("a foreign table"),
        "S" => Some("a sequence"),
        "i" | "I" => Some("an index"),
        _ => Some("no table"),
    }
}

/// The statement that makes the table.
fn statement(table: &str) -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(column, kind)| format!("{column} {kind}{}", if *column == "value" { "" } else { " NOT NULL" }))
        .collect();
    let (name, columns) = (quoted_table(table), columns.join(", "));
    format!("CREATE TABLE IF NOT EXISTS {name} ({columns}, PRIMARY KEY (list, position));")
}

fn not_created(table: &str, sql: String, error: &postgres::Error) -> DestinationError {
    let problem = format!("it is missing and cannot be created: {}", error_text(error));
    DestinationError::Unfit { table: table.to_owned(), problem, sql }
}
