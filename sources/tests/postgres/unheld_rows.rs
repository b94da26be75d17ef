//! Rows that could not be used when they came, and can be later: they count as they do where the tables are read again,
//! in whatever order the rows are mended.

use harness::postgres::execute;
use sources::postgres::{Mode, Settings};

use crate::mirror;
use crate::shop::{Shop, database_of, settings};

const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, note text, category_id text);
    CREATE TABLE orders (order_id bigint PRIMARY KEY, user_id text, created_at timestamptz, note text);
    CREATE TABLE order_items (line bigint PRIMARY KEY, order_id bigint, product_id text, returned boolean, note text);
    INSERT INTO products VALUES ('p1', '', 'c'), ('p2', '', 'c'), ('p3', '', 'c'), ('p4', '', 'c');";

/// Large values of these columns are stored apart from rows of more than 2 kB, and the log does not repeat them.
const APART: &str = "
    CREATE FUNCTION large() RETURNS text RETURN (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 100) n);
    ALTER TABLE products SET (toast_tuple_target = 128); ALTER TABLE products ALTER category_id SET STORAGE EXTERNAL;
    ALTER TABLE orders SET (toast_tuple_target = 128); ALTER TABLE orders ALTER user_id SET STORAGE EXTERNAL;
    ALTER TABLE order_items SET (toast_tuple_target = 128); ALTER TABLE order_items ALTER product_id SET STORAGE EXTERNAL;";

/// In either mode, on tables of its own.
fn in_both_modes(name: &str, sql: &str, story: impl Fn(&Shop, &str)) {
    let sql = [TABLES, sql].concat();
    let read = database_of(&format!("{name}_read"), &sql);
    let log = mirror::database(&format!("{name}_log"), &sql);
    for mut settings in [settings(&read), Settings { mode: Mode::Replication, ..mirror::settings(&log) }] {
        let url = settings.url.expose().to_owned();
        settings.tables.order_items.returned = Some("returned".into());
        let shop = Shop::with(settings, 1);
        shop.live();
        story(&shop, &url);
    }
}

#[test]
fn a_line_that_is_not_returned_any_more_waits_for_its_order() {
    in_both_modes("unheld_returned", "INSERT INTO order_items VALUES (4, 1, 'p4', true)", |shop, url| {
        // One was returned when the tables were read, one comes so, one becomes so.
        execute(url, "INSERT INTO order_items VALUES (1, 1, 'p1', true), (2, 1, 'p2', false)");
        execute(url, "UPDATE order_items SET returned = true WHERE line = 2");
        execute(url, "UPDATE order_items SET returned = false");
        execute(url, "INSERT INTO orders VALUES (1, 'ada', now())");
        shop.expect(None, &[("p1", 1), ("p2", 1), ("p4", 1)]);
    });
}

#[test]
fn a_line_that_is_mended_waits_for_its_order() {
    in_both_modes("unheld_mended", "", |shop, url| {
        execute(url, "INSERT INTO order_items VALUES (1, 1, repeat('p', 300))");
        execute(url, "UPDATE order_items SET product_id = 'p1'");
        execute(url, "INSERT INTO orders VALUES (1, 'ada', now())");
        shop.expect(None, &[("p1", 1)]);
    });
}

#[test]
fn an_order_that_is_mended_has_all_its_lines() {
    in_both_modes("unheld_order", "INSERT INTO orders VALUES (1, NULL, now())", |shop, url| {
        execute(url, "INSERT INTO orders VALUES (2, NULL, now())");
        for order in [1, 2] {
            execute(
                url,
                &format!(
                    "INSERT INTO order_items VALUES ({order}1, {order}, 'p1', true), ({order}2, {order}, 'p2', NULL);
                     UPDATE order_items SET returned = false"
                ),
            );
        }
        execute(url, "UPDATE orders SET user_id = 'ada' || order_id");
        shop.expect(None, &[("p1", 2), ("p2", 2)]);
    });
}

#[test]
fn an_order_that_is_mended_has_its_large_values() {
    in_both_modes("unheld_large", APART, |shop, url| {
        execute(
            url,
            "INSERT INTO orders VALUES (1, repeat('u', 200), NULL, large()); INSERT INTO order_items VALUES (1, 1, 'p1', NULL)",
        );
        execute(url, "UPDATE orders SET created_at = now()");
        shop.expect(None, &[("p1", 1)]);
        shop.live();
        // What comes after the reading is followed.
        execute(url, "INSERT INTO orders VALUES (2, 'bob', now()); INSERT INTO order_items VALUES (2, 2, 'p1')");
        shop.expect(None, &[("p1", 2)]);
    });
}

#[test]
fn a_line_that_is_not_returned_any_more_has_its_large_values() {
    in_both_modes("unheld_large_line", APART, |shop, url| {
        execute(
            url,
            "INSERT INTO orders VALUES (1, 'ada', now());
             INSERT INTO order_items VALUES (1, 1, repeat('p', 200), true, large());
             INSERT INTO products VALUES (repeat('p', 200), '', 'c')",
        );
        execute(url, "UPDATE order_items SET returned = false");
        shop.expect(None, &[("p".repeat(200).as_str(), 1)]);
    });
}

#[test]
fn a_product_that_is_mended_has_its_large_values() {
    let sql = "INSERT INTO orders VALUES (1, 'ada', now()); INSERT INTO order_items VALUES (1, 1, 'new')";
    in_both_modes("unheld_product", &[APART, sql].concat(), |shop, url| {
        execute(url, "INSERT INTO products VALUES (repeat('x', 300), large(), repeat('c', 200))");
        execute(url, "UPDATE products SET product_id = 'new' WHERE product_id LIKE 'xxx%'");
        shop.expect(Some(&"c".repeat(200)), &[("new", 1)]);
    });
}

#[test]
fn a_product_that_existed_only_within_a_transaction_was_not_deleted() {
    let sql = "INSERT INTO orders VALUES (1, 'ada', now()); INSERT INTO order_items VALUES (1, 1, 'x'), (2, 1, 'p1')";
    in_both_modes("unheld_at_once", sql, |shop, url| {
        shop.expect(None, &[("p1", 1), ("x", 1)]);
        execute(
            url,
            "BEGIN; INSERT INTO products VALUES ('x', '', 'c'); DELETE FROM products WHERE product_id = 'x'; COMMIT",
        );
        // Two products change their keys by way of a third one.
        execute(
            url,
            "BEGIN; UPDATE products SET product_id = 'x' WHERE product_id = 'p1'; UPDATE products SET product_id = 'p1' WHERE \
             product_id = 'p2'; UPDATE products SET product_id = 'p2' WHERE product_id = 'x'; COMMIT",
        );
        execute(url, "INSERT INTO order_items VALUES (3, 1, 'p3')");
        shop.expect(None, &[("p1", 1), ("p3", 1), ("x", 1)]);
    });
}
