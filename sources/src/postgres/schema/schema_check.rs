//! Whether the server, the tables and the user allow the log to be followed.

use postgres::GenericClient;
use postgres::types::Type;

use crate::postgres::Settings;
use crate::postgres::diagnostic::{Diagnostic, TableDiagnostics};
use crate::postgres::names::{self, OrderTime, SourceTable, Tables};
use crate::postgres::schema::keys::{self, Identity};
use crate::postgres::schema::layout::{self, Layout};
use crate::postgres::schema::publication::{self, PublishedTable};

/// The catalogue of earlier servers does not show the columns and rows of a publication.
const VERSION_MIN: i32 = 150_000;

const SERVER: &str = "
    SELECT current_setting('server_version_num')::int, current_setting('wal_level'), quote_ident(current_user),
           rolsuper OR rolreplication OR EXISTS (
               SELECT FROM pg_roles g
               WHERE g.rolname IN ('rds_replication', 'cloudsqlsuperuser', 'azure_pg_admin')
                 AND pg_has_role(current_user, g.oid, 'MEMBER'))
    FROM pg_roles WHERE rolname = current_user";

/// The generated columns of a table, and whether the server can publish each if it is listed.
const GENERATED: &str = "
    SELECT a.attname::text,
           to_jsonb(a) ->> 'attgenerated' = 's' AND current_setting('server_version_num')::int >= 180000,
           split_part(current_setting('server_version'), ' ', 1)
    FROM pg_attribute a
    WHERE a.attrelid = $1 AND a.attname::text = ANY($2) AND to_jsonb(a) ->> 'attgenerated' IN ('s', 'v')
    ORDER BY a.attnum";

/// The tables as the log describes them.
pub(crate) struct SchemaCheck {
    /// The layout of the tables that can be read.
    pub(crate) layout: Layout,
    /// Whether all tables can be read.
    pub(crate) readable: bool,
    /// By table; none if its changes cannot be followed.
    identities: [Option<Identity>; 3],
    /// The problems that prevent following tables.
    pub(crate) findings: TableDiagnostics,
}

impl SchemaCheck {
    /// For tables that do not come from a server.
    pub(crate) fn of(layout: Layout, identities: [Option<Identity>; 3], findings: TableDiagnostics) -> SchemaCheck {
        SchemaCheck { layout, readable: findings.is_empty(), identities, findings }
    }

    pub(crate) fn read(client: &mut impl GenericClient, tables: &Tables) -> Result<SchemaCheck, postgres::Error> {
        let (layout, mut findings) = layout::found(client, tables)?;
        let readable = findings.is_empty();
        let mut identities = [None, None, None];
        for which in SourceTable::ALL {
            // The key of a table that cannot be read is not checked.
            if findings.iter().any(|(table, _)| *table == which) {
                continue;
            }
            match keys::read(client, tables, which)? {
                Some(Ok(mut identity)) => match generated(client, tables, which, &mut identity)? {
                    None => {
                        identity.columns.push(layout.value_rules(which));
                        identities[which as usize] = Some(identity);
                    }
                    Some(finding) => findings.push((which, finding)),
                },
                Some(Err(finding)) => findings.push((which, finding)),
                None => {}
            }
        }
        Ok(SchemaCheck { layout, readable, identities, findings })
    }

    /// How the table's rows are identified; none if its changes cannot be followed.
    pub(crate) fn identity(&self, which: SourceTable) -> Option<&Identity> {
        self.identities[which as usize].as_ref()
    }

    /// Why the table cannot be followed, if it cannot.
    pub(crate) fn broken(&self, which: SourceTable) -> Option<&Diagnostic> {
        self.findings.iter().find(|(table, _)| *table == which).map(|(_, finding)| finding)
    }

    /// The tables that cannot be read or followed.
    pub(crate) fn all_broken(&self) -> [bool; 3] {
        SourceTable::ALL.map(|which| self.broken(which).is_some())
    }

    /// Lines are read together with their orders: while orders cannot be read, lines cannot either.
    pub(crate) fn leave_out_lines(&mut self, tables: &Tables) {
        if self.broken(SourceTable::Orders).is_some() && self.broken(SourceTable::OrderItems).is_none() {
            let (lines, orders) = (tables.name(SourceTable::OrderItems), tables.name(SourceTable::Orders));
            let problem = format!("table {lines} is read with the orders it belongs to");
            self.findings.push((SourceTable::OrderItems, Diagnostic { problem, mend: format!("mend table {orders}") }));
        }
    }

