//! The server, the network or the tables fail: answers continue, the state names the fault, and a repair needs no
//! restart.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use dataflow::source_status::State;
use harness::postgres::{Server, connect, execute};
use sources::postgres::Settings;

use crate::shop::{Shop, TABLES, database, settings};

const ONE_SALE: &str = "
    INSERT INTO orders VALUES ('1', 'ada', now()); INSERT INTO order_items VALUES ('1', 'lamp', 1);";

#[test]
fn a_missing_table_is_named_until_it_is_there() {
    let url = database("missing_table");
    let shop = Shop::open(&url);
    shop.complains(&["table orders does not exist", "[postgres.tables.orders] name", "table products", "order_items"]);
    execute(&url, TABLES);
    execute(&url, ONE_SALE);
    shop.expect(None, &[("lamp", 1)]);
    shop.live();
    execute(&url, "ALTER TABLE order_items RENAME TO lines");
    shop.complains(&["table order_items does not exist"]);
    shop.expect(None, &[("lamp", 1)]);
    execute(&url, "ALTER TABLE lines RENAME TO order_items; DELETE FROM order_items");
    shop.expect(None, &[]);
    shop.live();
}

#[test]
fn a_missing_time_column_is_named_with_both_ways_out() {
    let url = database("missing_time");
    execute(&url, &TABLES.replace("created_at", "placed_at"));
    let shop = Shop::open(&url);
    shop.complains(&["no time column created_at", "order_time to another column (placed_at)", "\"first_seen\""]);
    shop.complains(&["ALTER TABLE \"orders\" ADD COLUMN \"created_at\" timestamptz"]);
    execute(&url, "ALTER TABLE orders RENAME COLUMN placed_at TO created_at");
    execute(&url, ONE_SALE);
    shop.expect(None, &[("lamp", 1)]);
    shop.live();
}

#[test]
fn a_missing_grant_is_named_with_its_sql() {
    let url = database("missing_grant");
    execute(&url, TABLES);
    execute(&url, ONE_SALE);
    execute(&url, "CREATE ROLE reader LOGIN; GRANT SELECT ON products, order_items TO reader");
    let shop = Shop::open(&url.replace("postgres@", "reader:hush@"));
    shop.complains(&["may not be read by reader", "GRANT SELECT ON \"orders\" TO reader;"]);
    execute(&url, "GRANT SELECT ON orders TO reader");
    shop.expect(None, &[("lamp", 1)]);
}

#[test]
fn a_server_that_is_killed_comes_back() {
    let mut server = Server::start();
    let url = server.create_database("shop");
    execute(&url, TABLES);
    execute(&url, ONE_SALE);
    server.stop();
    let shop = Shop::open(&url.replace("postgres@", "postgres:hush@"));
    shop.complains(&["PostgreSQL at 127.0.0.1:", "/shop", "refused"]);
    server.restart();
    shop.expect(None, &[("lamp", 1)]);
    shop.live();
    server.kill9();
    shop.complains(&["PostgreSQL at 127.0.0.1:"]);
    shop.expect(None, &[("lamp", 1)]);
    let State::Retrying(reason) = shop.view().state else { panic!("the server is dead") };
    assert!(!reason.contains("hush"), "{reason}");
    server.restart();
    execute(&url, "UPDATE order_items SET product_id = 'chair'");
    shop.expect(None, &[("chair", 1)]);
    shop.live();
}

#[test]
fn a_reading_that_fails_in_the_middle_changes_nothing() {
    let url = database("middle");
    execute(&url, TABLES);
    execute(&url, ONE_SALE);
    execute(&url, "ALTER TABLE order_items RENAME TO lines; CREATE VIEW order_items AS SELECT * FROM lines");
    let shop = Shop::open(&url);
    shop.expect(None, &[("lamp", 1)]);
    // Orders can be read, lines fail half-way: the deleted order must not show as gone, nor the new line as come.
    execute(
        &url,
        "BEGIN;
         CREATE OR REPLACE VIEW order_items AS
            SELECT order_id, (CASE WHEN quantity = 0 THEN (1 / quantity)::text ELSE product_id END) AS product_id,
                   quantity FROM lines;
         DELETE FROM orders;
         INSERT INTO orders VALUES ('2', 'bob', now()), ('3', 'eve', now());
         INSERT INTO lines VALUES ('2', 'lamp', 1), ('3', 'lamp', 0);
         COMMIT",
    );
    shop.complains(&["division by zero"]);
    shop.expect(None, &[("lamp", 1)]);
    assert_eq!(shop.view().accepted, 2);
    execute(&url, "UPDATE lines SET quantity = 1");
    shop.expect(None, &[("lamp", 2)]);
    shop.live();
}

#[test]
fn a_lost_connection_is_noticed_between_two_refreshes() {
    let url = database("idle_loss");
    execute(&url, TABLES);
    execute(&url, ONE_SALE);
    let shop = Shop::with(Settings { refresh: Duration::from_secs(3600), ..settings(&url) }, 1);
    shop.expect(None, &[("lamp", 1)]);
    shop.live();
    execute(&url, "UPDATE order_items SET product_id = 'chair'");
    let mut client = connect(&url);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vitrine' AND datname = 'idle_loss'";
    client.batch_execute(end).unwrap();
    // It connects again and reads at once: what happened meanwhile must not wait for the hour.
    shop.expect(None, &[("chair", 1)]);
    shop.live();
}

#[test]
fn stopping_does_not_wait_for_a_server_that_says_nothing() {
    // Accepts connections in the kernel's queue and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ada@{}/shop", listener.local_addr().unwrap());
    let (silence_max, answer_max) = (Duration::from_millis(100), Duration::from_secs(120));
    let shop = Shop::with(Settings { silence_max, answer_max, ..settings(&url) }, 1);
    shop.complains(&["has not answered"]);
    let start = Instant::now();
    shop.stop();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
