//! The publication: the changes that the server sends, and the SQL that makes the publication fit the tables.

use std::fmt::Write as _;

use postgres::GenericClient;
use postgres::error::SqlState;
use postgres::types::Type;

use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::names::{self, SourceTable, Tables};
use crate::postgres::schema::keys::Identity;
use crate::postgres::session::error_text::error_text;

/// One row if the publication exists: whether it publishes every kind of change, and whether it publishes rows of one of
/// these tables, which is a partition, as rows of the partitioned table.
const PUBLICATION: &str = "
    SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate,
           pubviaroot AND EXISTS (SELECT FROM pg_class WHERE oid = ANY ($2) AND relispartition)
    FROM pg_publication WHERE pubname::text = $1";

/// One row for each of its tables: the table's number, those of these columns that are sent, whether rows are left out,
/// whether columns are listed, whether the table itself (and not all of its schema) is in the publication.
const TABLES: &str = "
    SELECT c.oid, ARRAY(SELECT name FROM unnest(t.attnames::text[]) AS sent (name) WHERE name = ANY ($2)),
           t.rowfilter IS NOT NULL, COALESCE(r.prattrs IS NOT NULL, false), r.oid IS NOT NULL
    FROM pg_publication p
    JOIN pg_publication_tables t ON t.pubname = p.pubname
    JOIN pg_namespace n ON n.nspname = t.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
    LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
    WHERE p.pubname::text = $1";

/// A table as it must be published.
pub(crate) struct PublishedTable {
    which: SourceTable,
    identity: Identity,
    /// The columns, the key's first.
    pub(crate) columns: Vec<String>,
}

impl PublishedTable {
    pub(crate) fn new(tables: &Tables, which: SourceTable, identity: &Identity) -> PublishedTable {
        let mut columns = identity.key.clone();
        for column in tables.columns(which) {
            if !columns.iter().any(|known| known == column) {
                columns.push(column.to_owned());
            }
        }
        PublishedTable { which, identity: identity.clone(), columns }
    }

    fn sql(&self, tables: &Tables) -> String {
        let table = names::table(tables.name(self.which));
        if self.identity.full || !self.identity.listed {
            // The server does not let a listed column change its type or be dropped: a list would hinder the shop's migrations.
            return table;
        }
        let columns: Vec<String> = self.columns.iter().map(|column| names::column(column)).collect();
        format!("{table} ({})", columns.join(", "))
    }
}

/// The SQL that makes the publication fit; none if it fits.
pub(crate) fn needed(
    client: &mut impl GenericClient,
    name: &str,
    tables: &Tables,
    wanted: &[PublishedTable],
) -> Result<Option<String>, postgres::Error> {
    let publication = names::column(name);
    let relations: Vec<u32> = wanted.iter().map(|wanted| wanted.identity.relation).collect();
    let found = client.query_typed(PUBLICATION, &[(&name, Type::TEXT), (&relations, Type::OID_ARRAY)])?;
    let Some(row) = found.first() else {
        let list: Vec<String> = wanted.iter().map(|wanted| wanted.sql(tables)).collect();
        return Ok(Some(format!("CREATE PUBLICATION {publication} FOR TABLE {};", list.join(", "))));
    };
    let mut sql = String::new();
    if !row.get::<_, bool>(0) {
        write!(sql, "ALTER PUBLICATION {publication} SET (publish = 'insert, update, delete, truncate'); ")
            .expect("a string takes all");
    }
    if row.get::<_, bool>(1) {
        write!(sql, "ALTER PUBLICATION {publication} SET (publish_via_partition_root = false); ")
            .expect("a string takes all");
        // The next check reads its tables.
        return Ok(Some(sql.trim_end().to_owned()));
    }
    let columns: Vec<&String> = wanted.iter().flat_map(|wanted| &wanted.columns).collect();
    let published = client.query_typed(TABLES, &[(&name, Type::TEXT), (&columns, Type::TEXT_ARRAY)])?;
    for wanted in wanted {
        let row = published.iter().find(|row| row.get::<_, u32>(0) == wanted.identity.relation);
        if row.is_some_and(|row| fits(row, wanted)) {
            continue;
        }
        if row.is_some_and(|row| row.get(4)) {
            let table = names::table(tables.name(wanted.which));
            write!(sql, "ALTER PUBLICATION {publication} DROP TABLE {table}; ").expect("a string takes all");
        }
        let table = wanted.sql(tables);
        write!(sql, "ALTER PUBLICATION {publication} ADD TABLE {table}; ").expect("a string takes all");
    }
    Ok(Some(sql.trim_end().to_owned()).filter(|sql| !sql.is_empty()))
}

fn fits(row: &postgres::Row, wanted: &PublishedTable) -> bool {
    let (columns, filtered, listed): (Vec<String>, bool, bool) = (row.get(1), row.get(2), row.get(3));
    let all = wanted.columns.iter().all(|column| columns.contains(column));
    all && !filtered && !(listed && wanted.identity.full)
}

/// Makes the publication fit, or returns why the server refuses this.
pub(crate) fn renew(client: &mut postgres::Client, sql: &str) -> Result<Result<(), Diagnostic>, postgres::Error> {
    match client.batch_execute(sql) {
        Ok(()) => Ok(Ok(())),
        Err(error) => match error.code() {
            Some(code) if is_refusal(code) => Ok(Err(refused(sql, &error_text(&error)))),
            _ => Err(error),
        },
    }
}

fn is_refusal(code: &SqlState) -> bool {
    // The last one: of a column that no publication can list.
    let refusals =
        [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::INVALID_COLUMN_REFERENCE];
    refusals.contains(code)
}

/// The publication does not fit, and this user may not change it.
pub(crate) fn refused(sql: &str, reason: &str) -> Diagnostic {
    Diagnostic {
        problem: format!("the publication is not as it has to be, and making it so is refused ({reason})"),
        mend: format!("let the tables' owner run: {sql}"),
    }
}

/// Why this user may not create or change the publication, as far as this is known in advance.
pub(crate) fn forbidden(
    client: &mut impl GenericClient,
    tables: &Tables,
    name: &str,
) -> Result<Option<String>, postgres::Error> {
    const SQL: &str = "
        SELECT COALESCE((SELECT pg_has_role(pubowner, 'USAGE') FROM pg_publication WHERE pubname::text = $1),
                        has_database_privilege(current_database(), 'CREATE')),
               (SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class
                WHERE oid IN (to_regclass($2), to_regclass($3), to_regclass($4))),
               quote_ident(current_user),
               pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool";
    let [products, orders, items] = SourceTable::ALL.map(|which| names::table(tables.name(which)));
    let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 4] =
        [(&name, Type::TEXT), (&products, Type::TEXT), (&orders, Type::TEXT), (&items, Type::TEXT)];
    let rows = client.query_typed(SQL, &parameters)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (may, owns, user): (bool, Option<bool>, String) = (row.get(0), row.get(1), row.get(2));
    if row.get(3) {
        return Ok(Some("this is a standby, or its transactions are read-only".to_owned()));
    }
    Ok(match (may, owns) {
        (true, Some(true)) => None,
        (false, _) => Some(format!("{user} may not make publications in this database or does not own this one")),
        (true, _) => Some(format!("{user} does not own all three tables")),
    })
}
