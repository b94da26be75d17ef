//! One reading of the table: its columns, and the text of every value.

use postgres::types::Type;
use postgres::{GenericClient, Row};
use thiserror::Error;

use super::row::{COLUMNS, CellText, RuleRow};
use crate::postgres::names::{RuleTable, column, table};
use crate::postgres::session::connection::NoConnection;
use crate::postgres::session::error_text::error_text;

/// The most rows of a table of rules; a larger table is not one.
const ROWS_MAX: usize = 10_000;

/// The characters of a value that are read: more than any value of a rule has.
const CHARACTERS_MAX: usize = 300;

/// The columns of a table with the numbers of their types; none if there is no such table.
const TABLE_COLUMNS: &str = "
    SELECT attname::text, atttypid FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";

/// The table cannot be read. It is tried again.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no connection.
    #[error(transparent)]
    Connection(#[from] NoConnection),
    /// The connection, or the server.
    #[error("table {table} cannot be read: {}", error_text(.error))]
    Server {
        /// The name of the table.
        table: String,
        /// The error.
        error: postgres::Error,
    },
    /// The table does not exist.
    #[error(
        "table {0} does not exist in this database; to mend it: make it as docs/merchandising.md says, or set \
         [postgres.tables.rules] name to the table with the rules"
    )]
    NoTable(String),
    /// A column does not exist.
    #[error(
        "table {table} has no column {column}; to mend it: set [postgres.tables.rules] {setting} to the right column, or to \
         \"\" if there is none, or ALTER TABLE {} ADD COLUMN {};", quoted(.table), column_sql(.column, .setting)
    )]
    NoColumn {
        /// The name of the table.
        table: String,
        /// The name of the column.
        column: String,
        /// The setting that names it.
        setting: &'static str,
    },
    /// There are too many rows.
    #[error(
        "table {0} has more than {ROWS_MAX} rows; to mend it: delete rules that are over, or name a view without them"
    )]
    TooLarge(String),
}

fn quoted(name: &str) -> String {
    table(name)
}

fn column_sql(name: &str, setting: &str) -> String {
    let kind = match setting {
        "position" | "n" => "integer",
        "from" | "until" => "timestamptz",
        _ => "text",
    };
    format!("{} {kind}", column(name))
}

/// All rows. Times without a zone are taken to be in `zone`, or else in that of the session.
pub(super) fn read(
    client: &mut impl GenericClient,
    name: &str,
    rules: &RuleTable,
    zone: Option<&str>,
) -> Result<Vec<RuleRow>, ReadError> {
    let failed = |error| ReadError::Server { table: name.to_owned(), error };
    let found = client.query_typed(TABLE_COLUMNS, &[(&table(name), Type::TEXT)]).map_err(failed)?;
    if found.is_empty() {
        return Err(ReadError::NoTable(name.to_owned()));
    }
    let found: Vec<(String, u32)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut values = Vec::with_capacity(COLUMNS);
    for (setting, named) in rules.columns() {
        values.push(match named {
            None => "NULL::text".to_owned(),
            Some(named) => {
                let kind = found.iter().find(|(column, _)| column == named).map(|(_, kind)| *kind);
                let missing = || ReadError::NoColumn { table: name.to_owned(), column: named.to_owned(), setting };
                value(named, kind.ok_or_else(missing)?, zone)
            }
        });
    }
    let query = format!("SELECT {} FROM {} LIMIT {}", values.join(", "), table(name), ROWS_MAX + 1);
    let rows = client.query_typed(&query, &[]).map_err(failed)?;
    if rows.len() > ROWS_MAX {
        return Err(ReadError::TooLarge(name.to_owned()));
    }
    Ok(rows.iter().map(row).collect())
}

/// The SQL for the text of a column's value: times as RFC 3339, all others as the server writes them.
fn value(named: &str, kind: u32, zone: Option<&str>) -> String {
    let column = column(named);
    let at = match kind {
        kind if kind == Type::TIMESTAMPTZ.oid() => Some(column.clone()),
        kind if kind == Type::TIMESTAMP.oid() || kind == Type::DATE.oid() => Some(match zone {
            Some(zone) => format!("({column}::timestamp AT TIME ZONE '{}')", zone.replace('\'', "''")),
            None => format!("{column}::timestamptz"),
        }),
        _ => None,
    };
    match at {
        Some(at) => format!(
            "CASE WHEN isfinite({at}) THEN to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') \
             ELSE ({at})::text END"
        ),
        None => format!("left({column}::text, {CHARACTERS_MAX})"),
    }
}

fn row(row: &Row) -> RuleRow {
    // Only a database whose encoding is not checked holds text that is not UTF-8.
    let text = |at| {
        row.try_get::<_, Option<String>>(at).map_or(CellText::NotUtf8, |text| text.map_or(CellText::Null, CellText::Is))
    };
    RuleRow(std::array::from_fn(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_the_same_whatever_the_session_shows() {
        let local = value("a\"b", Type::DATE.oid(), Some("Europe/O'Brien"));
        assert!(local.contains(r#"("a""b"::timestamp AT TIME ZONE 'Europe/O''Brien')"#), "{local}");
        assert!(value("a", Type::TIMESTAMP.oid(), None).starts_with(r#"CASE WHEN isfinite("a"::timestamptz)"#));
        assert_eq!(value("n", Type::INT4.oid(), Some("UTC")), r#"left("n"::text, 300)"#);
    }

    #[test]
    fn a_missing_column_is_named_with_its_repair() {
        let [table, column] = ["shop.rules", "valid_from"].map(str::to_owned);
        let error = ReadError::NoColumn { table, column, setting: "from" }.to_string();
        assert!(error.ends_with(r#"ALTER TABLE "shop"."rules" ADD COLUMN "valid_from" timestamptz;"#), "{error}");
    }
}
