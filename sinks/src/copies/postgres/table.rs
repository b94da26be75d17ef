//! The table of a copy: made if it is missing, and checked if it is there.

use std::collections::BTreeMap;

use postgres::types::Type;
use sources::postgres::{Connection, error_text, quoted_name, quoted_table};

use super::refused;
use crate::copies::destination::DestinationError;

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

/// Makes the table if it is missing, and checks that it can hold lists.
pub(super) fn prepare(connection: &mut Connection, table: &str) -> Result<(), DestinationError> {
    let name = quoted_table(table);
    let asking = |error: postgres::Error| refused("asking for the table's columns", &error);
    let mut rows = connection.query_typed(FOUND, &[(&name, Type::TEXT)]).map_err(asking)?;
    if rows.is_empty() {
        create(connection, table)?;
        rows = connection.query_typed(FOUND, &[(&name, Type::TEXT)]).map_err(asking)?;
    }
    let found: BTreeMap<String, FoundColumn> =
        rows.iter().map(|row| (row.get(0), FoundColumn { kind: row.get(1), is_demanded: row.get(2) })).collect();
    let key = connection.query_typed(KEY, &[(&name, Type::TEXT)]).map_err(asking)?;
    let has_key = key.first().is_some_and(|row| row.get(0));
    match problems(&found, has_key) {
        problems if problems.is_empty() => Ok(()),
        problems => {
            let (problem, changes): (Vec<String>, Vec<String>) = problems.into_iter().unzip();
            Err(DestinationError::Columns {
                table: table.to_owned(),
                problem: problem.join(", "),
                sql: format!("ALTER TABLE {name} {};", changes.join(", ")),
            })
        }
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

fn create(connection: &mut Connection, table: &str) -> Result<(), DestinationError> {
    let name = quoted_table(table);
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(column, kind)| format!("{column} {kind}{}", if *column == "value" { "" } else { " NOT NULL" }))
        .collect();
    let sql = format!("CREATE TABLE IF NOT EXISTS {name} ({}, PRIMARY KEY (list, position));", columns.join(", "));
    let created = connection.batch_execute(&sql);
    created.map_err(|error| DestinationError::Columns {
        table: table.to_owned(),
        problem: format!("it is missing and cannot be created: {}", error_text(&error)),
        sql,
    })?;
    tracing::info!(table, "created the table of a copy of lists");
    Ok(())
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
