//! The log is followed: after any change of the tables, the fed rows equal the tables.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dataflow::source_status::State;
use dataflow::time::Diff;
use harness::postgres::{connect, execute};
use sources::postgres::{Acknowledge, Mode, Settings, inspect_replication};

use crate::mirror::{Mirror, ROWS, TABLES, confirmed, database, end, hears, settings};
use crate::running::SOON;

#[test]
fn every_kind_of_change_is_followed() {
    let url = database("log_changes", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    mirror.follows(
        "INSERT INTO orders VALUES ('3', 'note', 'eve', now()); INSERT INTO order_items VALUES (1, '3', 'chair')",
    );
    mirror.follows("UPDATE orders SET user_id = 'ada' WHERE order_id = '2'");
    mirror.follows("UPDATE orders SET created_at = created_at - interval '1.5 seconds'");
    mirror.follows(
        "UPDATE order_items SET quantity = 7; UPDATE products SET description = 'x'; UPDATE orders SET note = 'y'",
    );
    // Keys: of an order, of a line by either of its columns, of a product.
    mirror.follows("UPDATE orders SET order_id = '30' WHERE order_id = '3'");
    mirror.follows("UPDATE order_items SET order_id = '30' WHERE order_id = '3'");
    mirror.follows("UPDATE order_items SET product_id = 'stool' WHERE order_id = '30'");
    mirror.follows("UPDATE products SET product_id = 'lantern', category_id = 'house' WHERE product_id = 'lamp'");
    // Two rows change places, in one transaction.
    mirror.follows(
        "BEGIN; UPDATE orders SET order_id = 'x' WHERE order_id = '1'; UPDATE orders SET order_id = '1' WHERE order_id = '2';
         UPDATE orders SET order_id = '2' WHERE order_id = 'x'; COMMIT",
    );
    // Categories come and go.
    mirror.follows("UPDATE products SET category_id = NULL WHERE product_id = 'chair'");
    mirror.follows("UPDATE products SET category_id = 'house' WHERE category_id IS NULL");
    mirror.follows("DELETE FROM products WHERE product_id = 'candle'");
    mirror.follows("DELETE FROM order_items WHERE order_id = '1'; DELETE FROM orders WHERE order_id = '1'");
    mirror.follows("BEGIN; DELETE FROM orders; ROLLBACK; INSERT INTO visits (page) VALUES ('/')");
    mirror.follows("BEGIN; INSERT INTO orders VALUES ('4', NULL, 'eve', now()); SAVEPOINT s; DELETE FROM orders; ROLLBACK TO s; COMMIT");
    mirror.follows("TRUNCATE orders, order_items");
    mirror.follows(
        ROWS.split_once("INSERT INTO orders").map(|(_, rows)| format!("INSERT INTO orders{rows}")).unwrap().as_str(),
    );
    mirror.follows("BEGIN; TRUNCATE products; INSERT INTO products VALUES ('lamp', 'light'); COMMIT");
    assert!(mirror.view().rejected.is_empty());
    // A table that was emptied is read anew.
    mirror.live();
}

#[test]
fn a_surrogate_key_tells_equal_lines_apart() {
    let tables = TABLES.replace("PRIMARY KEY (order_id, product_id)", "id serial PRIMARY KEY");
    let url = database("log_surrogate", &tables);
    execute(&url, ROWS);
    let mut mirror = Mirror::open(&url);
    mirror.key = &["id"];
    mirror.agrees();
    mirror.follows("INSERT INTO order_items (order_id, product_id) SELECT '1', 'lamp' FROM generate_series(1, 3)");
    mirror.follows("DELETE FROM order_items WHERE id = (SELECT max(id) FROM order_items)");
    mirror.follows("UPDATE order_items SET product_id = 'chair' WHERE id = (SELECT max(id) FROM order_items)");
    mirror.follows("UPDATE order_items SET id = id + 100");
    mirror.follows("DELETE FROM order_items WHERE order_id = '1' AND product_id = 'lamp'");
}

#[test]
fn whole_old_rows_are_followed_too() {
    let url = database("log_full", &[TABLES, ROWS].concat());
    for table in ["products", "orders", "order_items"] {
        execute(&url, &format!("ALTER TABLE {table} REPLICA IDENTITY FULL"));
    }
    let mirror = Mirror::following(&url);
    mirror.follows("UPDATE orders SET user_id = 'eve', note = 'z'; UPDATE order_items SET quantity = 2");
    mirror
        .follows("UPDATE orders SET order_id = order_id || 'b'; UPDATE order_items SET product_id = product_id || 'b'");
    mirror.follows("UPDATE products SET product_id = 'lantern' WHERE product_id = 'lamp'");
    mirror.follows("DELETE FROM order_items WHERE order_id = '1'; DELETE FROM products WHERE product_id = 'chair'");
}

#[test]
fn an_identity_by_index_is_followed() {
    let tables =
        TABLES.replace("order_id text PRIMARY KEY", "number serial PRIMARY KEY, order_id text NOT NULL UNIQUE");
    let url = database("log_index", &tables);
    execute(&url, ROWS);
    let mirror = Mirror::open(&url);
    mirror.complains(&[
        "rows of table orders are told by number",
        "REPLICA IDENTITY USING INDEX \"orders_order_id_key\"",
        "mode = \"refresh\"",
    ]);
    execute(&url, "ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_order_id_key");
    mirror.agrees();
    mirror.follows("UPDATE orders SET order_id = order_id || 'b'");
    mirror.follows("UPDATE orders SET number = number + 10, user_id = 'eve'; DELETE FROM orders WHERE order_id = '1b'");
}

#[test]
fn values_stored_apart_and_not_sent_are_kept() {
    let url = database("log_toast", TABLES);
    // Values are moved out of a row from 2 kB on; ids of this size get there among many columns that cannot be moved.
    let wide: Vec<String> = (0..150).map(|n| format!("ADD COLUMN wide_{n} uuid DEFAULT gen_random_uuid()")).collect();
    let apart = |table: &str, column: &str| format!("ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL;");
    execute(
        &url,
        &[apart("orders", "user_id"), apart("products", "category_id"), apart("order_items", "product_id")].concat(),
    );
    for table in ["orders", "products", "order_items"] {
        execute(&url, &format!("ALTER TABLE {table} {}", wide.join(", ")));
    }
    execute(
        &url,
        "INSERT INTO orders (order_id, user_id, created_at) VALUES ('1', repeat('u', 250), now()), ('2', 'bob', now());
         INSERT INTO products (product_id, category_id) VALUES ('lamp', repeat('c', 250));
         INSERT INTO order_items (order_id, product_id) VALUES ('1', repeat('p', 250))",
    );
    let mirror = Mirror::following(&url);
    mirror.follows(
        "UPDATE orders SET note = 'a'; UPDATE products SET description = 'a'; UPDATE order_items SET quantity = 3",
    );
    mirror.follows("UPDATE orders SET created_at = created_at - interval '1 minute'");
    mirror.follows("UPDATE orders SET order_id = 'one' WHERE order_id = '1'");
    mirror.follows("UPDATE products SET product_id = 'lantern'");
    mirror.follows("UPDATE order_items SET order_id = 'one'");
    let mut client = connect(&url);
    let apart = "SELECT pg_column_size(user_id) > 200 AND (SELECT relpages > 0 FROM pg_class t WHERE t.oid = c.reltoastrelid) \
                 FROM orders, pg_class c WHERE c.oid = 'orders'::regclass AND order_id = 'one'";
    client.batch_execute("VACUUM orders").unwrap();
    client.batch_execute("ANALYZE orders").unwrap();
    assert!(client.query_one(apart, &[]).unwrap().get::<_, bool>(0), "the value is stored apart");
}

#[test]
fn columns_of_other_types_and_unused_ones_are_of_no_matter() {
    let url = database(
        "log_types",
        "CREATE TABLE products (product_id int PRIMARY KEY, category_id smallint);
         CREATE TABLE orders (unused text, order_id char(8) PRIMARY KEY, user_id uuid, created_at timestamptz);
         CREATE TABLE order_items (order_id char(8), product_id int, gift bool, at timestamptz,
                                   PRIMARY KEY (order_id, product_id, gift, at));
         INSERT INTO products VALUES (1, 10), (2, 20);
         INSERT INTO orders VALUES (NULL, 'a', gen_random_uuid(), now());
         INSERT INTO order_items VALUES ('a', 1, true, now()), ('a', 1, false, '2024-02-03 04:05:06.7+01');
         ALTER DATABASE log_types SET timezone TO 'Pacific/Kiritimati'; ALTER DATABASE log_types SET datestyle TO 'German'",
    );
    let mut mirror = Mirror::open(&url);
    // As the source reads them, whatever the database's own ways are.
    mirror.key = &[
        "format('%s', order_id)",
        "product_id",
        "format('%s', gift)",
        "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || \
                    rtrim(rtrim(to_char(at AT TIME ZONE 'UTC', '.US'), '0'), '.') || '+00'",
    ];
    mirror.agrees();
    mirror.follows("INSERT INTO orders VALUES (NULL, 'b', gen_random_uuid(), now()); INSERT INTO order_items VALUES ('b', 2, true, now())");
    mirror.follows("UPDATE order_items SET gift = NOT gift");
    mirror.follows("ALTER TABLE orders DROP COLUMN unused; ALTER TABLE orders ADD COLUMN more int DEFAULT 3; UPDATE orders SET user_id = gen_random_uuid()");
    mirror.follows("UPDATE order_items SET at = at + interval '1 hour'; DELETE FROM order_items WHERE product_id = 2");
    assert!(mirror.view().rejected.is_empty());
}

#[test]
fn a_transaction_shows_whole() {
    let url = database("log_whole", TABLES);
    execute(
        &url,
        "INSERT INTO orders (order_id, user_id, created_at) SELECT n, n, now() FROM generate_series(1, 500) n;
         INSERT INTO order_items (order_id, product_id) SELECT n, 'lamp' FROM generate_series(1, 500) n;",
    );
    let mirror = Mirror::following(&url);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0..40 {
                let to = if turn % 2 == 0 { "chair" } else { "lamp" };
                // Two tables at once: the orders change their user with their lines.
                execute(
                    &url,
                    &format!(
                        "BEGIN; UPDATE order_items SET product_id = '{to}'; UPDATE orders SET user_id = '{to}'; COMMIT"
                    ),
                );
            }
            done.store(true, Ordering::Release);
        });
        let mut seen = 0;
        let mut last = None;
        while !done.load(Ordering::Acquire) {
            let rows = mirror.kept().rows;
            let mut products: Vec<_> = rows.lines.keys().map(|line| line.product).collect();
            products.dedup();
            let users: std::collections::BTreeSet<_> = rows.orders.keys().map(|order| order.user).collect();
            assert_eq!(
                (rows.lines.len(), rows.orders.len(), products.len()),
                (500, 500, 1),
                "part of a transaction shows"
            );
            assert!(users.len() == 1 || last.is_none(), "the orders are behind their lines");
            if last != Some(products[0]) {
                seen += 1;
                last = (users.len() == 1).then_some(products[0]);
            }
        }
        println!("{seen} transactions were seen one by one");
    });
    mirror.agrees();
}

