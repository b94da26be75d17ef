//! The PostgreSQL source on a real server: the lists agree with the tables through changes, faults and repairs, while
//! everything keeps running.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

mod another_server;
mod bad_rows;
mod category_lists;
mod deleted;
mod descriptions;
mod faults;
mod flags;
mod ids;
mod log;
mod log_faults;
mod log_keys;
mod log_large;
mod log_time;
mod migrations;
mod mirror;
mod older_orders;
mod policies;
mod resuming;
mod rules;
#[path = "../support/running.rs"]
mod running;
mod sessions;
mod shapes;
mod shop;
mod status;
mod time_zone;
mod tls;
mod unheld_rows;

use harness::postgres::{connect, execute};
use shop::{SOON, Shop, TABLES, database, settings};

#[test]
fn the_snapshot_holds_the_window_and_nothing_else() {
    let url = database("snapshot");
    execute(&url, TABLES);
    execute(
        &url,
        "INSERT INTO products VALUES ('lamp', 'light'), ('candle', 'light'), ('chair', 'seat'), ('thing', NULL);
         INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now() - interval '29 days 23 hours'),
                                   ('3', 'eve', now() - interval '30 days 1 second'), ('4', 'ada', now());
         INSERT INTO order_items VALUES ('1', 'lamp', 5), ('1', 'thing', 1), ('2', 'lamp', 1), ('2', 'chair', 1),
                                        ('3', 'candle', 1), ('4', 'lamp', 1), ('no such order', 'lamp', 1);",
    );
    let shop = Shop::with(settings(&url), 2);
    shop.expect(None, &[("lamp", 2), ("chair", 1), ("thing", 1)]);
    shop.expect(Some("light"), &[("lamp", 2)]);
    shop.expect(Some("seat"), &[("chair", 1)]);
    shop.live();
    // The order of the 30th day and its line were not even read.
    assert_eq!(shop.view().accepted, 4 + 3 + 5);
    assert!(shop.view().rejected.is_empty());
}

#[test]
fn every_kind_of_change_shows() {
    let url = database("changes");
    execute(&url, TABLES);
    execute(
        &url,
        "INSERT INTO products VALUES ('lamp', 'light'), ('chair', 'seat');
         INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now());
         INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1), ('2', 'chair', 1);",
    );
    let shop = Shop::open(&url);
    shop.expect(None, &[("lamp", 2), ("chair", 1)]);
    execute(&url, "INSERT INTO orders VALUES ('3', 'eve', now()); INSERT INTO order_items VALUES ('3', 'chair', 1)");
    shop.expect(None, &[("chair", 2), ("lamp", 2)]);
    // Another user, who has the product already.
    execute(&url, "UPDATE orders SET user_id = 'ada' WHERE order_id = '2'");
    shop.expect(None, &[("chair", 2), ("lamp", 1)]);
    // A line changes its product, a line is returned.
    execute(&url, "UPDATE order_items SET product_id = 'stool' WHERE order_id = '3'");
    shop.expect(None, &[("chair", 1), ("lamp", 1), ("stool", 1)]);
    execute(&url, "DELETE FROM order_items WHERE product_id = 'lamp'");
    shop.expect(None, &[("chair", 1), ("stool", 1)]);
    // Categories: a move, a new product, a product without.
    execute(&url, "UPDATE products SET category_id = 'light' WHERE product_id = 'chair'");
    shop.expect(Some("light"), &[("chair", 1)]);
    shop.expect(Some("seat"), &[]);
    execute(
        &url,
        "INSERT INTO products VALUES ('stool', 'seat'); UPDATE products SET category_id = NULL WHERE product_id = 'chair'",
    );
    shop.expect(Some("seat"), &[("stool", 1)]);
    shop.expect(Some("light"), &[]);
    // An order is cancelled, another one moves out of the window by a change of its time.
    execute(&url, "DELETE FROM orders WHERE order_id = '3'");
    shop.expect(None, &[("chair", 1)]);
    execute(&url, "UPDATE orders SET created_at = now() - interval '31 days' WHERE order_id = '2'");
    shop.expect(None, &[]);
    execute(&url, "UPDATE orders SET created_at = now() WHERE order_id = '2'");
    shop.expect(None, &[("chair", 1)]);
    execute(&url, "TRUNCATE order_items");
    shop.expect(None, &[]);
}

#[test]
fn a_difference_is_one_tick() {
    let url = database("one_tick");
    execute(&url, TABLES);
    execute(
        &url,
        "INSERT INTO orders SELECT n, n, now() FROM generate_series(1, 20000) n;
         INSERT INTO order_items SELECT n, 'lamp', 1 FROM generate_series(1, 20000) n;",
    );
    let shop = Shop::with(settings(&url), 2);
    shop.expect(None, &[("lamp", 20_000)]);
    for (from, to) in [("lamp", "chair"), ("chair", "lamp")] {
        execute(&url, &format!("UPDATE order_items SET product_id = '{to}'"));
        harness::wait_until(SOON, "the orders have moved", || {
            let list = shop.best_sellers(None);
            assert_eq!(list.len(), 1, "part of the difference from {from} to {to} shows: {list:?}");
            list[0] == (to.to_owned(), 20_000)
        });
    }
}

