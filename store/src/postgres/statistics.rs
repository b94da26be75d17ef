//! Numbers of rows in the server's statistics, on which the plans of an import depend.
//!
//! A VACUUM during an import does not count the rows that are not committed yet. If it finds none, the server takes a table
//! with pages and without rows for empty, however long it becomes. For an empty table all indexes cost the same: a search for an id,
//! such as the foreign key makes for each line of a purchase, may then read a whole index.

use postgres::Client;

use super::reason::PgError;

/// The tables that an import adds rows to, each with its column that is searched for.
const TABLES: [(&str, &str); 5] = [
    ("categories", "category_id"),
    ("users", "user_id"),
    ("products", "product_id"),
    ("orders", "order_id"),
    ("order_items", "order_id"),
];

/// Fewer rows than this are counted again when others are added.
const ROWS_FEW: u32 = 100;

/// The tables whose rows are not counted well enough.
pub(super) struct RowCounts(Vec<&'static str>);

impl RowCounts {
    /// Keeps others from counting the rows of tables that have few, until the transaction ends, and counts them.
    pub(super) fn begin(client: &mut Client) -> Result<RowCounts, PgError> {
        let mut counts = RowCounts(Vec::new());
        for (table, _) in TABLES {
            let sql = format!(
                "SELECT reltuples < {ROWS_FEW} OR
                        (SELECT count(*) FROM (SELECT FROM {table} LIMIT {ROWS_FEW}) AS few) < {ROWS_FEW}
                 FROM pg_class WHERE oid = '{table}'::regclass"
            );
            if client.query_typed_one(&sql, &[])?.try_get(0)? {
                // VACUUM and ANALYZE need the same lock; readers and writers do not.
                client.batch_execute(&format!("LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"))?;
                counts.0.push(table);
                counts.added(client, table)?;
            }
        }
        Ok(counts)
    }

    /// Counts the rows of a table to which some were added, if the server takes it for empty or nearly so.
    pub(super) fn added(&mut self, client: &mut Client, table: &str) -> Result<(), PgError> {
        if !self.0.contains(&table) {
            return Ok(());
        }
        let (.., column) = TABLES.iter().find(|(known, _)| *known == table).expect("it is one of them");
        if takes_for_empty(client, table)? {
            // Of one column, so that the server still makes all statistics of its own later.
            client.batch_execute(&format!("ANALYZE {table} ({column})"))?;
        }
        if !takes_for_empty(client, table)? {
            self.0.retain(|known| *known != table);
        }
        Ok(())
    }
}

/// Whether the server takes this table for one with few rows. Of one that had no pages when it was counted last, it estimates
/// the rows from the pages.
fn takes_for_empty(client: &mut Client, table: &str) -> Result<bool, PgError> {
    let sql = format!("SELECT relpages > 0 AND reltuples < {ROWS_FEW} FROM pg_class WHERE oid = '{table}'::regclass");
    Ok(client.query_typed_one(&sql, &[])?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use harness::postgres::{Server, connect, execute};
    use postgres::types::Type;

    use super::*;
    use crate::kind::Kind;
    use crate::postgres::imported;
    use crate::postgres::rows::ShopSql;

    const VACUUM: &str = "VACUUM (SKIP_LOCKED) products; VACUUM (SKIP_LOCKED) orders";

    fn vacuum(url: &str) {
        VACUUM.split("; ").for_each(|statement| execute(url, statement));
    }

    fn fill(client: &mut Client) {
        let sql =
            "INSERT INTO products (product_id, category_id) SELECT n::text, 'c' FROM generate_series(1, 20000) AS n;
                   INSERT INTO orders (order_id, user_id) SELECT n::text, 'ada' FROM generate_series(1, 20000) AS n";
        client.batch_execute(sql).unwrap();
    }

    fn plan(client: &mut Client, sql: &str, ids: &[String]) -> String {
        let values: &[(&(dyn postgres::types::ToSql + Sync), Type)] = &[(&ids, Type::TEXT_ARRAY)];
        let values = if sql.contains("$1") { values } else { &[] };
        let rows = client.query_typed(&format!("EXPLAIN (COSTS OFF) {sql}"), values).unwrap();
        rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    }

    /// Checks the plan of the search for many ids, and of the look that the foreign key takes at each purchase.
    fn assert_keys_are_used(client: &mut Client, is_counted: bool) {
        let ids: Vec<String> = (10_000..26_000).map(|number| number.to_string()).collect();
        for (kind, index) in [(Kind::Products, "products_pkey"), (Kind::Purchases, "orders_pkey")] {
            let plan = plan(client, &ShopSql::made().present(kind), &ids);
            let (list, keys) = (plan.find("Function Scan on unnest"), plan.find(&format!("Scan using {index}")));
            assert!(list.is_some() && list < keys && plan.contains("Index Cond") && plan.contains("Limit"), "{plan}");
        }
        if is_counted {
            let plan = plan(client, "SELECT 1 FROM ONLY orders AS x WHERE order_id = '7' FOR KEY SHARE", &[]);
            assert!(plan.contains("Scan using orders_pkey"), "{plan}");
        }
    }

    #[test]
    fn keys_are_found_by_their_index_whatever_the_server_has_counted() {
        let server = Server::start();
        let url = server.url();
        execute(&url, include_str!("schema_1.sql"));
        let mut client = connect(&url);
        // A VACUUM between the first rows and the next ones finds a lock.
        client.batch_execute("BEGIN").unwrap();
        let mut counts = RowCounts::begin(&mut client).unwrap();
        imported::begin(&mut client).unwrap();
        fill(&mut client);
        ["products", "orders"].iter().for_each(|table| counts.added(&mut client, table).unwrap());
        vacuum(&url);
        assert_keys_are_used(&mut client, true);
        client.batch_execute("ROLLBACK; BEGIN").unwrap();
        // Tables that were counted as empty before the import began.
        fill(&mut client);
        vacuum(&url);
        client.batch_execute("ROLLBACK; BEGIN").unwrap();
        let mut counts = RowCounts::begin(&mut client).unwrap();
        imported::begin(&mut client).unwrap();
        assert_keys_are_used(&mut client, false);
        fill(&mut client);
        let is_wrong = takes_for_empty(&mut client, "orders").unwrap();
        assert!(is_wrong, "the state is the one that this test is about");
        assert_keys_are_used(&mut client, false);
        ["products", "orders"].iter().for_each(|table| counts.added(&mut client, table).unwrap());
        assert_keys_are_used(&mut client, true);
        client.batch_execute("COMMIT").unwrap();
        execute(&url, "ANALYZE");
        client.batch_execute("BEGIN").unwrap();
        RowCounts::begin(&mut client).unwrap();
        imported::begin(&mut client).unwrap();
        assert_keys_are_used(&mut client, true);
    }
}
