//! The columns that identify a row of a table in the server's log, and the reasons why its changes cannot be followed.

use std::hash::Hasher as _;

use postgres::GenericClient;
use postgres::types::{ToSql, Type};
use siphasher::sip::SipHasher13;

use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::names::{self, SourceTable, Tables};

/// One row if the table exists: its number and kind, the columns that identify a row, and an index that could identify rows.
///
/// An index that is checked only at the end of a transaction identifies no rows: the server does not accept it as a replica
/// identity, and refuses UPDATE and DELETE of a published table without one.
const IDENTITY: &str = "
    SELECT c.oid, c.relkind::text, c.relpersistence::text, c.relreplident::text,
           EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
           ARRAY(SELECT a.attname::text
                 FROM unnest(k.indkey::int2[]) WITH ORDINALITY AS u (attnum, place)
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum
                 WHERE u.place <= k.indnkeyatts
                 ORDER BY u.place),
           EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
                     AND i.indnkeyatts = 1 AND a.attname::text = $2),
           (SELECT n.relname::text
            FROM pg_index i
            JOIN pg_class n ON n.oid = i.indexrelid
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
              AND i.indnkeyatts = 1 AND a.attnotnull AND a.attname::text = $2
            LIMIT 1),
           d.conname::text,
           ARRAY(SELECT a.attname::text
                 FROM unnest(d.conkey) WITH ORDINALITY AS u (attnum, place)
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum
                 ORDER BY u.place),
           ARRAY(SELECT concat_ws(' ', a.attname, a.attnum, a.atttypid, a.atttypmod, (
                     WITH RECURSIVE behind (oid) AS (
                         SELECT a.atttypid
                         UNION
                         SELECT inner_type
                         FROM behind
                         JOIN pg_type t ON t.oid = behind.oid
                         CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS inner_types (inner_type)
                         WHERE inner_type <> 0)
                     SELECT md5(string_agg(concat(e.oid, '=', e.enumlabel), ' ' ORDER BY e.oid))
                     FROM behind JOIN pg_enum e ON e.enumtypid = behind.oid))
                 FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND NOT a.attisdropped
                   AND (a.attname::text = ANY ($3) OR a.attnum = ANY (k.indkey::int2[]))
                 ORDER BY a.attnum),
           c.relfilenode
    FROM pg_class c
    LEFT JOIN pg_index k ON k.indrelid = c.oid AND k.indisvalid AND k.indimmediate
         AND CASE WHEN c.relreplident = 'i' THEN k.indisreplident ELSE k.indisprimary END
    LEFT JOIN pg_constraint d ON d.conrelid = c.oid AND d.contype = 'p' AND d.condeferrable
    WHERE c.oid = to_regclass($1)";

const REFRESH: &str = "or set [postgres] mode = \"refresh\"";

/// How rows of a table are identified in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The table's number in the log.
    pub(crate) relation: u32,
    /// The columns that identify a row.
    pub(crate) key: Vec<String>,
    /// Whether the log holds old rows whole. Then a publication must not leave out columns.
    pub(crate) full: bool,
    /// Whether a used column is generated: it is published only if the publication lists its columns.
    pub(crate) listed: bool,
    /// The used columns and the key's: name, number, type, and the labels of the enums behind the type. If one of them
    /// differs, values may have changed without a row in the log.
    pub(crate) columns: Vec<String>,
    /// The number of the file with the rows. The server assigns a new one when a statement rewrites all rows, and then
    /// `ALTER TABLE … ALTER COLUMN … TYPE … USING` may have changed every value.
    pub(crate) file: u32,
}

impl Identity {
    /// For a table whose rows are identified by these columns; everything else is unknown.
    pub(crate) fn by_key(relation: u32, key: Vec<String>) -> Identity {
        Identity { relation, key, full: false, listed: false, columns: Vec::new(), file: 0 }
    }

    /// Differs if a statement may have changed values of the table without a row in the log. Stable across processes.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write_u32(self.relation);
        hasher.write_u32(self.file);
        hasher.write_u8(u8::from(self.full));
        for text in self.key.iter().chain(&self.columns) {
            hasher.write(text.as_bytes());
            hasher.write_u8(0);
        }
        hasher.finish()
    }
}

/// The identity of the table's rows, or why its changes cannot be followed; none if the table does not exist.
pub(crate) fn read(
    client: &mut impl GenericClient,
    tables: &Tables,
    which: SourceTable,
) -> Result<Option<Result<Identity, Diagnostic>>, postgres::Error> {
    let name = tables.name(which);
    let used = tables.columns(which);
    let id = used[0];
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&names::table(name), Type::TEXT), (&id, Type::TEXT), (&used, Type::TEXT_ARRAY)];
    let rows = client.query_typed(IDENTITY, &parameters)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let found = CatalogEntry {
        tables,
        which,
        id,
        relation: row.get(0),
        kind: row.get(1),
        persistence: row.get(2),
        identity: row.get(3),
        has_children: row.get(4),
        key: row.get(5),
        id_unique: row.get(6),
        index: row.get(7),
        deferrable: row.get::<_, Option<String>>(8).map(|name| (name, row.get(9))),
        columns: columns(row.get(10), tables, which),
        file: row.get(11),
    };
    Ok(Some(found.judge()))
}

