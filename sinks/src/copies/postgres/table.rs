//! The table of a copy: checked, and made if it is missing.

use std::collections::BTreeMap;

use postgres::types::Type;
use sources::postgres::{Connection, error_text, quoted_name, quoted_table};

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

/// The columns of a table: name, type, and whether a row needs a value that it does not get by itself.
const FOUND: &str = "
    SELECT a.attname::text, format_type(a.atttypid, NULL),
           a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = ''
    FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";

/// Whether a list has each position once.
const KEY: &str = "
    SELECT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 2
          AND ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                    ORDER BY 1) = ARRAY['list', 'position'])";

/// What this user may not do with the table, and the user's name as SQL quotes it. All rights but DELETE may be granted for
/// single columns.
const RIGHTS: &str = "
    SELECT quote_ident(current_user), string_agg(wanted, ', ') FILTER (WHERE NOT CASE wanted
        WHEN 'DELETE' THEN has_table_privilege(to_regclass($1), wanted)
        ELSE has_any_column_privilege(to_regclass($1), wanted) END)
    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted";

/// Another session may hold a lock, such as one that makes the table as well.
const PATIENCE: &str = "SET LOCAL lock_timeout = '1s'";

/// Makes the table if it is missing, and checks that it can hold lists.
pub(super) fn prepare(connection: &mut Connection, table: &str) -> Result<(), DestinationError> {
    if check(connection, table)? == Presence::Missing {
        let sql = statement(table);
        connection.batch_execute(&sql).map_err(|error| not_created(table, sql, &error))?;
        tracing::info!(table, "created the table of a copy of lists");
        check(connection, table)?;
    }
    Ok(())
}

/// Checks that the table can hold lists, or could be made. Changes nothing: the table is made in a transaction that is
/// rolled back.
pub(super) fn inspect(connection: &mut Connection, table: &str) -> Result<Presence, DestinationError> {
    let presence = check(connection, table)?;
    if presence == Presence::Missing {
        let sql = statement(table);
        let attempt = connection.transaction().and_then(|mut transaction| {
            transaction.batch_execute(&format!("{PATIENCE}; {sql}"))?;
            transaction.rollback()
        });
        attempt.map_err(|error| not_created(table, sql, &error))?;
    }
    Ok(presence)
}

/// Checks the columns and the key of the table, and what this user may do with it.
fn check(connection: &mut Connection, table: &str) -> Result<Presence, DestinationError> {
    let name = quoted_table(table);
    let asking = |error: postgres::Error| refused("asking for the table's columns", &error);
    let rows = connection.query_typed(FOUND, &[(&name, Type::TEXT)]).map_err(asking)?;
    if rows.is_empty() {
        return Ok(Presence::Missing);
    }
    let unfit = |problem: String, sql: String| DestinationError::Unfit { table: table.to_owned(), problem, sql };
    let found: BTreeMap<String, FoundColumn> =
        rows.iter().map(|row| (row.get(0), FoundColumn { kind: row.get(1), is_demanded: row.get(2) })).collect();
    let key = connection.query_typed(KEY, &[(&name, Type::TEXT)]).map_err(asking)?;
    let has_key = key.first().is_some_and(|row| row.get(0));
    let (problems, changes): (Vec<String>, Vec<String>) = problems(&found, has_key).into_iter().unzip();
    if !problems.is_empty() {
        return Err(unfit(problems.join(", "), format!("ALTER TABLE {name} {};", changes.join(", "))));
    }
    let rights = connection.query_typed(RIGHTS, &[(&name, Type::TEXT)]).map_err(asking)?;
    let lacking = rights.first().map(|row| (row.get::<_, String>(0), row.get::<_, Option<String>>(1)));
    match lacking {
        Some((user, Some(rights))) => {
            let sql = format!("GRANT {rights} ON {name} TO {user};");
            Err(unfit(format!("the user {user} lacks the right to {rights}"), sql))
        }
        _ => Ok(Presence::Present),
    }
}

/// A column that the table has.
struct FoundColumn {
    kind: String,
    is_demanded: bool,
}

/// What is wrong with the columns, each with the change of the table that mends it.
fn problems(found: &BTreeMap<String, FoundColumn>, has_key: bool) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    for (column, kind) in COLUMNS {
        let quoted = quoted_name(column);
        match found.get(column) {
            None => problems.push((format!("there is no column {column}"), format!("ADD COLUMN {quoted} {kind}"))),
            Some(FoundColumn { kind: other, .. }) if other != kind => problems.push((
                format!("column {column} is {other} and not {kind}"),
                format!("DROP COLUMN {quoted}, ADD COLUMN {quoted} {kind}"),
            )),
            Some(_) => {}
        }
    }
    let is_own = |name: &String| COLUMNS.iter().any(|(column, _)| column == name);
    for (name, _) in found.iter().filter(|(name, column)| column.is_demanded && !is_own(name)) {
        problems.push((
            format!("column {name} must have a value"),
            format!("ALTER COLUMN {} DROP NOT NULL", quoted_name(name)),
        ));
    }
    if !has_key {
        problems.push(("(list, position) is not unique".into(), "ADD UNIQUE (list, position)".into()));
    }
    problems
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_columns_are_named_with_the_change_that_mends_them() {
        let column = |kind: &str, is_demanded| FoundColumn { kind: kind.into(), is_demanded };
        let mut found: BTreeMap<String, FoundColumn> =
            COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), column(kind, true))).collect();
        assert_eq!(problems(&found, true), []);
        found.insert("note".into(), column("text", false));
        assert_eq!(problems(&found, true), [], "a column that may be empty is no problem");
        found.insert("shop".into(), column("text", true));
        found.insert("value".into(), column("integer", false));
        found.remove("as_of");
        let (said, mended): (Vec<String>, Vec<String>) = problems(&found, false).into_iter().unzip();
        assert_eq!(
            said,
            [
                "column value is integer and not double precision",
                "there is no column as_of",
                "column shop must have a value",
                "(list, position) is not unique"
            ]
        );
        assert_eq!(mended[2], "ALTER COLUMN \"shop\" DROP NOT NULL");
    }
}
