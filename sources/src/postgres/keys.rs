//! How the rows of a table are told apart in the server's log, and what keeps its changes from being followed.

use postgres::GenericClient;
use postgres::types::Type;

use super::inspect::Finding;
use super::names::{self, Tables, Which};

/// One row, if there is such a table: its number, what it is, what identifies its rows, and what could.
const IDENTITY: &str = "
    SELECT c.oid, c.relkind::text, c.relpersistence::text, c.relreplident::text,
           EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
           ARRAY(SELECT a.attname::text
                 FROM pg_index i
                 CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                 WHERE i.indrelid = c.oid AND k.place <= i.indnkeyatts
                   AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END
                 ORDER BY k.place),
           EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                     AND i.indnkeyatts = 1 AND a.attname::text = $2),
           (SELECT n.relname::text
            FROM pg_index i
            JOIN pg_class n ON n.oid = i.indexrelid
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
              AND i.indnkeyatts = 1 AND a.attnotnull AND a.attname::text = $2
            LIMIT 1)
    FROM pg_class c WHERE c.oid = to_regclass($1)";

const REFRESH: &str = "or set [postgres] mode = \"refresh\"";

/// How rows of a table are known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The table's number in the log.
    pub(super) relation: u32,
    /// The columns whose values tell the row.
    pub(super) key: Vec<String>,
    /// Old rows come whole, and a publication must not leave out columns.
    pub(super) full: bool,
}

/// How rows of this table are known again, or what keeps its changes from being followed. None: no such table.
pub(super) fn read(
    client: &mut impl GenericClient,
    tables: &Tables,
    which: Which,
) -> Result<Option<Result<Identity, Finding>>, postgres::Error> {
    let name = tables.name(which);
    let id = tables.columns(which)[0];
    let rows = client.query_typed(IDENTITY, &[(&names::table(name), Type::TEXT), (&id, Type::TEXT)])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let found = Found {
        tables,
        which,
        id,
        relation: row.get(0),
        kind: row.get(1),
        persistence: row.get(2),
        identity: row.get(3),
        has_children: row.get(4),
        columns: row.get(5),
        id_unique: row.get(6),
        index: row.get(7),
    };
    Ok(Some(found.judge()))
}

/// A table as the catalogue of the database describes it.
struct Found<'a> {
    tables: &'a Tables,
    which: Which,
    /// The first column that is read: for orders and products, that of their id.
    id: &'a str,
    relation: u32,
    kind: String,
    persistence: String,
    identity: String,
    has_children: bool,
    /// What identifies a row, in the order of the index.
    columns: Vec<String>,
    id_unique: bool,
    /// An index that could identify rows by `id`.
    index: Option<String>,
}

impl Found<'_> {
    fn judge(self) -> Result<Identity, Finding> {
        let name = self.tables.name(self.which);
        let sql = names::table(name);
        let refuse = |problem: String, mend: String| Err(Finding { problem, mend: format!("{mend} {REFRESH}") });
        if self.kind != "r" || self.has_children {
            return Err(Finding {
                problem: format!(
                    "table {name} is a view or is made of several tables: the server's log does not tell all that becomes \
                     of it"
                ),
                mend: "set [postgres] mode = \"refresh\"".to_owned(),
            });
        }
        if self.persistence != "p" {
            return refuse(
                format!("table {name} is unlogged or temporary: its changes are in no log"),
                format!("ALTER TABLE {sql} SET LOGGED;"),
            );
        }
        if self.identity == "n" {
            return refuse(
                format!("table {name} has REPLICA IDENTITY NOTHING: changed rows cannot be told"),
                format!("ALTER TABLE {sql} REPLICA IDENTITY DEFAULT;"),
            );
        }
        let full = self.identity == "f";
        match self.which {
            Which::OrderItems if self.columns.is_empty() => {
                let columns: Vec<String> = self.tables.columns(self.which).into_iter().map(names::column).collect();
                refuse(
                    format!("table {name} has no primary key: changed rows cannot be told"),
                    format!(
                        "ALTER TABLE {sql} ADD PRIMARY KEY ({}); or, if lines may repeat, ALTER TABLE {sql} ADD COLUMN \
                         line_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;",
                        columns.join(", ")
                    ),
                )
            }
            Which::OrderItems => Ok(Identity { relation: self.relation, key: self.columns, full }),
            Which::Orders | Which::Products => {
                let told = full || self.columns.iter().any(|column| column == self.id);
                if told && self.id_unique {
                    let key = if full { vec![self.id.to_owned()] } else { self.columns };
                    return Ok(Identity { relation: self.relation, key, full });
                }
                refuse(self.problem(name), self.mend(&sql))
            }
        }
    }

    fn problem(&self, name: &str) -> String {
        let id = self.id;
        if self.columns.is_empty() {
            format!("table {name} has no primary key: changed rows cannot be told")
        } else if self.id_unique {
            let columns = self.columns.join(", ");
            format!("rows of table {name} are told by {columns} in the server's log, and not by {id}")
        } else {
            format!("{id} of table {name} is not unique: changed rows cannot be told")
        }
    }

    fn mend(&self, sql: &str) -> String {
        let id = names::column(self.id);
        match &self.index {
            Some(index) => format!("ALTER TABLE {sql} REPLICA IDENTITY USING INDEX {};", names::column(index)),
            None if self.columns.is_empty() => format!("ALTER TABLE {sql} ADD PRIMARY KEY ({id});"),
            None => {
                let index = format!("{}_by_id", self.which.section());
                format!(
                    "ALTER TABLE {sql} ALTER COLUMN {id} SET NOT NULL, ADD CONSTRAINT {index} UNIQUE ({id}); ALTER TABLE \
                     {sql} REPLICA IDENTITY USING INDEX {index};"
                )
            }
        }
    }
}
