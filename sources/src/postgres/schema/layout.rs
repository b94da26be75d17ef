//! The layout of the tables, as far as reading them depends on it.

use postgres::GenericClient;
use postgres::types::Type;

use crate::postgres::diagnostic::{Diagnostic, TableDiagnostics};
use crate::postgres::names::{self, OrderTime, SourceTable, Tables};
use crate::postgres::schema::id_columns::{self, IdColumns};
use crate::postgres::values::charset::Charset;
use crate::postgres::values::id_format::IdFormat;
use crate::postgres::values::pg_time::TimeKind;
use crate::postgres::values::zone::Zone;

/// The encoding of the database, and the time zone of a session that sets none.
const SESSION: &str = "
    SELECT current_setting('server_encoding'), (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone')";

/// One row for each column of a table; none if the table does not exist. Names are given as bytes: in a database without an
/// encoding they may not be text.
const COLUMNS: &str = "
    SELECT convert_to(a.attname::text,
                      CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END),
           (WITH RECURSIVE base (oid) AS (
                SELECT t.oid
                UNION ALL
                SELECT d.typbasetype FROM base JOIN pg_type d ON d.oid = base.oid WHERE d.typtype = 'd')
            SELECT format_type(b.oid, NULL) FROM base JOIN pg_type b ON b.oid = base.oid WHERE b.typtype <> 'd'),
           a.attnotnull,
           COALESCE(has_column_privilege(a.attrelid, a.attnum, 'SELECT'), false),
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid
                   AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
           quote_ident(current_user)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

/// The relations whose policies decide which rows a query of the table gives, with the role that they are applied to: the
/// table, and the tables behind a view. The server applies no policy to superusers, to roles with BYPASSRLS and, unless it
/// is forced to, to the owner.
const POLICIES: &str = "
    WITH RECURSIVE read (relation, role) AS (
        SELECT to_regclass($1)::oid, (SELECT oid FROM pg_roles WHERE rolname = current_user)
        UNION
        SELECT d.refobjid,
               CASE WHEN v.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1',
                                               'security_invoker=yes']
                    THEN read.role ELSE v.relowner END
        FROM read
        JOIN pg_class v ON v.oid = read.relation AND v.relkind = 'v'
        JOIN pg_rewrite w ON w.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid)
    SELECT c.oid::regclass::text, quote_ident(r.rolname)
    FROM read
    JOIN pg_class c ON c.oid = read.relation
    JOIN pg_roles r ON r.oid = read.role
    WHERE c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
      AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE'))
    ORDER BY 1";

/// The layout of the tables, for the queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The kind of the orders' time column, if one is used.
    pub(crate) time: Option<TimeKind>,
    /// The zone of its times, where they are stored without one.
    pub(crate) zone: Option<String>,
    /// The encoding in which text is stored.
    pub(crate) charset: Charset,
    /// How ids are written and compared.
    pub(crate) ids: IdColumns,
    /// How the orders' status is written, if one is used.
    pub(crate) status: Option<IdFormat>,
    /// Whether no two orders have the same id.
    pub(crate) orders_keyed: bool,
    /// Whether no two products have the same id.
    pub(crate) products_keyed: bool,
    /// Whether the order of a line may be NULL.
    pub(crate) line_order_nullable: bool,
}

impl Layout {
    /// The format with which a table's values were read. Rows that were read with another format must be read again. The
    /// number changes when the formats of ids change.
    pub(crate) fn value_rules(&self, which: SourceTable) -> String {
        let zone = self.zone.as_deref().filter(|_| which == SourceTable::Orders);
        format!("ids 1 {:?} {:?} zone {zone:?}", self.charset, self.ids.forms[which as usize])
    }
}

/// The layout, or the problems that prevent reading the tables.
pub(crate) fn read(
    client: &mut impl GenericClient,
    tables: &Tables,
) -> Result<Result<Layout, TableDiagnostics>, postgres::Error> {
    let (layout, findings) = found(client, tables)?;
    Ok(if findings.is_empty() { Ok(layout) } else { Err(findings) })
}

