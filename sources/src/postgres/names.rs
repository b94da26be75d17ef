//! Names of tables and columns, as the shop has them.

use std::time::Duration;

use settings::{Kind, seconds, whole};
use thiserror::Error;

/// The longest name in PostgreSQL, in bytes; it silently truncates longer ones.
pub(crate) const NAME_BYTES_MAX: usize = 63;

pub(crate) const TABLE: Kind = Kind::Text {
    allowed: "a table's name, with or without its schema, such as orders or shop.orders",
    takes: is_table,
};
pub(crate) const TABLE_OR_NONE: Kind = Kind::Text {
    allowed: "a table's name, with or without its schema, such as rules or shop.rules, or \"\" for none",
    takes: |text| text.is_empty() || is_table(text),
};
pub(crate) const COLUMN: Kind = Kind::Text {
    allowed: "a column's name: letters, digits, `_`, `-` and `$`, at most 63, not starting with a digit",
    takes: is_identifier,
};

pub(crate) const COLUMN_OR_NONE: Kind = Kind::Text {
    allowed: "a column's name: letters, digits, `_`, `-` and `$`, at most 63, not starting with a digit, or \"\" for none",
    takes: |text| text.is_empty() || is_identifier(text),
};

/// The tables that are read. Names are taken exactly, upper and lower case too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The products and their categories.
    pub products: Products,
    /// The orders.
    pub orders: Orders,
    /// The lines of the orders.
    pub order_items: OrderItems,
}

settings::section! {
    /// The table with the products and their categories. Names are case-sensitive.
    pub struct Products in "postgres.tables.products" {
        /// Name of the table, with its schema if necessary.
        name: String = "products", "table", TABLE;
        /// Column with the product's id.
        product_id: String = "product_id", "column", COLUMN;
        /// Column with the id of the product's category, or with an array of ids: the product is in all of these.
        category_id: String = "category_id", "column", COLUMN;
        /// Column of type boolean that says whether the product can be bought. A product with false is on no list, but
        /// stays in histories and in its categories. "": every product can be bought.
        available: Option<String> = "", "column", COLUMN_OR_NONE;
    }
}

/// The table of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// Name of the table, with its schema if necessary.
    pub name: String,
    /// Column with the order's id.
    pub order_id: String,
    /// Column with the id of the user who ordered.
    pub user_id: String,
    /// Where the order's time comes from.
    pub time: OrderTime,
    /// The zone of times that are stored without one; none: that of the server's `TimeZone`.
    pub time_zone: Option<String>,
    /// Which orders count; none: all of them.
    pub status: Option<Status>,
}

impl Orders {
    /// The time column, if orders have one.
    #[must_use]
    pub fn time_column(&self) -> Option<&String> {
        match &self.time {
            OrderTime::Column(column) => Some(column),
            OrderTime::FirstSeen => None,
        }
    }
}

/// The column with the status of an order, and the values of orders that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Name of the column. It may be of any type that ids may be of; its values are compared as text.
    pub column: String,
    /// The values of the orders that count. No other value does, and NULL does not.
    pub counting: Vec<String>,
}

impl Status {
    /// Whether an order with this value counts.
    pub(crate) fn counts(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.counting.iter().any(|counting| counting == value))
    }
}

settings::section! {
    /// The table with the order lines.
    pub struct OrderItems in "postgres.tables.order_items" {
        /// Name of the table, with its schema if necessary.
        name: String = "order_items", "table", TABLE;
        /// Column with the id of the line's order.
        order_id: String = "order_id", "column", COLUMN;
        /// Column with the id of the product ordered.
        product_id: String = "product_id", "column", COLUMN;
        /// Column of type boolean that says whether the line was returned. A line with true counts in no list. "": no
        /// line was returned.
        returned: Option<String> = "", "column", COLUMN_OR_NONE;
    }
}