#[test]
fn orders_leave_with_the_window() {
    let url = database("window");
    execute(&url, TABLES);
    execute(
        &url,
        "INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now() - interval '10 days');
         INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1);",
    );
    let shop = Shop::open(&url);
    shop.expect(None, &[("lamp", 2)]);
    shop.clock.forward(25 * 24 * 3600 * 1000);
    shop.expect(None, &[("lamp", 1)]);
    // The rows have left what is remembered too: both are given as gone.
    let accepted = shop.view().accepted;
    harness::wait_until(SOON, "the rows are forgotten", || shop.view().accepted >= accepted.max(6));
    execute(&url, "DELETE FROM orders WHERE order_id = '2'");
    shop.reads_again();
    assert_eq!((shop.best_sellers(None).len(), shop.view().accepted), (1, 6));
}

#[test]
fn an_order_of_the_future_waits_for_its_time() {
    let url = database("future");
    execute(&url, TABLES);
    execute(
        &url,
        "INSERT INTO orders VALUES ('1', 'ada', now() + interval '4 minutes'), ('2', 'bob', now() + interval '1 hour'),
                                   ('3', 'eve', 'infinity');
         INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1), ('3', 'lamp', 1);",
    );
    let shop = Shop::open(&url);
    shop.expect(None, &[("lamp", 1)]);
    shop.reads_again();
    assert_eq!(shop.view().ignored["future_order"], 2, "each is counted once");
    shop.clock.forward(57 * 60 * 1000);
    shop.expect(None, &[("lamp", 2)]);
}

#[test]
fn a_row_without_ids_or_time_is_refused_once() {
    let url = database("nulls");
    execute(
        &url,
        "CREATE TABLE products (product_id text, category_id text);
         CREATE TABLE orders (order_id text, user_id text, created_at timestamptz);
         CREATE TABLE order_items (order_id text, product_id text);
         INSERT INTO products VALUES (NULL, 'light'), ('lamp', 'light'), ('chair', '');
         INSERT INTO orders VALUES (NULL, 'ada', now()), ('1', NULL, now()), ('2', 'bob', NULL), ('3', 'eve', now()),
                                   ('4', repeat('x', 257), now());
         INSERT INTO order_items VALUES (NULL, 'lamp'), ('3', NULL), ('3', 'lamp'), ('1', 'lamp'), ('2', 'lamp');",
    );
    let shop = Shop::open(&url);
    shop.expect(Some("light"), &[("lamp", 1)]);
    let letters: Vec<_> = (0..8).map(|_| shop.letters.recv_timeout(SOON).expect("a letter")).collect();
    shop.reads_again();
    assert!(shop.letters.try_recv().is_err(), "a row is refused once, not at every refresh");
    assert_eq!(shop.view().rejected["missing_field"], 6);
    assert_eq!((shop.view().rejected["empty_id"], shop.view().rejected["id_too_long"]), (1, 1));
    let letter = letters.iter().find(|letter| letter.detail.contains("user_id` is missing")).unwrap();
    assert_eq!((letter.stream.as_str(), letter.reason, letter.offset), ("orders", "missing_field", 0));
    let payload: serde_json::Value = serde_json::from_slice(&letter.payload).unwrap();
    assert_eq!((&payload["order_id"], &payload["user_id"]), (&"1".into(), &serde_json::Value::Null));
    // A repaired row counts; broken again it is refused again.
    execute(&url, "UPDATE orders SET user_id = 'ada' WHERE order_id = '1'");
    shop.expect(None, &[("lamp", 2)]);
    execute(&url, "UPDATE orders SET user_id = NULL WHERE order_id = '1'");
    shop.expect(None, &[("lamp", 1)]);
    assert_eq!(shop.letters.recv_timeout(SOON).expect("a letter").payload, letter.payload);
}

#[test]
fn inspect_finds_what_the_source_would() {
    let url = database("inspect");
    let tables = settings(&url).tables;
    let mut client = connect(&url);
    let found = |client: &mut postgres::Client| sources::postgres::inspect(client, &tables).expect("an answer");
    assert_eq!(found(&mut client).len(), 3);
    execute(&url, TABLES);
    assert_eq!(found(&mut client), []);
    execute(&url, "ALTER TABLE orders DROP COLUMN user_id, ALTER COLUMN created_at TYPE text");
    let text: Vec<String> = found(&mut client).iter().map(ToString::to_string).collect();
    assert!(text[0].contains("[postgres.tables.orders] user_id") && text[0].contains("it has order_id, created_at"));
    assert!(text[1].contains("is of type text, which is no time") && text[1].contains("TYPE timestamptz USING"));
}
