//! The columns of ids: how ids are written, how ids of two tables are compared, and which columns must be refused.

use postgres::GenericClient;

use crate::postgres::diagnostic::{Diagnostic, TableDiagnostics};
use crate::postgres::names::{self, SourceTable, Tables};
use crate::postgres::schema::column_types::{self, ColumnType, IdJoin};
use crate::postgres::values::id_format::IdFormat;

/// How the ids of the tables are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdColumns {
    /// How the two columns of ids of each table are written, in the order of [`Tables::columns`]; none if it is not known.
    pub(crate) forms: [[Option<IdFormat>; 2]; 3],
    /// How the id of an order is compared with the order's id in a line.
    pub(crate) order_ids: IdJoin,
    /// Whether the column of the category holds lists of ids.
    pub(crate) category_lists: bool,
}

/// Reads the columns of ids, and adds their problems to the findings.
pub(crate) fn look(
    client: &mut impl GenericClient,
    tables: &Tables,
    findings: &mut TableDiagnostics,
) -> Result<IdColumns, postgres::Error> {
    let mut ids = IdColumns::default();
    let mut kinds: [Vec<ColumnType>; 3] = Default::default();
    for which in SourceTable::ALL {
        let names = &tables.columns(which)[..2];
        let found = column_types::read(client, tables.name(which), names)?;
        for (at, name) in names.iter().enumerate() {
            let kind = found.iter().find(|kind| kind.column == *name);
            if (which, at) == (SourceTable::Products, 1) && kind.is_some_and(ColumnType::is_list) {
                ids.category_lists = true;
                continue;
            }
            let Some(kind) = kind else { continue };
            match kind.form() {
                Ok(form) => ids.forms[which as usize][at] = Some(form),
                Err(reason) => findings.push((which, untold(tables, which, kind, &reason))),
            }
        }
        kinds[which as usize] = found;
    }
    for (which, name, of_line) in [
        (SourceTable::Orders, &*tables.orders.order_id, &*tables.order_items.order_id),
        (SourceTable::Products, &*tables.products.product_id, &*tables.order_items.product_id),
    ] {
        let find = |which: SourceTable, name: &str| kinds[which as usize].iter().find(|kind| kind.column == name);
        let (Some(one), Some(other)) = (find(which, name), find(SourceTable::OrderItems, of_line)) else { continue };
        if one.form().is_err() || other.form().is_err() {
            continue;
        }
        let Some(join) = one.join(other) else {
            findings.push((SourceTable::OrderItems, unlike(tables, (which, one), other)));
            continue;
        };
        if which == SourceTable::Orders {
            ids.order_ids = join;
        }
        let place = |columns: Vec<&str>, name: &str| columns.iter().position(|column| *column == name).unwrap_or(0);
        ids.forms[which as usize][0] = one.form_beside(other);
        let at = place(tables.columns(SourceTable::OrderItems), of_line);
        ids.forms[SourceTable::OrderItems as usize][at] = other.form_beside(one);
    }
    Ok(ids)
}

/// A column in which equal ids may differ as text.
fn untold(tables: &Tables, which: SourceTable, kind: &ColumnType, reason: &str) -> Diagnostic {
    let (table, name) = (tables.name(which), &kind.column);
    let (sql, column) = (names::table(table), names::column(name));
    let text = kind.id_text(&column);
    Diagnostic {
        problem: format!("column {name} of table {table} {reason}"),
        mend: format!(
            "ALTER TABLE {sql} ALTER COLUMN {column} TYPE text COLLATE \"C\" USING {text}; or read a view \
             that writes equal ids alike, with [postgres] mode = \"refresh\""
        ),
    }
}

/// Two columns of ids that are compared, with types whose equal values may be written differently.
fn unlike(tables: &Tables, (which, one): (SourceTable, &ColumnType), other: &ColumnType) -> Diagnostic {
    let (table, lines) = (tables.name(which), tables.name(SourceTable::OrderItems));
    Diagnostic {
        problem: format!(
            "{} of table {table} is of type {} and {} of table {lines} of type {}: equal ids may be written differently",
            one.column,
            one.title(),
            other.column,
            other.title()
        ),
        mend: format!(
            "ALTER TABLE {} ALTER COLUMN {column} TYPE {kind} USING {column}::{kind};",
            names::table(lines),
            column = names::column(&other.column),
            kind = one.title()
        ),
    }
}
