//! Tools that write the tables of PostgreSQL at other isolation levels, or with another search path: the categories of products
//! are right, or the tool is refused.

use harness::postgres::{connect, execute};
use postgres::Client;
use postgres::error::SqlState;
use vitrine_store::{Kind, Settings, Store, UnknownIds, WriteRequest};

use crate::{Home, NOW, database, put, store_in, wait};

/// The levels at which a transaction sees the tables as of its beginning.
const FIXED: [&str; 2] = ["REPEATABLE READ", "SERIALIZABLE"];

fn categories(client: &mut Client, product: &str) -> Vec<String> {
    client.query_one("SELECT categories FROM products WHERE product_id = $1", &[&product]).unwrap().get(0)
}

/// A tree with a product.
fn home() -> Home {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Categories, r#"{"category_id":"light","parent_id":"house"}"#));
    home.done(put(Kind::Products, r#"{"product_id":"lamp","category_id":"light"}"#));
    home
}

#[test]
fn a_product_written_by_a_transaction_that_misses_a_move_is_refused() {
    for level in FIXED {
        let home = home();
        let (mut early, mut late) = (connect(home.url()), connect(home.url()));
        early.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM categories")).unwrap();
        home.done(put(Kind::Categories, r#"{"category_id":"light","parent_id":"flat"}"#));
        let insert = "INSERT INTO products (product_id, category_id) VALUES ('bulb', 'light')";
        let refused = early.batch_execute(insert).unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{level}: {refused}");
        late.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; {insert}; COMMIT")).unwrap();
        for product in ["lamp", "bulb"] {
            assert_eq!(categories(&mut late, product), ["light", "flat"], "{level}: {product}");
        }
    }
}

#[test]
fn a_category_is_moved_only_by_a_transaction_that_sees_every_product() {
    for level in FIXED {
        let home = home();
        let mut tool = connect(home.url());
        for change in [
            "UPDATE categories SET parent_id = 'flat'",
            "INSERT INTO categories VALUES ('x', NULL, 'light')",
            "DELETE FROM categories",
        ] {
            let refused = tool.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; {change}; COMMIT")).unwrap_err();
            let message = refused.as_db_error().map(|error| error.message()).unwrap_or_default();
            assert!(message.contains("READ COMMITTED"), "{level}: {change}: {refused}");
            tool.batch_execute("ROLLBACK").unwrap();
        }
        let other = "UPDATE categories SET name = 'Light'; INSERT INTO categories VALUES ('wood', NULL, NULL)";
        tool.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; {other}; COMMIT")).unwrap();
        assert_eq!(categories(&mut tool, "lamp"), ["light", "house"]);
    }
}

#[test]
fn the_triggers_find_the_tables_whatever_the_search_path() {
    let url = database();
    execute(&url, include_str!("../../src/postgres/schema_1.sql"));
    // The first name of the usual search path is a schema of the user, if there is one.
    execute(&url, "UPDATE vitrine_store SET version = 1; CREATE SCHEMA AUTHORIZATION CURRENT_USER");
    let store = store_in(&url, Settings { manage: true, ..Settings::default() });
    let writes = vec![
        put(Kind::Categories, r#"{"category_id":"light","parent_id":"house"}"#),
        put(Kind::Products, r#"{"product_id":"lamp","category_id":"light"}"#),
    ];
    wait(store.write(WriteRequest { writes, repeatable: None, now: NOW })).unwrap();
    let mut tool = connect(&url);
    assert_eq!(categories(&mut tool, "lamp"), ["light", "house"]);
    tool.batch_execute(
        "CREATE TEMP TABLE categories (category_id text, parent_id text); CREATE TEMP TABLE products (category_id text);
         SET search_path = pg_catalog;
         INSERT INTO public.products (product_id, category_id) VALUES ('bulb', 'light');
         UPDATE public.categories SET parent_id = 'flat'; SET search_path = public, pg_temp",
    )
    .unwrap();
    for product in ["lamp", "bulb"] {
        assert_eq!(categories(&mut tool, product), ["light", "flat"], "{product}");
    }
}
