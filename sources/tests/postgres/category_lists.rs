//! Products with a list of categories in one column: they are in each of them, whether the log is followed or the tables are
//! read again.

use harness::postgres::execute;
use sources::postgres::{Mode, Settings};

use crate::mirror;
use crate::shop::{Shop, database, settings};

const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, note text, category_id text[]);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
    CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id));";

const ROWS: &str = "
    INSERT INTO products VALUES ('lamp', '', '{light,house}'), ('candle', '', '{light,house}'), ('chair', '', '{house}'),
                                ('thing', '', NULL), ('other', '', '{}');
    INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now());
    INSERT INTO order_items VALUES ('1', 'lamp'), ('1', 'candle'), ('2', 'lamp'), ('2', 'chair'), ('1', 'thing'), ('2', 'other');";

/// A list that is stored apart from its row.
const LONG: &str = "
    UPDATE products SET category_id =
        (SELECT array_agg(md5(n::text) || md5((n + 100)::text)) || '{light}' FROM generate_series(1, 60) n)
    WHERE product_id = 'lamp'";

fn lists_change(shop: &Shop, url: &str) {
    shop.expect(None, &[("lamp", 2), ("candle", 1), ("chair", 1), ("other", 1), ("thing", 1)]);
    shop.expect(Some("light"), &[("lamp", 2), ("candle", 1)]);
    shop.expect(Some("house"), &[("lamp", 2), ("candle", 1), ("chair", 1)]);
    // One category goes and another one comes.
    execute(url, "UPDATE products SET category_id = '{light,\"a, \\\"b\\\"\"}' WHERE product_id = 'lamp'");
    shop.expect(Some("a, \"b\""), &[("lamp", 2)]);
    shop.expect(Some("house"), &[("candle", 1), ("chair", 1)]);
    execute(url, "UPDATE products SET category_id = NULL WHERE product_id = 'candle'");
    shop.expect(Some("light"), &[("lamp", 2)]);
    execute(url, LONG);
    shop.expect(Some("a, \"b\""), &[]);
    // The log does not repeat a value that is stored apart and stays as it is.
    execute(
        url,
        "UPDATE products SET product_id = 'chair 2' WHERE product_id = 'chair'; UPDATE products SET note = 'x'",
    );
    execute(url, "UPDATE products SET category_id = '{light}' WHERE product_id = 'candle'");
    shop.expect(Some("light"), &[("lamp", 2), ("candle", 1)]);
    assert!(shop.view().rejected.is_empty());
    // An array need not begin at 1.
    execute(url, "UPDATE products SET category_id = '[5:6]={house,shelf}' WHERE product_id = 'candle'");
    shop.expect(Some("shelf"), &[("candle", 1)]);
    assert!(shop.view().rejected.is_empty());
    // An element that cannot be used is named, and the product stays in the others.
    execute(url, "UPDATE products SET category_id = '{light,NULL}' WHERE product_id = 'candle'");
    shop.expect(Some("light"), &[("lamp", 2), ("candle", 1)]);
    harness::wait_until(crate::shop::SOON, "the element is refused", || {
        shop.view().rejected.get("missing_field").is_some_and(|count| *count > 0)
    });
    // A product whose list cannot be used is in no category, and is named.
    execute(url, "UPDATE products SET category_id = '{{light},{house}}' WHERE product_id = 'candle'");
    shop.expect(Some("light"), &[("lamp", 2)]);
    harness::wait_until(crate::shop::SOON, "the list is refused", || {
        shop.view().rejected.get("not_a_list").is_some_and(|count| *count > 0)
    });
    execute(url, "DELETE FROM products WHERE product_id = 'lamp'");
    shop.expect(Some("light"), &[]);
}

#[test]
fn lists_are_read_again() {
    let url = database("category_lists_refresh");
    execute(&url, &[TABLES, ROWS].concat());
    lists_change(&Shop::with(settings(&url), 1), &url);
}

#[test]
fn lists_are_followed_in_the_log() {
    let url = mirror::database("category_lists_log", &[TABLES, ROWS].concat());
    let settings = Settings { mode: Mode::Replication, ..mirror::settings(&url) };
    lists_change(&Shop::with(settings, 2), &url);
}
