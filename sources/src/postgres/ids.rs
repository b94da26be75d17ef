//! The columns of ids: how each is written, how those of two tables are compared, and those that must be refused.

use postgres::GenericClient;

use super::diagnostic::Diagnostic;
use super::form::Form;
use super::layout::Findings;
use super::names::{self, Tables, Which};
use super::types::{self, Join, Kind};

/// What reading ids depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IdColumns {
    /// How the two columns of ids of each table are written, in the order of [`Tables::columns`]; none if that is not known.
    pub(super) forms: [[Option<Form>; 2]; 3],
    /// How an order's id is compared with that of a line.
    pub(super) order_ids: Join,
}

/// Looks at the columns of ids, and adds what is wrong with them to the findings.
pub(super) fn look(
    client: &mut impl GenericClient,
    tables: &Tables,
    findings: &mut Findings,
) -> Result<IdColumns, postgres::Error> {
    let mut ids = IdColumns::default();
    let mut kinds: [Vec<Kind>; 3] = Default::default();
    for which in Which::ALL {
        let names = &tables.columns(which)[..2];
        let found = types::read(client, tables.name(which), names)?;
        for (at, name) in names.iter().enumerate() {
            match found.iter().find(|kind| kind.column == *name).map(Kind::form) {
                None => {}
                Some(Ok(form)) => ids.forms[which as usize][at] = Some(form),
                Some(Err(reason)) => findings.push((which, untold(tables, which, name, &reason))),
            }
        }
        kinds[which as usize] = found;
    }
    for (which, name, of_line) in [
        (Which::Orders, &*tables.orders.order_id, &*tables.order_items.order_id),
        (Which::Products, &*tables.products.product_id, &*tables.order_items.product_id),
    ] {
        let find = |which: Which, name: &str| kinds[which as usize].iter().find(|kind| kind.column == name);
        let (Some(one), Some(other)) = (find(which, name), find(Which::OrderItems, of_line)) else { continue };
        if one.form().is_err() || other.form().is_err() {
            continue;
        }
        let Some(join) = one.join(other) else {
            findings.push((Which::OrderItems, unlike(tables, (which, one), other)));
            continue;
        };
        if which == Which::Orders {
            ids.order_ids = join;
        }
        let place = |columns: Vec<&str>, name: &str| columns.iter().position(|column| *column == name).unwrap_or(0);
        ids.forms[which as usize][0] = one.form_beside(other);
        let at = place(tables.columns(Which::OrderItems), of_line);
        ids.forms[Which::OrderItems as usize][at] = other.form_beside(one);
    }
    Ok(ids)
}

/// A column whose ids cannot be told apart.
fn untold(tables: &Tables, which: Which, name: &str, reason: &str) -> Diagnostic {
    let (table, column) = (tables.name(which), names::column(name));
    let sql = names::table(table);
    Diagnostic {
        problem: format!("column {name} of table {table} {reason}"),
        mend: format!(
            "ALTER TABLE {sql} ALTER COLUMN {column} TYPE text COLLATE \"C\" USING lower({column}::text); or read a view \
             that writes equal ids alike, with [postgres] mode = \"refresh\""
        ),
    }
}

/// Two columns of ids that are compared and have types of which equal values may be written differently.
fn unlike(tables: &Tables, (which, one): (Which, &Kind), other: &Kind) -> Diagnostic {
    let (table, lines) = (tables.name(which), tables.name(Which::OrderItems));
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