/// The columns, and the values of the status that count: rows that were read with other values lack orders.
fn columns(mut columns: Vec<String>, tables: &Tables, which: SourceTable) -> Vec<String> {
    if let (SourceTable::Orders, Some(status)) = (which, &tables.orders.status) {
        columns.push(format!("orders count with {:?} in {}", status.counting, status.column));
    }
    columns
}

/// A table as the catalogue of the database describes it.
struct CatalogEntry<'a> {
    tables: &'a Tables,
    which: SourceTable,
    /// The first column that is read: for orders and products, the column of their id.
    id: &'a str,
    relation: u32,
    kind: String,
    persistence: String,
    identity: String,
    has_children: bool,
    /// The columns that identify a row, in the order of the index.
    key: Vec<String>,
    id_unique: bool,
    /// An index that could identify rows by `id`.
    index: Option<String>,
    /// A primary key that identifies no rows: its name and columns.
    deferrable: Option<(String, Vec<String>)>,
    /// The used columns, with their definitions.
    columns: Vec<String>,
    file: u32,
}

impl CatalogEntry<'_> {
    fn judge(self) -> Result<Identity, Diagnostic> {
        let name = self.tables.name(self.which);
        let sql = names::table(name);
        let refuse = |problem: String, mend: String| Err(Diagnostic { problem, mend: format!("{mend} {REFRESH}") });
        let other = match &*self.kind {
            "r" if self.has_children => Some("has tables that inherit from it"),
            "r" => None,
            "p" => Some("is partitioned"),
            "v" | "m" => Some("is a view"),
            "f" => Some("is a foreign table"),
            _ => Some("is no table"),
        };
        if let Some(other) = other {
            return Err(Diagnostic {
                problem: format!(
                    "{name} {other}: the server's log does not have all changes of its rows under its name"
                ),
                mend: match &*self.kind {
                    "v" | "m" => format!(
                        "set [postgres.tables.{}] name to the table behind the view, {REFRESH}",
                        self.which.section()
                    ),
                    _ => "set [postgres] mode = \"refresh\"".to_owned(),
                },
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
        if self.identity == "i" && self.key.is_empty() {
            return refuse(
                format!("the index that is the REPLICA IDENTITY of table {name} is gone: changed rows cannot be told"),
                format!("ALTER TABLE {sql} REPLICA IDENTITY DEFAULT;"),
            );
        }
        let full = self.identity == "f";
        let told = match self.which {
            SourceTable::OrderItems => !self.key.is_empty(),
            SourceTable::Orders | SourceTable::Products => {
                self.id_unique && (full || self.key.iter().any(|name| name == self.id))
            }
        };
        if !told {
            return refuse(self.problem(name), self.mend(&sql));
        }
        let key = if full && self.which != SourceTable::OrderItems { vec![self.id.to_owned()] } else { self.key };
        Ok(Identity { relation: self.relation, key, full, listed: false, columns: self.columns, file: self.file })
    }

    fn problem(&self, name: &str) -> String {
        let id = self.id;
        match &self.deferrable {
            Some(_) if self.key.is_empty() => {
                format!("the primary key of table {name} is deferrable, and such a key tells no changed rows")
            }
            None if self.key.is_empty() => format!("table {name} has no primary key: changed rows cannot be told"),
            _ if self.id_unique => {
                let key = self.key.join(", ");
                format!("rows of table {name} are told by {key} in the server's log, and not by {id}")
            }
            _ => format!("{id} of table {name} is not unique at every moment: changed rows cannot be told"),
        }
    }

    fn mend(&self, sql: &str) -> String {
        let id = names::column(self.id);
        let list = |names: Vec<&str>| names.into_iter().map(names::column).collect::<Vec<_>>().join(", ");
        match (&self.index, &self.deferrable) {
            (Some(index), _) if self.which != SourceTable::OrderItems => {
                format!("ALTER TABLE {sql} REPLICA IDENTITY USING INDEX {};", names::column(index))
            }
            (_, Some((name, columns))) if self.key.is_empty() => format!(
                "ALTER TABLE {sql} DROP CONSTRAINT {}, ADD PRIMARY KEY ({});",
                names::column(name),
                list(columns.iter().map(String::as_str).collect())
            ),
            _ if self.which == SourceTable::OrderItems => format!(
                "ALTER TABLE {sql} ADD PRIMARY KEY ({}); or, if lines may repeat, ALTER TABLE {sql} ADD COLUMN line_id \
                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;",
                list(self.tables.columns(self.which)[..2].to_vec())
            ),
            _ if self.key.is_empty() => format!("ALTER TABLE {sql} ADD PRIMARY KEY ({id});"),
            _ => {
                let index = format!("{}_by_id", self.which.section());
                format!(
                    "ALTER TABLE {sql} ALTER COLUMN {id} SET NOT NULL, ADD CONSTRAINT {index} UNIQUE ({id}); ALTER TABLE \
                     {sql} REPLICA IDENTITY USING INDEX {index};"
                )
            }
        }
    }
}
