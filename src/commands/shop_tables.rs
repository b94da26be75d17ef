//! The tables of a shop as SQL, under the names of the configuration: to create them, and to print the statements.

use super::database::quoted;
use crate::config::Postgres;

/// A table with the statement that makes it.
pub(super) struct ShopTable {
    /// Name as configured.
    pub(super) name: String,
    /// Columns that are read, as configured, each with an SQL type that fits.
    pub(super) columns: Vec<(String, &'static str)>,
    /// Primary key that suits the table.
    pub(super) key: Vec<String>,
    /// `CREATE TABLE IF NOT EXISTS …`
    pub(super) create: String,
}

/// Products, orders and lines, in the order in which they can be filled.
pub(super) fn shop_tables(postgres: &Postgres) -> [ShopTable; 3] {
    let tables = &postgres.tables;
    let (products, orders, items) = (&tables.products, &tables.orders, &tables.order_items);
    let time = orders.time_column().map(|column| (column.clone(), "timestamptz"));
    let column = |name: &String| (name.clone(), "text");
    let status = orders.status.as_ref().map(|status| column(&status.column));
    [
        table(
            &products.name,
            vec![column(&products.product_id), column(&products.category_id)],
            vec![products.product_id.clone()],
            "product_name text, price numeric(12,2), description text, attributes jsonb",
        ),
        table(
            &orders.name,
            [column(&orders.order_id), column(&orders.user_id)].into_iter().chain(time).chain(status).collect(),
            vec![orders.order_id.clone()],
            "",
        ),
        table(
            &items.name,
            vec![column(&items.order_id), column(&items.product_id)],
            vec![items.order_id.clone(), items.product_id.clone()],
            "quantity int NOT NULL DEFAULT 1",
        ),
    ]
}

fn table(name: &str, columns: Vec<(String, &'static str)>, key: Vec<String>, further: &str) -> ShopTable {
    let mut parts: Vec<String> =
        columns.iter().map(|(column, kind)| format!("{} {kind} NOT NULL", quoted(column))).collect();
    if !further.is_empty() {
        parts.push(further.to_owned());
    }
    parts.push(format!("PRIMARY KEY ({})", list(&key)));
    let create = format!("CREATE TABLE IF NOT EXISTS {} ({})", quoted(name), parts.join(", "));
    ShopTable { name: name.to_owned(), columns, key, create }
}

/// Quoted names, separated by commas.
pub(super) fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flag, Request};

    fn creates(settings: &[(&str, &str)]) -> Vec<String> {
        let flag =
            |(key, value): &(&str, &str)| Flag { name: "--set".into(), key: (*key).into(), value: (*value).into() };
        let request = Request { flags: settings.iter().map(flag).collect(), ..Request::default() };
        let config = Config::load(&request).expect("sound settings");
        shop_tables(&config.postgres.expect("a database is configured")).into_iter().map(|table| table.create).collect()
    }

    #[test]
    fn tables_follow_the_configured_names() {
        let sql = creates(&[("postgres.tables.orders.name", "shop.Orders"), ("postgres.order_time", "placed")]);
        assert_eq!(
            sql[1],
            "CREATE TABLE IF NOT EXISTS \"shop\".\"Orders\" (\"order_id\" text NOT NULL, \"user_id\" text NOT NULL, \
             \"placed\" timestamptz NOT NULL, PRIMARY KEY (\"order_id\"))"
        );
        let sql = creates(&[("postgres.order_time", "first_seen")]);
        assert!(!sql[1].contains("timestamptz"), "{}", sql[1]);
        let status = [("postgres.tables.orders.status", "state"), ("postgres.tables.orders.status_counts", "paid")];
        let sql = creates(&status);
        assert!(sql[1].contains("\"created_at\" timestamptz NOT NULL, \"state\" text NOT NULL"), "{}", sql[1]);
    }
}