settings::section! {
    /// A table with merchandising rules, one a row: docs/merchandising.md has the SQL that makes it. Names are
    /// case-sensitive.
    pub struct RuleTable in "postgres.tables.rules" {
        /// Name of the table, with its schema if necessary. "": no such table is read.
        name: Option<String> = "", "table", TABLE_OR_NONE;
        /// Time from one reading of the table to the next. The table is read whole, in every `postgres.mode`.
        refresh as "refresh_s": Duration = 2, "s", whole(1, 86_400) => seconds;
        /// Column with the rule's id. The rule has the id `table.` and this one.
        rule_id: String = "rule_id", "column", COLUMN;
        /// Column with the kind of rule.
        rule: String = "rule", "column", COLUMN;
        /// Column with the product's id. "": no such column.
        product_id: Option<String> = "product_id", "column", COLUMN_OR_NONE;
        /// Column with the id of the category of a cap. "": no such column.
        category_id: Option<String> = "category_id", "column", COLUMN_OR_NONE;
        /// Column with the list. "": no such column.
        list: Option<String> = "list", "column", COLUMN_OR_NONE;
        /// Column with the position of a pin. "": no such column.
        position: Option<String> = "position", "column", COLUMN_OR_NONE;
        /// Column with the largest number of products of a cap. "": no such column.
        n: Option<String> = "n", "column", COLUMN_OR_NONE;
        /// Column with the time from which on the rule is effective. "": no such column.
        from: Option<String> = "valid_from", "column", COLUMN_OR_NONE;
        /// Column with the time from which on the rule is not effective any more. "": no such column.
        until: Option<String> = "valid_until", "column", COLUMN_OR_NONE;
        /// Column with the word for which lists the rule is: live, shadow or both. "": no such column.
        set: Option<String> = "list_set", "column", COLUMN_OR_NONE;
    }
}

impl RuleTable {
    /// The columns that are read, each with its setting, in the order of the fields of a rule. None for a column that the table
    /// does not have.
    pub(crate) fn columns(&self) -> [(&'static str, Option<&str>); 10] {
        [
            ("rule_id", Some(&self.rule_id)),
            ("rule", Some(&self.rule)),
            ("product_id", self.product_id.as_ref()),
            ("category_id", self.category_id.as_ref()),
            ("list", self.list.as_ref()),
            ("position", self.position.as_ref()),
            ("n", self.n.as_ref()),
            ("from", self.from.as_ref()),
            ("until", self.until.as_ref()),
            ("set", self.set.as_ref()),
        ]
        .map(|(setting, column)| (setting, column.map(String::as_str)))
    }
}

/// Where an order's time comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderTime {
    /// A column of the orders: a timestamp, a date, or a whole number of seconds or milliseconds since the epoch (told apart
    /// by size). Timestamps without a zone, and dates, are taken to be in [`Orders::time_zone`].
    Column(String),
    /// The service time at which this source read the order first. The whole table is read at every refresh, and every
    /// order in it stays remembered, in checkpoints too, as long as it is there; after a restart those that no checkpoint
    /// holds are new.
    FirstSeen,
}

/// One of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SourceTable {
    Products,
    Orders,
    OrderItems,
}

impl SourceTable {
    pub(crate) const ALL: [SourceTable; 3] = [SourceTable::Products, SourceTable::Orders, SourceTable::OrderItems];

    /// The settings' section, below `postgres.tables`.
    pub(crate) fn section(self) -> &'static str {
        match self {
            SourceTable::Products => "products",
            SourceTable::Orders => "orders",
            SourceTable::OrderItems => "order_items",
        }
    }
}

/// A name that no table or column can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{name:?} cannot be the name of a {what}: 1 to {NAME_BYTES_MAX} bytes, no zero byte, at most one dot in a table's"
)]
pub struct BadName {
    what: &'static str,
    name: String,
}

impl Tables {
    /// The table's name.
    pub(crate) fn name(&self, which: SourceTable) -> &str {
        match which {
            SourceTable::Products => &self.products.name,
            SourceTable::Orders => &self.orders.name,
            SourceTable::OrderItems => &self.order_items.name,
        }
    }

    /// The columns of the table that are read.
    pub(crate) fn columns(&self, which: SourceTable) -> Vec<&str> {
        match which {
            SourceTable::Products => {
                let products = &self.products;
                let ids = [&products.product_id, &products.category_id];
                ids.into_iter().chain(&products.available).map(String::as_str).collect()
            }
            SourceTable::Orders => {
                let orders = &self.orders;
                let status = orders.status.as_ref().map(|status| &status.column);
                let columns = [&orders.order_id, &orders.user_id].into_iter().chain(orders.time_column()).chain(status);
                columns.map(String::as_str).collect()
            }
            SourceTable::OrderItems => {
                let items = &self.order_items;
                [&items.order_id, &items.product_id].into_iter().chain(&items.returned).map(String::as_str).collect()
            }
        }
    }