#[test]
fn no_change_falls_between_snapshot_and_log() {
    let url = database("log_gap", TABLES);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = connect(&url);
            let mut n = 0;
            while !done.load(Ordering::Acquire) {
                n += 1;
                let sql = format!(
                    "BEGIN; INSERT INTO orders VALUES ('{n}', NULL, 'u{n}', now()); INSERT INTO order_items VALUES (1, '{n}', 'lamp');
                     UPDATE orders SET user_id = 'v' WHERE order_id = '{}'; DELETE FROM order_items WHERE order_id = '{}'; COMMIT",
                    n / 2,
                    n - 7
                );
                client.batch_execute(&sql).unwrap();
            }
        });
        // Anew again and again, while the writer writes.
        for _ in 0..3 {
            let mirror = Mirror::open(&url);
            harness::wait_until(SOON, "rows", || mirror.kept().rows.orders.len() > 50);
            mirror.live();
        }
        let mirror = Mirror::open(&url);
        harness::wait_until(SOON, "rows", || mirror.kept().rows.orders.len() > 50);
        done.store(true, Ordering::Release);
        mirror.agrees();
    });
}

#[test]
fn a_row_without_ids_or_time_is_refused_once() {
    let url = database("log_nulls", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    execute(
        &url,
        "INSERT INTO orders VALUES ('3', NULL, NULL, now()); INSERT INTO orders VALUES ('4', NULL, repeat('x', 257), now())",
    );
    execute(
        &url,
        "UPDATE orders SET created_at = NULL WHERE order_id = '1'; UPDATE orders SET note = 'again' WHERE order_id = '1'",
    );
    let letters: Vec<_> = (0..3).map(|_| mirror.letters.recv_timeout(SOON).expect("a letter")).collect();
    assert_eq!(
        letters.iter().map(|letter| letter.reason).collect::<Vec<_>>(),
        ["missing_field", "id_too_long", "missing_field"]
    );
    assert!(letters.iter().all(|letter| letter.stream == "orders" && letter.offset > 0));
    let payload: serde_json::Value = serde_json::from_slice(&letters[0].payload).unwrap();
    assert_eq!((&payload["order_id"], &payload["user_id"]), (&"3".into(), &serde_json::Value::Null));
    // They are mended, one by one; what is wrong does not count meanwhile.
    execute(&url, "DELETE FROM orders WHERE order_id IN ('3', '4')");
    mirror.agrees();
    mirror.follows("UPDATE orders SET created_at = now() WHERE order_id = '1'");
    assert!(mirror.letters.try_recv().is_err(), "a row is refused once");
    assert_eq!(mirror.view().state, State::Live);
}

#[test]
fn the_server_may_forget_what_was_fed_and_what_is_not_ours() {
    let url = database("log_idle", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    let mut client = connect(&url);
    // Our tables are idle, the server is busy.
    for _ in 0..3 {
        client.batch_execute("INSERT INTO visits (page) SELECT 'x' FROM generate_series(1, 1000)").unwrap();
        let busy = end(&mut client);
        harness::wait_until(SOON, "the slot moves on", || confirmed(&mut client, "log_idle") >= busy);
    }
    // Also while nothing happens.
    hears(&mut client, "log_idle", 4);
    let moved = end(&mut client);
    harness::wait_until(SOON, "so does the position", || mirror.kept().position.next >= moved);
    let progress = *mirror.view().partitions.values().next().unwrap();
    assert!(progress.next >= moved && progress.end >= progress.next, "{progress:?}");
}

#[test]
fn the_server_keeps_what_was_not_acknowledged() {
    let url = database("log_acknowledge", &[TABLES, ROWS].concat());
    let mirror = Mirror::with(Settings { acknowledge: Acknowledge::AfterCheckpoint, ..settings(&url) });
    mirror.agrees();
    let mut client = connect(&url);
    let start = confirmed(&mut client, "log_acknowledge");
    mirror.follows("INSERT INTO orders VALUES ('3', NULL, 'eve', now())");
    let kept = mirror.kept().position.next;
    mirror.follows("INSERT INTO orders VALUES ('4', NULL, 'eve', now())");
    assert_eq!(confirmed(&mut client, "log_acknowledge"), start);
    mirror.source.acknowledge(kept);
    harness::wait_until(SOON, "the slot moves on", || confirmed(&mut client, "log_acknowledge") == kept);
    // Neither an older place nor a new connection makes a difference.
    mirror.source.acknowledge(start);
    client
        .batch_execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'log_acknowledge'",
        )
        .unwrap();
    mirror.follows("INSERT INTO orders VALUES ('5', NULL, 'eve', now())");
    mirror.live();
    mirror.follows("INSERT INTO orders VALUES ('6', NULL, 'eve', now())");
    assert_eq!(confirmed(&mut client, "log_acknowledge"), kept);
}

#[test]
fn the_mode_follows_the_tables_where_it_may() {
    let url = database("log_auto", &[TABLES, ROWS].concat());
    let auto = || Settings { mode: Mode::Auto, ..settings(&url) };
    let mirror = Mirror::with(auto());
    mirror.agrees();
    let fingerprint = mirror.stop().position.fingerprint;
    assert!(fingerprint.is_some(), "the log was followed");
    execute(&url, "ALTER TABLE order_items DROP CONSTRAINT order_items_pkey");
    let snapshots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'log_auto'";
    let snapshots = || connect(&url).query_one(snapshots, &[]).unwrap().get::<_, i64>(0);
    assert_eq!(snapshots(), 1);
    let mirror = Mirror::with(auto());
    mirror.live();
    assert_eq!(snapshots(), 0, "the server keeps its log for nobody");
    execute(&url, "UPDATE orders SET user_id = 'eve'");
    harness::wait_until(SOON, "the tables are read again", || {
        let kept = mirror.kept();
        kept.rows.orders == mirror.tables(&mut connect(&url)).orders && kept.position.fingerprint.is_none()
    });
    let sum: Diff = mirror.kept().rows.lines.values().sum();
    assert_eq!(sum, 3);
    drop(mirror);
    let mirror = Mirror::open(&url);
    mirror.complains(&[
        "order_items has no primary key",
        "ADD PRIMARY KEY (\"order_id\", \"product_id\")",
        "mode = \"refresh\"",
    ]);
    assert_eq!(mirror.kept().rows.lines.len(), 0);
    execute(&url, "ALTER TABLE order_items ADD PRIMARY KEY (product_id, order_id)");
    let mut mirror = mirror;
    mirror.key = &["product_id", "order_id"];
    mirror.agrees();
}

#[test]
fn a_look_says_what_will_be_done_and_does_nothing() {
    let url = database("log_look", TABLES);
    let mut client = connect(&url);
    let found = inspect_replication(&mut client, &settings(&url)).unwrap();
    assert_eq!(found.obstacles, []);
    let sql = found.publication.expect("it is to be made");
    assert!(
        sql.starts_with("CREATE PUBLICATION \"vitrine\" FOR TABLE \"products\", \"orders\", \"order_items\";"),
        "{sql}"
    );
    assert!(found.slot.contains("made at the start"));
    client.batch_execute(&sql).unwrap();
    assert_eq!(inspect_replication(&mut client, &settings(&url)).unwrap().publication, None);
    client
        .batch_execute(
            "ALTER PUBLICATION vitrine DROP TABLE orders; ALTER PUBLICATION vitrine SET (publish = 'insert')",
        )
        .unwrap();
    let sql = inspect_replication(&mut client, &settings(&url)).unwrap().publication.expect("it is to be mended");
    client.batch_execute(&sql).unwrap();
    assert_eq!(inspect_replication(&mut client, &settings(&url)).unwrap().publication, None);
    client.batch_execute("CREATE ROLE log_looker LOGIN; GRANT SELECT ON products, orders, order_items TO log_looker; DROP PUBLICATION vitrine").unwrap();
    let url = url.replace("postgres@", "log_looker@");
    let found = inspect_replication(&mut connect(&url), &settings(&url)).unwrap();
    let text: Vec<String> = found.obstacles.iter().map(ToString::to_string).collect();
    assert!(text[0].contains("ALTER ROLE log_looker REPLICATION"), "{text:?}");
}
