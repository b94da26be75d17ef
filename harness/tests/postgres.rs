//! The server boots with logical WAL, answers, and keeps its rows over a kill and a stop.

use harness::postgres::{Server, connect, execute};

#[test]
fn rows_survive_a_kill_and_a_stop() {
    let mut server = Server::start();
    let one: i32 = server.client().query_one("SELECT 1", &[]).unwrap().get(0);
    assert_eq!(one, 1);
    let wal_level: String = server.client().query_one("SHOW wal_level", &[]).unwrap().get(0);
    assert_eq!(wal_level, "logical");

    let shop = server.create_database("shop");
    execute(&shop, "CREATE TABLE products (product_id text PRIMARY KEY); INSERT INTO products VALUES ('p1')");
    let open = connect(&shop);
    server.kill9();
    server.restart();
    drop(open);
    server.stop();
    server.restart();
    let row = connect(&shop).query_one("SELECT product_id FROM products", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), "p1");
}
