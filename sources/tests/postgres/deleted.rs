//! Products that are deleted from the catalogue leave the lists in the tick of their transaction, and come back with their
//! row, whether the log is followed or the tables are read again, and whichever process saw it.

use dataflow::ids::CategoryKey;
use harness::postgres::execute;
use sources::postgres::{Acknowledge, Mode, Settings};

use crate::mirror::{self, Mirror, ROWS};
use crate::running::{Running, SOON};
use crate::shop::{Shop, TABLES, database, settings};

const SOLD: &str = "
    INSERT INTO products VALUES ('lamp', 'light'), ('candle', 'light'), ('chair', NULL);
    INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now());
    INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1), ('1', 'candle', 1), ('1', 'chair', 1), ('1', 'stool', 1);";

/// The story of a catalogue, to the same end in every mode.
fn products_go_and_come(shop: &Running, url: &str) {
    // The stool was never in the catalogue, the chair is in no category: both are in the general list only.
    shop.expect(None, &[("lamp", 2), ("candle", 1), ("chair", 1), ("stool", 1)]);
    execute(url, "DELETE FROM products WHERE product_id IN ('lamp', 'chair', 'nothing')");
    shop.expect(None, &[("candle", 1), ("stool", 1)]);
    shop.expect(Some("light"), &[("candle", 1)]);
    // It stays away whoever buys it.
    execute(url, "INSERT INTO orders VALUES ('3', 'eve', now()); INSERT INTO order_items VALUES ('3', 'lamp', 1)");
    execute(url, "INSERT INTO orders VALUES ('4', 'eve', now()); INSERT INTO order_items VALUES ('4', 'candle', 1)");
    shop.expect(None, &[("candle", 2), ("stool", 1)]);
    execute(url, "INSERT INTO products VALUES ('lamp', 'light'), ('chair', NULL)");
    shop.expect(None, &[("lamp", 3), ("candle", 2), ("chair", 1), ("stool", 1)]);
    shop.expect(Some("light"), &[("lamp", 3), ("candle", 2)]);
    // Another id: the product of the old one is gone. And both ways in one transaction: nothing has changed.
    execute(url, "UPDATE products SET product_id = 'stool' WHERE product_id = 'lamp'");
    shop.expect(None, &[("candle", 2), ("chair", 1), ("stool", 1)]);
    shop.expect(Some("light"), &[("candle", 2), ("stool", 1)]);
    execute(
        url,
        "BEGIN; TRUNCATE products; INSERT INTO products VALUES ('candle', 'light'), ('lamp', 'light'); COMMIT",
    );
    shop.expect(None, &[("lamp", 3), ("candle", 2)]);
    execute(url, "TRUNCATE products");
    shop.expect(None, &[]);
    shop.expect(Some("light"), &[]);
    execute(url, "INSERT INTO products VALUES ('stool', NULL)");
    shop.expect(None, &[("stool", 1)]);
}

#[test]
fn deleted_products_leave_while_the_log_is_followed() {
    let url = mirror::database("deleted_log", TABLES);
    execute(&url, SOLD);
    for workers in [1, 2] {
        let name = format!("deleted_log_{workers}");
        let settings =
            Settings { mode: Mode::Replication, slot: name.clone(), publication: name, ..mirror::settings(&url) };
        let shop = Shop::with(settings, workers);
        products_go_and_come(&shop, &url);
        shop.stop();
        execute(&url, "TRUNCATE products, orders, order_items");
        execute(&url, SOLD);
    }
}

#[test]
fn deleted_products_leave_with_the_next_reading() {
    let url = database("deleted_refresh");
    execute(&url, TABLES);
    execute(&url, SOLD);
    let shop = Shop::with(settings(&url), 2);
    products_go_and_come(&shop, &url);
}