    /// Where the truth value is among the columns that are read of products and lines: whether a product can be bought,
    /// and whether a line was returned.
    pub(crate) fn flag_at(&self, which: SourceTable) -> Option<usize> {
        let flag = match which {
            SourceTable::Products => &self.products.available,
            SourceTable::Orders => &None,
            SourceTable::OrderItems => &self.order_items.returned,
        };
        flag.as_ref().map(|_| self.columns(which).len() - 1)
    }

    /// The tables that a store of Vitrine's own makes.
    #[must_use]
    pub fn of_store() -> Tables {
        let mut tables = Tables::default();
        tables.products.category_id = "categories".to_owned();
        tables.products.available = Some("available".to_owned());
        tables.orders.status = Some(Status { column: "status".to_owned(), counting: vec!["placed".to_owned()] });
        tables.order_items.returned = Some("returned".to_owned());
        tables
    }

    /// Where the status is among the columns of the orders that are read.
    pub(crate) fn status_at(&self) -> Option<usize> {
        let columns = self.columns(SourceTable::Orders).len();
        self.orders.status.as_ref().map(|_| columns - 1)
    }

    /// Whether these names can be names at all.
    pub(crate) fn check(&self) -> Result<(), BadName> {
        let Tables { products, orders, order_items } = self;
        for table in [&products.name, &orders.name, &order_items.name] {
            let parts: Vec<&str> = table.split('.').collect();
            let good = parts.len() <= 2 && parts.iter().all(|part| is_name(part));
            if !good {
                return Err(BadName { what: "table", name: table.clone() });
            }
        }
        let columns = [
            &products.product_id,
            &products.category_id,
            &orders.order_id,
            &orders.user_id,
            &order_items.order_id,
            &order_items.product_id,
        ];
        let status = orders.status.as_ref().map(|status| &status.column);
        let flags = products.available.iter().chain(&order_items.returned);
        match columns.into_iter().chain(orders.time_column()).chain(status).chain(flags).find(|column| !is_name(column))
        {
            Some(column) => Err(BadName { what: "column", name: column.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether the table of rules and its columns can have their names.
pub(crate) fn check_rules(name: &str, rules: &RuleTable) -> Result<(), BadName> {
    if !is_table(name) {
        return Err(BadName { what: "table", name: name.to_owned() });
    }
    match rules.columns().into_iter().filter_map(|(_, column)| column).find(|column| !is_name(column)) {
        Some(column) => Err(BadName { what: "column", name: column.to_owned() }),
        None => Ok(()),
    }
}

/// Whether a slot, or a publication, can have this name: such names need no quotes anywhere.
pub(crate) fn check_slot(name: &str) -> Result<(), BadName> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if is_name(name) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(BadName { what: "slot or publication, which take a to z, 0 to 9 and _", name: name.to_owned() })
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0')
}

/// Identifiers are quoted wherever they enter SQL; this keeps quotes and blanks out of them as well.
pub(crate) fn is_identifier(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && !text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && text.chars().all(|letter| letter.is_alphanumeric() || "_-$".contains(letter))
}

/// A column as SQL takes it exactly.
pub fn column(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a text is the name of a table, with or without its schema.
pub fn is_table(text: &str) -> bool {
    match text.split_once('.') {
        Some((schema, table)) => is_identifier(schema) && is_identifier(table),
        None => is_identifier(text),
    }
}

/// A table as SQL takes it exactly, each part of `schema.table` on its own.
pub fn table(name: &str) -> String {
    name.split('.').map(column).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_by_part() {
        assert_eq!(table("orders"), r#""orders""#);
        assert_eq!(table("shop.Orders"), r#""shop"."Orders""#);
        assert_eq!(column(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        assert_eq!(Tables::default().check(), Ok(()));
        for name in ["", ".orders", "a.b.c", "a\0b", &"x".repeat(64)] {
            let mut tables = Tables::default();
            tables.orders.name = name.into();
            assert_eq!(tables.check(), Err(BadName { what: "table", name: name.into() }));
        }
        assert_eq!(check_slot("vitrine_2"), Ok(()));
        assert!(["", "Vitrine", "a-b", "a b", "a,b"].into_iter().all(|name| check_slot(name).is_err()));
        let mut tables = Tables::default();
        tables.orders.time = OrderTime::Column(String::new());
        assert!(tables.check().is_err());
    }
}