/// The layout of the tables that can be read, and the problems of the others.
pub(crate) fn found(
    client: &mut impl GenericClient,
    tables: &Tables,
) -> Result<(Layout, TableDiagnostics), postgres::Error> {
    let mut check = LayoutCheck { client, findings: Vec::new() };
    let session = check.client.query_typed(SESSION, &[])?;
    let (encoding, server_zone): (String, String) =
        session.first().map(|row| (row.get(0), row.get(1))).unwrap_or_default();
    let Tables { products, orders, order_items } = tables;
    let product_table = check.table(SourceTable::Products, &products.name)?;
    let product = check.id(&product_table, "product_id", &products.product_id);
    check.id(&product_table, "category_id", &products.category_id);
    check.flag(&product_table, "available", products.available.as_deref());

    let order_table = check.table(SourceTable::Orders, &orders.name)?;
    let order = check.id(&order_table, "order_id", &orders.order_id);
    check.id(&order_table, "user_id", &orders.user_id);
    let time = match &orders.time {
        OrderTime::Column(column) => check.time(&order_table, column),
        OrderTime::FirstSeen => None,
    };
    let status = orders.status.as_ref().and_then(|status| check.id(&order_table, "status", &status.column));

    let item_table = check.table(SourceTable::OrderItems, &order_items.name)?;
    let line_order = check.id(&item_table, "order_id", &order_items.order_id);
    check.id(&item_table, "product_id", &order_items.product_id);
    check.flag(&item_table, "returned", order_items.returned.as_deref());

    let zone = time.filter(|time| time.is_local()).map(|_| orders.time_zone.clone().unwrap_or(server_zone));
    let zone = match zone {
        Some(zone) => check.zone(zone)?,
        None => None,
    };
    let ids = id_columns::look(check.client, tables, &mut check.findings)?;
    let layout = Layout {
        time,
        zone,
        charset: Charset::of(&encoding),
        ids,
        status: status.map(|column| IdFormat::of_values(&column.kind)),
        orders_keyed: order.as_ref().is_some_and(|order| order.unique),
        products_keyed: product.is_some_and(|product| product.unique),
        line_order_nullable: line_order.as_ref().is_some_and(|column| !column.not_null),
    };
    Ok((layout, check.findings))
}

/// A column as the catalogue of the database describes it.
#[derive(Clone)]
struct TableColumn {
    name: String,
    kind: String,
    not_null: bool,
    readable: bool,
    unique: bool,
    reader: String,
}

/// A table. It has no columns if it was not found, which is reported.
struct TableLayout<'a> {
    which: SourceTable,
    name: &'a str,
    columns: Vec<TableColumn>,
}

impl TableLayout<'_> {
    fn sql(&self) -> String {
        names::table(self.name)
    }

    /// The names of its columns: of all, or of those that hold a time.
    fn has(&self, only_times: bool) -> String {
        let columns = self.columns.iter().filter(|column| !only_times || TimeKind::of(&column.kind).is_some());
        columns.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

struct LayoutCheck<'c, C> {
    client: &'c mut C,
    findings: TableDiagnostics,
}