#[test]
fn a_table_that_may_repeat_products_keeps_them_as_long_as_it_has_a_row() {
    let url = database("deleted_repeated");
    execute(&url, &TABLES.replace("product_id text PRIMARY KEY, category_id", "product_id text, category_id"));
    execute(&url, SOLD);
    execute(&url, "INSERT INTO products VALUES ('lamp', 'house'), ('lamp', NULL)");
    let shop = Shop::open(&url);
    shop.expect(Some("house"), &[("lamp", 2)]);
    execute(&url, "DELETE FROM products WHERE category_id IS NOT NULL");
    shop.expect(Some("house"), &[]);
    shop.expect(None, &[("lamp", 2), ("chair", 1), ("stool", 1)]);
    execute(&url, "DELETE FROM products");
    shop.expect(None, &[("stool", 1)]);
    execute(&url, "INSERT INTO products VALUES ('candle', 'house'), ('candle', 'house')");
    shop.expect(None, &[("candle", 1), ("stool", 1)]);
}

#[test]
fn a_product_whose_category_is_wrong_is_there_without_one() {
    let url = mirror::database("deleted_wrong", TABLES);
    execute(&url, SOLD);
    execute(&url, "UPDATE products SET category_id = '' WHERE product_id = 'lamp'");
    let shop = Shop::with(mirror::settings(&url), 1);
    shop.expect(None, &[("lamp", 2), ("candle", 1), ("chair", 1), ("stool", 1)]);
    shop.expect(Some("light"), &[("candle", 1)]);
    execute(&url, "UPDATE products SET category_id = repeat('c', 257) WHERE product_id = 'candle'");
    shop.expect(Some("light"), &[]);
    shop.expect(None, &[("lamp", 2), ("candle", 1), ("chair", 1), ("stool", 1)]);
    assert_eq!(shop.view().rejected.values().sum::<u64>(), 2, "{:?}", shop.view().rejected);
}

/// How many products the rows fed say to be deleted.
fn deleted(mirror: &Mirror) -> usize {
    mirror.kept().rows.catalogue.keys().filter(|row| row.category == CategoryKey::DELETED).count()
}

#[test]
fn a_later_process_knows_what_was_deleted_before_and_meanwhile() {
    let url = mirror::database("deleted_resumed", &[mirror::TABLES, ROWS].concat());
    let keeping = |mode| Settings { acknowledge: Acknowledge::AfterCheckpoint, mode, ..mirror::settings(&url) };
    let mirror = Mirror::with(keeping(Mode::Replication));
    mirror.agrees();
    mirror.live();
    mirror.follows("DELETE FROM products WHERE product_id = 'lamp'");
    assert_eq!(deleted(&mirror), 1);
    let mut kept = mirror.stop();
    // On from the log, then by readings, and by the log again, for which everything is read anew.
    for (mode, product, all) in
        [(Mode::Replication, "chair", 2), (Mode::Refresh, "candle", 3), (Mode::Replication, "none", 3)]
    {
        // These tests keep no names, as a checkpoint does: the log is to name the product before.
        execute(&url, &format!("UPDATE products SET description = 'x' WHERE product_id = '{product}'"));
        execute(&url, &format!("DELETE FROM products WHERE product_id = '{product}'"));
        let mirror = Mirror::start(keeping(mode), Some(&kept));
        mirror.live();
        harness::wait_until(SOON, "the products are deleted", || deleted(&mirror) == all);
        kept = mirror.stop();
    }
    execute(&url, "INSERT INTO products VALUES ('lamp', 'light')");
    let mirror = Mirror::start(keeping(Mode::Replication), Some(&kept));
    mirror.agrees();
    mirror.live();
    assert_eq!(deleted(&mirror), 2);
    // Nobody has bought them for a window: they are forgotten.
    mirror.follows("TRUNCATE order_items, orders");
    assert_eq!(deleted(&mirror), 2);
    harness::wait_until(SOON, "they are forgotten", || {
        mirror.clock.forward(10 * 24 * 3600 * 1000);
        deleted(&mirror) == 0
    });
}
