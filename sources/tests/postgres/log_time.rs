//! Changes that time alone causes while the log is followed.

use harness::postgres::execute;

use crate::mirror::{Mirror, ROWS, TABLES, database};
use crate::running::SOON;

const DAY_MS: u64 = 24 * 3600 * 1000;

#[test]
fn orders_leave_with_their_lines_and_stay_away() {
    let url = database("log_window", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    // The second order is three days older than the first.
    mirror.clock.forward(28 * DAY_MS);
    harness::wait_until(SOON, "the older order leaves", || mirror.kept().rows.orders.len() == 1);
    let rows = mirror.kept().rows;
    assert_eq!((rows.lines.len(), rows.catalogue.len()), (2, 4));
    // What becomes of it later does nothing; what becomes of others does.
    execute(
        &url,
        "UPDATE orders SET user_id = 'eve' WHERE order_id = '2'; UPDATE order_items SET quantity = 3 WHERE order_id = '1';
         UPDATE order_items SET quantity = 4 WHERE order_id = '2';
         UPDATE order_items SET product_id = 'chair' WHERE order_id = '2';
         UPDATE products SET category_id = 'house'",
    );
    harness::wait_until(SOON, "the products move", || {
        let catalogue = mirror.kept().rows.catalogue;
        let categories: std::collections::BTreeSet<_> = catalogue.keys().map(|row| row.category).collect();
        (catalogue.len(), categories.len()) == (4, 1)
    });
    let now = mirror.kept().rows;
    assert_eq!((&now.orders, &now.lines), (&rows.orders, &rows.lines));
    execute(
        &url,
        "DELETE FROM order_items WHERE order_id = '2'; DELETE FROM orders WHERE order_id = '2';
         UPDATE products SET category_id = 'shelf' WHERE product_id = 'thing'",
    );
    harness::wait_until(SOON, "a product moves", || mirror.kept().rows.catalogue != now.catalogue);
    let now = mirror.kept().rows;
    assert_eq!((now.orders, now.lines), (rows.orders, rows.lines));
    mirror.clock.forward(3 * DAY_MS);
    harness::wait_until(SOON, "everything leaves", || {
        let rows = mirror.kept().rows;
        rows.orders.is_empty() && rows.lines.is_empty()
    });
}

#[test]
fn a_line_of_an_order_that_has_left_counts_once_it_is_in_another_one() {
    let url = database("log_moved_line", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    mirror.clock.forward(28 * DAY_MS);
    harness::wait_until(SOON, "the older order leaves", || mirror.kept().rows.orders.len() == 1);
    // Into an order that is held, and with an order that comes later in the same transaction.
    execute(
        &url,
        "INSERT INTO order_items VALUES (1, '2', 'stool'); UPDATE order_items SET order_id = '1' WHERE product_id = 'stool'",
    );
    execute(
        &url,
        "BEGIN; UPDATE order_items SET order_id = '3' WHERE order_id = '2';
         INSERT INTO orders VALUES ('3', NULL, 'eve', now()); COMMIT",
    );
    harness::wait_until(SOON, "the order comes", || mirror.kept().rows.orders.len() == 2);
    assert_eq!(mirror.kept().rows.lines.len(), 4);
}

#[test]
fn lines_may_come_before_their_order() {
    let url = database("log_early_lines", TABLES);
    // One is there before the source is, one comes while it follows.
    execute(&url, "INSERT INTO order_items VALUES (1, 'a', 'lamp')");
    let mirror = Mirror::following(&url);
    mirror.follows(
        "INSERT INTO order_items VALUES (1, 'b', 'chair'), (1, 'never', 'lamp');
         INSERT INTO orders VALUES ('gone', NULL, 'ada', now() - interval '29 days 12 hours')",
    );
    // The order that leaves shows that the window was swept, and so that the lines have begun to wait.
    mirror.clock.forward(DAY_MS);
    harness::wait_until(SOON, "the order leaves", || mirror.kept().rows.orders.is_empty());
    mirror.clock.forward(5 * DAY_MS);
    execute(&url, "DELETE FROM orders");
    mirror.follows(
        "INSERT INTO orders VALUES ('a', NULL, 'ada', now() + interval '6 days'), ('b', NULL, 'bob', now() + interval '6 days')",
    );
    assert_eq!((mirror.kept().rows.orders.len(), mirror.kept().rows.lines.len()), (2, 3));
    mirror.clock.forward(25 * DAY_MS + DAY_MS / 2);
    harness::wait_until(SOON, "the line without an order leaves", || mirror.kept().rows.lines.len() == 2);
    assert_eq!(mirror.kept().rows.orders.len(), 2);
}

#[test]
fn an_order_of_the_future_counts_in_its_time() {
    let url = database("log_future", TABLES);
    execute(
        &url,
        "INSERT INTO orders VALUES ('1', NULL, 'ada', now() + interval '1 hour'), ('2', NULL, 'bob', now());
         INSERT INTO order_items VALUES (1, '1', 'lamp'), (1, '2', 'lamp')",
    );
    let mirror = Mirror::open(&url);
    mirror.live();
    execute(
        &url,
        "INSERT INTO orders VALUES ('3', NULL, 'eve', now() + interval '1 hour'), ('4', NULL, 'eve', 'infinity');
         INSERT INTO order_items VALUES (1, '3', 'lamp'); UPDATE orders SET user_id = 'late' WHERE order_id = '3'",
    );
    harness::wait_until(SOON, "the lines are fed", || mirror.kept().rows.lines.len() == 3);
    assert_eq!((mirror.buyers(), mirror.view().ignored["future_order"]), (1, 3));
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
    mirror.clock.forward(57 * 60 * 1000);
    harness::wait_until(SOON, "the orders count", || mirror.buyers() == 3);
}

#[test]
fn an_order_that_is_put_off_leaves_and_one_that_is_put_back_comes() {
    let url = database("log_put_off", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    mirror.follows("UPDATE orders SET created_at = now() + interval '10 days' WHERE order_id = '1'");
    harness::wait_until(SOON, "the order does not count any more", || mirror.buyers() == 1);
    mirror.follows("UPDATE orders SET created_at = now() - interval '1 day' WHERE order_id = '1'");
    harness::wait_until(SOON, "the order counts again", || mirror.buyers() == 3);
    // Out of the window and back before it was swept: its lines have stayed.
    execute(&url, "UPDATE orders SET created_at = now() - interval '31 days' WHERE order_id = '1'");
    mirror.follows("UPDATE orders SET created_at = now() WHERE order_id = '1'");
}
