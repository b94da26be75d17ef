//! A shop that keeps its catalogue and its purchases in tables that Vitrine makes in PostgreSQL: a row written over HTTP
//! is on the shelves with its token, and whatever was acknowledged outlives killed processes.

use harness::Process;
use harness::postgres::{Server, connect, execute};
use serde_json::{Value, json};

use crate::rows_program::{
    COUNTING_OLDER, Program, SOON, WrittenPurchases, older_purchases_count_for_features_and_buy_again_alone, purchase,
    rows_are_on_the_shelves,
};

/// Vitrine makes and writes the tables.
const MANAGED: &[&str] = &["store.manage=true"];

/// A program whose store is in a database.
fn start(database: &str, settings: &[&str]) -> Program {
    Program::serve(&[&[&format!("postgres.url={database}"), "rules.items_min=1"], settings])
}

#[test]
fn a_row_written_over_http_is_on_the_shelf_as_soon_as_its_token_is_shown() {
    let server = Server::start();
    let shop = start(&server.url(), MANAGED);
    rows_are_on_the_shelves(&shop);

    // There is no log of events, and nothing of an erasure is done.
    let event = json!({"event_type": "view", "user_id": "ada", "product_id": "lamp"});
    for (method, path, body) in [("DELETE", "/v1/users/ada", &Value::Null), ("POST", "/v1/events", &event)] {
        let refused = shop.ask(method, path, body);
        assert_eq!((refused.status, &refused.json()["type"]), (409, &json!("urn:vitrine:problem:intake-off")));
    }

    // Another process reads the same tables without leave to write them.
    let reader = start(&server.url(), &["store.manage=false", "postgres.slot=b", "postgres.publication=b"]);
    assert_eq!(reader.ask("GET", "/v1/users/ada", &Value::Null).json()["name"], "Ada");
    let refused = reader.ask("PUT", "/v1/users/ada", &json!({}));
    assert_eq!((refused.status, &refused.json()["type"]), (409, &json!("urn:vitrine:problem:rows-elsewhere")));
}

#[test]
fn a_purchase_outside_of_the_window_counts_for_features_and_buy_again_alone() {
    let server = Server::start();
    older_purchases_count_for_features_and_buy_again_alone(&start(&server.url(), &[MANAGED, COUNTING_OLDER].concat()));
}

/// The buyers of the first product of a list, in the state that holds the write of `token`.
#[track_caller]
fn buyers(shop: &Program, category: &str, token: &str) -> Value {
    let answer = shop.ask("GET", &format!("/v1/categories/{category}/bestsellers?after={token}"), &Value::Null);
    answer.json()["products"][0]["buyers"].clone()
}

#[test]
fn a_parent_counts_each_buyer_of_a_product_once_also_after_a_restart() {
    let server = Server::start();
    let checkpoints = tempfile::tempdir().expect("a temporary directory");
    let dir = format!("checkpoint.dir={}", checkpoints.path().display());
    let settings = [MANAGED, &[&*dir]].concat();
    let token = {
        let mut shop = start(&server.url(), &settings);
        shop.write("POST", "/v1/categories", &json!({"category_id": "house"}));
        for (category, parent) in [("light", "house"), ("desk", "light"), ("floor", "light")] {
            shop.write("POST", "/v1/categories", &json!({"category_id": category, "parent_id": parent}));
        }
        shop.write("POST", "/v1/products", &json!({"product_id": "lamp", "category_id": "desk"}));
        shop.write("POST", "/v1/purchases", &purchase("1", "ada", "lamp"));
        let token = shop.write("POST", "/v1/purchases", &purchase("2", "ada", "lamp"));
        assert_eq!(["house", "light", "desk"].map(|of| buyers(&shop, of, &token)), [json!(1), json!(1), json!(1)]);
        let token = shop.write("POST", "/v1/purchases", &purchase("3", "bea", "lamp"));
        assert_eq!(buyers(&shop, "house", &token), json!(2));
        shop.process.terminate();
        assert!(shop.process.wait_exit(SOON).success());
        token
    };
    let shop = start(&server.url(), &settings);
    assert_eq!(["house", "light", "desk"].map(|of| buyers(&shop, of, &token)), [json!(2), json!(2), json!(2)]);
    let token = shop.write("PATCH", "/v1/categories/light", &json!({"parent_id": null}));
    assert_eq!(shop.sellers("house", &token), [""; 0]);
    let token = shop.write("PATCH", "/v1/products/lamp", &json!({"category_id": "floor"}));
    assert_eq!((shop.sellers("desk", &token), shop.sellers("light", &token)), (vec![], vec!["lamp".to_owned()]));
}

#[test]
fn the_shops_own_tables_are_left_alone() {
    let server = Server::start();
    let tables = "
        CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
        CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
        CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id))";
    execute(&server.url(), tables);
    let shop = start(&server.url(), &["store.manage=false"]);
    let refused = shop.ask("POST", "/v1/products", &json!({"product_id": "lamp"}));
    assert_eq!(refused.status, 409, "{}", refused.text());
    let rows = connect(&server.url()).query("SELECT FROM products", &[]).expect("the table is there");
    assert!(rows.is_empty());
}

#[test]
fn purchases_that_were_acknowledged_outlive_killed_processes_and_nothing_else_is_there() {
    const ACKNOWLEDGED_MIN: usize = 100;
    let mut server = Server::start();
    let written = WrittenPurchases::new(true);
    written.write_and_kill(&mut start(&server.url(), MANAGED), "program", ACKNOWLEDGED_MIN, Process::kill9);
    let mut program = start(&server.url(), MANAGED);
    written.write_and_kill(&mut program, "server", ACKNOWLEDGED_MIN, |_| server.kill9());
    server.restart();
    drop(program);
    let program = start(&server.url(), MANAGED);
    let count = "SELECT count(*), count(line) FROM orders LEFT JOIN order_items USING (order_id)";
    let row = connect(&server.url()).query_one(count, &[]).expect("the tables are there");
    let (orders, lines): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(orders, lines, "no purchase is half-written");
    written.are_in(&program, usize::try_from(orders).expect("a count"));
}
