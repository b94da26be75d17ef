//! The server boots with logical WAL, answers, keeps its rows over a kill and a stop, and a standby takes its place.

use harness::postgres::{Server, connect, execute};
use harness::proxy::Proxy;

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

#[test]
fn a_standby_streams_and_takes_the_servers_place() {
    let mut primary = Server::start();
    let shop = primary.create_database("shop");
    execute(&shop, "CREATE TABLE products (product_id text PRIMARY KEY); INSERT INTO products VALUES ('p1')");
    let mut standby = primary.standby();
    execute(&shop, "INSERT INTO products VALUES ('p2')");
    standby.wait_replayed(&primary);
    let shop = standby.url_of("shop");
    let count = || connect(&shop).query_one("SELECT count(*) FROM products", &[]).unwrap().get::<_, i64>(0);
    assert_eq!(count(), 2);
    assert!(connect(&shop).batch_execute("INSERT INTO products VALUES ('p3')").is_err(), "a standby takes no writes");

    primary.kill9();
    standby.promote();
    assert_eq!(standby.timeline(), 2);
    execute(&shop, "INSERT INTO products VALUES ('p3')");
    execute(&shop, "SELECT pg_create_logical_replication_slot('ours', 'pgoutput')");
    standby.restart();
    assert_eq!(count(), 3);

    // The next one, to which the last row does not come.
    let proxy = Proxy::start(standby.port());
    let next = standby.standby_through(proxy.port());
    next.wait_replayed(&standby);
    proxy.stall();
    execute(&shop, "INSERT INTO products VALUES ('p4')");
    next.promote();
    assert_eq!(next.timeline(), 3);
    let (last, before) = (count(), connect(&next.url_of("shop")).query_one("SELECT count(*) FROM products", &[]));
    assert_eq!((last, before.unwrap().get::<_, i64>(0)), (4, 3));
}
