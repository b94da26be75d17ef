//! The table of a copy: checked, and made if it is missing.

use std::collections::BTreeMap;

use postgres::Row;
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

/// The columns that name a row.
const KEY_COLUMNS: [&str; 2] = ["list", "position"];

/// What has the name of the table; no row: nothing.
const RELATION: &str = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)";

/// The columns of a table: name, type, whether a row needs a value that has no default, and whether it may lack one.
const FOUND: &str = "
    SELECT a.attname::text, format_type(a.atttypid, NULL),
           a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = '', NOT a.attnotnull
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
    let column = |row: &Row| FoundColumn { kind: row.get(1), is_demanded: row.get(2), may_be_null: row.get(3) };
    let found: BTreeMap<String, FoundColumn> = rows.iter().map(|row| (row.get(0), column(row))).collect();
    let key = connection.query_typed(KEY, &[(&name, Type::TEXT)]).map_err(asking)?;
    let has_key = key.first().is_some_and(|row| row.get(0));
    let problems = problems(&found, has_key);
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

/// A column that the table has.
struct FoundColumn {
    kind: String,
    is_demanded: bool,
    may_be_null: bool,
}

/// Why a table cannot hold lists.
struct TableProblem {
    words: String,
    /// The change of the table that mends it, as a part of `ALTER TABLE`; none: the key has to be made.
    change: Option<String>,
    /// Whether the change takes the key away, if there is one.
    loses_key: bool,
}

/// What is wrong with the columns and the key.
fn problems(found: &BTreeMap<String, FoundColumn>, has_key: bool) -> Vec<TableProblem> {
    let mut problems = Vec::new();
    for (column, kind) in COLUMNS {
        let (quoted, loses_key) = (quoted_name(column), KEY_COLUMNS.contains(&column));
        let (words, change) = match found.get(column) {
            None => (format!("there is no column {column}"), format!("ADD COLUMN {quoted} {kind}")),
            Some(FoundColumn { kind: other, .. }) if other != kind => (
                format!("column {column} is {other} and not {kind}"),
                format!("DROP COLUMN {quoted}, ADD COLUMN {quoted} {kind}"),
            ),
            Some(_) => continue,
        };
        problems.push(TableProblem { words, change: Some(change), loses_key });
    }
    let is_own = |name: &String| COLUMNS.iter().any(|(column, _)| column == name);
    for (name, _) in found.iter().filter(|(name, column)| column.is_demanded && !is_own(name)) {
        problems.push(TableProblem {
            words: format!("column {name} must have a value"),
            change: Some(format!("ALTER COLUMN {} DROP NOT NULL", quoted_name(name))),
            loses_key: false,
        });
    }
    if !has_key {
        let words = "(list, position) is not unique".into();
        problems.push(TableProblem { words, change: None, loses_key: true });
    }
    problems
}

/// The statements that mend the table. `name` is quoted.
fn mend(name: &str, problems: &[TableProblem]) -> String {
    let changes: Vec<&str> = problems.iter().filter_map(|problem| problem.change.as_deref()).collect();
    let mut statements = Vec::new();
    if !changes.is_empty() {
        statements.push(format!("ALTER TABLE {name} {};", changes.join(", ")));
    }
    if problems.iter().any(|problem| problem.loses_key) {
        let columns = KEY_COLUMNS.map(quoted_name);
        let not_null = columns.clone().map(|column| format!(", ALTER COLUMN {column} SET NOT NULL")).concat();
        statements.push(format!("{};", unnamed_rows(name)));
        // Which of several rows stays does not matter: the next comparison puts it right.
        let same = columns.clone().map(|column| format!("one.{column} = other.{column} AND ")).concat();
        statements.push(format!("DELETE FROM {name} AS one USING {name} AS other WHERE {same}one.ctid > other.ctid;"));
        statements.push(format!("ALTER TABLE {name} ADD UNIQUE ({}){not_null};", columns.join(", ")));
    }
    statements.join(" ")
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

    /// The statements that give each row a name.
    const NAMED: &str = "DELETE FROM lists WHERE \"list\" IS NULL OR \"position\" IS NULL; \
                         DELETE FROM lists AS one USING lists AS other WHERE one.\"list\" = other.\"list\" AND \
                         one.\"position\" = other.\"position\" AND one.ctid > other.ctid; \
                         ALTER TABLE lists ADD UNIQUE (\"list\", \"position\"), ALTER COLUMN \"list\" SET NOT NULL, \
                         ALTER COLUMN \"position\" SET NOT NULL;";

    #[test]
    fn other_columns_are_named_with_the_change_that_mends_them() {
        let column =
            |kind: &str, is_demanded| FoundColumn { kind: kind.into(), is_demanded, may_be_null: !is_demanded };
        let mut found: BTreeMap<String, FoundColumn> =
            COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), column(kind, true))).collect();
        assert!(problems(&found, true).is_empty());
        found.insert("note".into(), column("text", false));
        assert!(problems(&found, true).is_empty(), "a column that may be empty is no problem");
        found.insert("shop".into(), column("text", true));
        found.insert("value".into(), column("integer", false));
        found.remove("as_of");
        let wrong = problems(&found, false);
        let said: Vec<&str> = wrong.iter().map(|problem| &*problem.words).collect();
        assert_eq!(
            said,
            [
                "column value is integer and not double precision",
                "there is no column as_of",
                "column shop must have a value",
                "(list, position) is not unique"
            ]
        );
        let changes = "ALTER TABLE lists DROP COLUMN \"value\", ADD COLUMN \"value\" double precision, \
                       ADD COLUMN \"as_of\" timestamp with time zone, ALTER COLUMN \"shop\" DROP NOT NULL;";
        assert_eq!(mend("lists", &wrong[..3]), changes);
        assert_eq!(mend("lists", &wrong), format!("{changes} {NAMED}"));
    }

    #[test]
    fn a_new_column_of_the_key_needs_a_new_key() {
        let column = |kind: &str| FoundColumn { kind: kind.into(), is_demanded: false, may_be_null: true };
        let mut found: BTreeMap<String, FoundColumn> =
            COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), column(kind))).collect();
        found.insert("list".into(), column("integer"));
        let changed = "ALTER TABLE lists DROP COLUMN \"list\", ADD COLUMN \"list\" text;";
        assert_eq!(mend("lists", &problems(&found, true)), format!("{changed} {NAMED}"));
    }
}