    /// The SQL that makes the publication fit the tables that can be followed; none if it does.
    pub(crate) fn needed(
        &self,
        client: &mut impl GenericClient,
        settings: &Settings,
    ) -> Result<Option<String>, postgres::Error> {
        let tables = &settings.tables;
        let wanted = |which| self.identity(which).map(|identity| PublishedTable::new(tables, which, identity));
        let wanted: Vec<PublishedTable> = SourceTable::ALL.into_iter().filter_map(wanted).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        publication::needed(client, &settings.publication, tables, &wanted)
    }

    /// Why this user may not make the publication fit, as far as this is known in advance.
    pub(crate) fn refused(
        &self,
        client: &mut impl GenericClient,
        settings: &Settings,
    ) -> Result<Option<Diagnostic>, postgres::Error> {
        let Some(sql) = self.needed(client, settings)? else { return Ok(None) };
        let forbidden = publication::forbidden(client, &settings.tables, &settings.publication)?;
        Ok(forbidden.map(|reason| publication::refused(&sql, &reason)))
    }

    /// The problems of all tables.
    pub(crate) fn all(&self) -> Vec<Diagnostic> {
        self.findings.iter().map(|(_, finding)| finding.clone()).collect()
    }
}

/// A used column whose values the server computes and does not publish, if there is one. If it publishes them to a
/// publication that lists the column, this is noted in the identity.
fn generated(
    client: &mut impl GenericClient,
    tables: &Tables,
    which: SourceTable,
    identity: &mut Identity,
) -> Result<Option<Diagnostic>, postgres::Error> {
    let columns = PublishedTable::new(tables, which, identity).columns;
    let rows = client.query_typed(GENERATED, &[(&identity.relation, Type::OID), (&columns, Type::TEXT_ARRAY)])?;
    identity.listed = !rows.is_empty();
    // If the log holds old rows whole, no columns are listed.
    let Some(row) = rows.iter().find(|row| identity.full || !row.get::<_, bool>(1)) else { return Ok(None) };
    let (column, version): (String, String) = (row.get(0), row.get(2));
    let table = tables.name(which);
    Ok(Some(Diagnostic {
        problem: format!("column {column} of table {table} is generated: PostgreSQL {version} does not publish it"),
        mend: format!(
            "ALTER TABLE {} ALTER COLUMN {} DROP EXPRESSION; (from then on it is the shop that writes it) or set \
             [postgres] mode = \"refresh\"",
            names::table(table),
            names::column(&column)
        ),
    }))
}

/// Why the log does not continue from the rows held of a table.
pub(crate) fn another(table: &str) -> String {
    format!("table {table} is not the one it was, or its key or a used column is another one")
}

/// The problems of the server that prevent following its log, whatever the tables are.
pub(crate) fn server(client: &mut impl GenericClient, settings: &Settings) -> Result<Vec<Diagnostic>, postgres::Error> {
    let rows = client.query_typed(SERVER, &[])?;
    let mut findings = Vec::new();
    let mut find = |problem: String, mend: &str| findings.push(Diagnostic { problem, mend: mend.to_owned() });
    let refresh = "set [postgres] mode = \"refresh\"";
    if let Some(row) = rows.first() {
        let (version, wal_level, user): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
        if version < VERSION_MIN {
            find(
                format!(
                    "PostgreSQL {} is too old to be asked which rows and columns a publication has, 15 is not",
                    version / 10_000
                ),
                refresh,
            );
        }
        if wal_level != "logical" {
            let mend = format!("ALTER SYSTEM SET wal_level = logical; and a restart of the server, or {refresh}");
            find(format!("wal_level is {wal_level}: the server's log does not tell rows"), &mend);
        }
        if !row.get::<_, bool>(3) {
            let mend = format!("ALTER ROLE {user} REPLICATION; or {refresh}");
            find(format!("{user} may not follow the server's log"), &mend);
        }
    }
    if settings.tables.orders.time == OrderTime::FirstSeen {
        let mend = format!("set [postgres] order_time to a column, or {refresh}");
        find("orders have no time: what has left the window could not be told from what is new".to_owned(), &mend);
    }
    Ok(findings)
}