impl<C: GenericClient> LayoutCheck<'_, C> {
    fn table<'a>(&mut self, which: SourceTable, name: &'a str) -> Result<TableLayout<'a>, postgres::Error> {
        let rows = self.client.query_typed(COLUMNS, &[(&names::table(name), Type::TEXT)])?;
        let columns: Vec<TableColumn> = rows
            .iter()
            .map(|row| TableColumn {
                name: String::from_utf8_lossy(row.get(0)).into_owned(),
                kind: row.get(1),
                not_null: row.get(2),
                readable: row.get(3),
                unique: row.get(4),
                reader: row.get(5),
            })
            .collect();
        if columns.is_empty() {
            self.find(
                which,
                format!("table {name} does not exist in this database"),
                format!("make it, or set [postgres.tables.{}] name to the table that is to be read", which.section()),
            );
        }
        self.policies(which, name)?;
        Ok(TableLayout { which, name, columns })
    }

    /// A query returns the rows that policies allow, and the log holds all rows: the two must not be mixed.
    fn policies(&mut self, which: SourceTable, name: &str) -> Result<(), postgres::Error> {
        for row in self.client.query_typed(POLICIES, &[(&names::table(name), Type::TEXT)])? {
            let (relation, role): (String, String) = (row.get(0), row.get(1));
            self.find(
                which,
                format!("row-level security of {relation} may hide rows of table {name} from {role}"),
                format!("ALTER ROLE {role} BYPASSRLS; or ALTER TABLE {relation} DISABLE ROW LEVEL SECURITY;"),
            );
        }
        Ok(())
    }

    /// The column of an id; ids may be of any type.
    fn id(&mut self, table: &TableLayout<'_>, setting: &str, name: &str) -> Option<TableColumn> {
        self.column(table, setting, name, "text")
    }

    /// A column. `kind`: the type with which it may be added.
    fn column(&mut self, table: &TableLayout<'_>, setting: &str, name: &str, kind: &str) -> Option<TableColumn> {
        if let Some(column) = table.columns.iter().find(|column| column.name == name) {
            return self.readable(table, column);
        }
        if !table.columns.is_empty() {
            self.find(
                table.which,
                format!("table {} has no column {name}, it has {}", table.name, table.has(false)),
                format!(
                    "set [postgres.tables.{}] {setting} to the right column, or ALTER TABLE {} ADD COLUMN {} {kind};",
                    table.which.section(),
                    table.sql(),
                    names::column(name)
                ),
            );
        }
        None
    }

    /// The column of a truth value, if one is used.
    fn flag(&mut self, table: &TableLayout<'_>, setting: &str, name: Option<&str>) {
        let Some(column) = name.and_then(|name| self.column(table, setting, name, "boolean")) else { return };
        if column.kind != "boolean" {
            let quoted = names::column(&column.name);
            self.find(
                table.which,
                format!("column {} of table {} is of type {}, not boolean", column.name, table.name, column.kind),
                format!(
                    "set [postgres.tables.{}] {setting} to another column or to \"\", or ALTER TABLE {} ALTER COLUMN \
                     {quoted} TYPE boolean USING {quoted}::boolean;",
                    table.which.section(),
                    table.sql()
                ),
            );
        }
    }

    /// The column of the orders' time.
    fn time(&mut self, table: &TableLayout<'_>, name: &str) -> Option<TimeKind> {
        let (sql, quoted) = (table.sql(), names::column(name));
        let Some(column) = table.columns.iter().find(|column| column.name == name) else {
            if !table.columns.is_empty() {
                let others = match table.has(true) {
                    none if none.is_empty() => "another column".to_owned(),
                    some => format!("another column ({some})"),
                };
                self.find(
                    table.which,
                    format!("table {} has no time column {name}", table.name),
                    format!(
                        "set [postgres] order_time to {others} or to \"first_seen\", or ALTER TABLE {sql} ADD COLUMN \
                         {quoted} timestamptz NOT NULL DEFAULT now();"
                    ),
                );
            }
            return None;
        };
        let kind = TimeKind::of(&column.kind);
        if kind.is_none() {
            self.find(
                table.which,
                format!("column {name} of table {} is of type {}, which is no time", table.name, column.kind),
                format!(
                    "ALTER TABLE {sql} ALTER COLUMN {quoted} TYPE {}; or set [postgres] order_time to another column or to \
                     \"first_seen\"",
                    match &*column.kind {
                        "numeric" | "double precision" | "real" => "bigint".to_owned(),
                        _ => format!("timestamptz USING {quoted}::timestamptz"),
                    }
                ),
            );
        }
        self.readable(table, column).and(kind)
    }

    /// The zone of the orders' times.
    fn zone(&mut self, zone: String) -> Result<Option<String>, postgres::Error> {
        if Zone::is_known(self.client, &zone)? {
            return Ok(Some(zone));
        }
        self.find(
            SourceTable::Orders,
            format!("this server knows no time zone {zone}"),
            "set [postgres] time_zone to a name in the view pg_timezone_names".to_owned(),
        );
        Ok(None)
    }

    fn readable(&mut self, table: &TableLayout<'_>, column: &TableColumn) -> Option<TableColumn> {
        if !column.readable {
            self.find(
                table.which,
                format!("column {} of table {} may not be read by {}", column.name, table.name, column.reader),
                format!("GRANT SELECT ON {} TO {};", table.sql(), column.reader),
            );
        }
        column.readable.then(|| column.clone())
    }

    fn find(&mut self, which: SourceTable, problem: String, mend: String) {
        self.findings.push((which, Diagnostic { problem, mend }));
    }
}
