//! One reading of the table: its columns, and the text of every value.

use std::fmt;

use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{GenericClient, Row};

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

/// The name of the session's user, as SQL writes it.
const USER: &str = "SELECT quote_ident(current_user)";

/// The table cannot be read. It is tried again.
#[derive(Debug)]
pub enum ReadError {
    /// There is no connection.
    Connection(NoConnection),
    /// The connection, or the server.
    Server {
        /// The name of the table.
        table: String,
        /// The error.
        error: postgres::Error,
        /// The statement that gives the user a missing right, if that is the reason.
        grant: Option<String>,
    },
    /// The table does not exist.
    NoTable(String),
    /// A column does not exist.
    NoColumn {
        /// The name of the table.
        table: String,
        /// The name of the column.
        column: String,
        /// The setting that names it.
        setting: &'static str,
    },
    /// There are too many rows.
    TooLarge(String),
}

impl ReadError {
    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            ReadError::Connection(error) => error.to_string(),
            ReadError::Server { table, error, .. } => format!("table {table} cannot be read: {}", error_text(error)),
            ReadError::NoTable(table) => format!("table {table} does not exist in this database"),
            ReadError::NoColumn { table, column, .. } => format!("table {table} has no column {column}"),
            ReadError::TooLarge(table) => format!("table {table} has more than {ROWS_MAX} rows"),
        }
    }

    /// The way to mend it, where one is known.
    #[must_use]
    pub fn mend(&self) -> Option<String> {
        match self {
            ReadError::Connection(_) => None,
            ReadError::Server { grant, .. } => grant.clone(),
            ReadError::NoTable(_) => Some(
                "make it as docs/merchandising.md says, or set [postgres.tables.rules] name to the table with the rules"
                    .to_owned(),
            ),
            ReadError::NoColumn { table: name, column, setting } => Some(format!(
                "set [postgres.tables.rules] {setting} to the right column, or to \"\" if there is none, or ALTER TABLE {} ADD \
                 COLUMN {};",
                table(name),
                column_sql(column, setting)
            )),
            ReadError::TooLarge(_) => Some("delete rules that are over, or name a view without them".to_owned()),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.problem())?;
        self.mend().map_or(Ok(()), |mend| write!(out, "; to mend it: {mend}"))
    }
}

impl std::error::Error for ReadError {}

impl From<NoConnection> for ReadError {
    fn from(error: NoConnection) -> ReadError {
        ReadError::Connection(error)
    }
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
    let found = client.query_typed(TABLE_COLUMNS, &[(&table(name), Type::TEXT)]);
    // Names of tables are looked up for those who may use the schema.
    let schema = name.split_once('.').map_or("public", |(schema, _)| schema);
    let right = format!("USAGE ON SCHEMA {}", column(schema));
    let found = found.map_err(|error| failed(client, name, error, &right))?;
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
    let rows = client
        .query_typed(&query, &[])
        .map_err(|error| failed(client, name, error, &format!("SELECT ON {}", table(name))))?;
    if rows.len() > ROWS_MAX {
        return Err(ReadError::TooLarge(name.to_owned()));
    }
    Ok(rows.iter().map(row).collect())
}

/// The error of a query that needs this right.
fn failed(client: &mut impl GenericClient, name: &str, error: postgres::Error, right: &str) -> ReadError {
    let is_denied = error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
    let user = is_denied.then(|| client.query_typed(USER, &[]).ok()).flatten();
    let user: Option<String> = user.and_then(|rows| rows.first().map(|row| row.get(0)));
    let grant = user.map(|user| format!("GRANT {right} TO {user};"));
    ReadError::Server { table: name.to_owned(), error, grant }
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
