//! The columns of a CSV file: which field each of them is.

use crate::error::Fault;
use crate::kind::Kind;

/// Other names of columns, by kind and field.
const ALIASES: [(Kind, &str, &[&str]); 16] = [
    (Kind::Products, "product_id", &["product", "sku", "item_id"]),
    (Kind::Products, "name", &["product_name", "title"]),
    (Kind::Products, "category_id", &["category", "product_category"]),
    (Kind::Products, "price", &["unit_price", "product_price"]),
    (Kind::Products, "description", &["product_description"]),
    (Kind::Categories, "category_id", &["category"]),
    (Kind::Categories, "name", &["category_name"]),
    (Kind::Categories, "parent_id", &["parent", "parent_category"]),
    (Kind::Users, "user_id", &["user", "customer_id", "customer"]),
    (Kind::Users, "name", &["user_name", "customer_name"]),
    (Kind::Users, "email", &["customer_email", "e_mail"]),
    (Kind::Purchases, "purchase_id", &["purchase", "order_id", "order"]),
    (Kind::Purchases, "user_id", &["user", "customer_id", "customer"]),
    (Kind::Purchases, "created_at", &["purchased_at", "purchase_date", "order_date", "date", "timestamp"]),
    (Kind::Purchases, "product_id", &["product", "sku", "item_id"]),
    (Kind::Purchases, "price", &["unit_price", "product_price"]),
];

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Columns {
    /// The field of each column; none for one that is ignored.
    pub(super) fields: Vec<Option<&'static str>>,
    pub(super) ignored: Vec<String>,
}

impl Columns {
    /// Finds the columns by their names in the first record.
    ///
    /// # Errors
    /// A mapping that does not fit the file, a field of two columns, and each field that is needed and has no column.
    pub(super) fn find<'h>(
        kind: Kind,
        map: &[(String, String)],
        header: impl Iterator<Item = &'h str>,
    ) -> Result<Columns, Vec<Fault>> {
        let (names, header) = (kind.columns(), header.collect::<Vec<_>>());
        let mut faults = Vec::new();
        for (column, field) in map {
            if !header.iter().any(|name| name.trim() == column) {
                faults.push(Fault::new(column, "is mapped and is no column of the file"));
            }
            if !names.contains(&field.as_str()) {
                faults.push(Fault::new(field, format!("is no field; there are {}", names.join(", "))));
            }
        }
        let mut columns = Columns { fields: Vec::new(), ignored: Vec::new() };
        for column in header {
            let field = field_of(kind, &names, map, column.trim());
            match field {
                Some(field) if columns.fields.contains(&Some(field)) => {
                    faults.push(Fault::new(field, "is given by two columns"));
                }
                Some(_) => {}
                None => columns.ignored.push(column.to_owned()),
            }
            columns.fields.push(field);
        }
        let needed =
            kind.fields().iter().filter(|field| field.required && field.name != "lines").map(|field| field.name);
        let line = (kind == Kind::Purchases).then_some("product_id");
        for name in needed.chain(line).filter(|name| !columns.fields.contains(&Some(name))) {
            faults.push(Fault::new(name, "has no column; the first line must name the columns"));
        }
        if faults.is_empty() { Ok(columns) } else { Err(faults) }
    }
}

fn field_of(kind: Kind, names: &[&'static str], map: &[(String, String)], column: &str) -> Option<&'static str> {
    let named = |wanted: &str| names.iter().find(|name| **name == wanted).copied();
    if let Some((_, field)) = map.iter().find(|(from, _)| from == column) {
        return named(field);
    }
    let plain = column.to_lowercase().replace([' ', '-'], "_");
    let alias = |(of, _, others): &&(Kind, &str, &[&str])| *of == kind && others.contains(&plain.as_str());
    named(&plain).or_else(|| ALIASES.iter().find(alias).and_then(|(_, field, _)| named(field)))
}
