//! Products that cannot be bought and lines that were returned, in columns of their own: they leave the lists and come
//! back, whether the log is followed or the tables are read again.

use harness::postgres::{connect, execute};
use sources::postgres::{Mode, Settings, inspect};

use crate::mirror;
use crate::shop::{Shop, database, settings};

const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, for_sale boolean, category_id text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
    CREATE TABLE order_items (gone boolean, order_id text, line int, product_id text, PRIMARY KEY (order_id, line));";

const ROWS: &str = "
    INSERT INTO products VALUES ('lamp', true, 'light'), ('candle', NULL, 'light'), ('bulb', false, 'light');
    INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now());
    INSERT INTO order_items VALUES (NULL, '1', 1, 'lamp'), (false, '2', 1, 'lamp'), (true, '2', 2, 'candle'),
                                   (false, '1', 2, 'candle'), (false, '1', 3, 'bulb');";

fn with_flags(mut settings: Settings) -> Settings {
    settings.tables.products.available = Some("for_sale".into());
    settings.tables.order_items.returned = Some("gone".into());
    settings
}

fn flags_change(shop: &Shop, url: &str) {
    // A returned line and a product that was never for sale are seen at the first reading too.
    shop.expect(None, &[("lamp", 2), ("candle", 1)]);
    execute(url, "UPDATE order_items SET gone = true WHERE order_id = '1' AND product_id = 'lamp'");
    shop.expect(None, &[("candle", 1), ("lamp", 1)]);
    execute(url, "UPDATE order_items SET gone = false");
    shop.expect(None, &[("candle", 2), ("lamp", 2)]);
    execute(url, "INSERT INTO order_items VALUES (true, '2', 7, 'chair'), (false, '2', 8, 'stool')");
    shop.expect(None, &[("candle", 2), ("lamp", 2), ("stool", 1)]);
    // A line that is returned under another key, and back again.
    execute(url, "UPDATE order_items SET gone = true, line = 9 WHERE line = 8");
    shop.expect(None, &[("candle", 2), ("lamp", 2)]);
    execute(url, "UPDATE order_items SET gone = NULL, line = 8 WHERE line = 9");
    shop.expect(None, &[("candle", 2), ("lamp", 2), ("stool", 1)]);
    execute(url, "UPDATE products SET for_sale = NOT for_sale");
    shop.expect(Some("light"), &[("candle", 2), ("bulb", 1)]);
    shop.expect(None, &[("candle", 2), ("bulb", 1), ("stool", 1)]);
    let size = shop.ask(|reader| {
        let light = reader.dictionary().find_category("light").unwrap();
        reader.view_any().category_size(light).unwrap().products
    });
    assert_eq!(size, 3, "a product that is not for sale stays in its category");
    execute(url, "UPDATE products SET for_sale = false, product_id = 'stool' WHERE product_id = 'bulb'");
    shop.expect(None, &[("candle", 2)]);
    execute(url, "DELETE FROM products WHERE product_id <> 'candle'");
    shop.expect(None, &[("candle", 2)]);
    execute(url, "INSERT INTO products VALUES ('lamp', true, 'house')");
    shop.expect(Some("house"), &[("lamp", 2)]);
    assert!(shop.view().rejected.is_empty());
}

#[test]
fn flags_are_read_again() {
    let url = database("flags_refresh");
    execute(&url, &[TABLES, ROWS].concat());
    flags_change(&Shop::with(with_flags(settings(&url)), 1), &url);
}

#[test]
fn flags_are_followed_in_the_log() {
    let url = mirror::database("flags_log", &[TABLES, ROWS].concat());
    let settings = Settings { mode: Mode::Replication, ..mirror::settings(&url) };
    flags_change(&Shop::with(with_flags(settings), 2), &url);
}

#[test]
fn a_flag_of_another_type_is_named_with_its_repair() {
    let url = database("flags_type");
    execute(&url, &[TABLES, ROWS].concat());
    execute(&url, "ALTER TABLE products ALTER COLUMN for_sale TYPE int USING for_sale::int");
    let shop = Shop::with(with_flags(settings(&url)), 1);
    shop.complains(&["column for_sale of table products is of type integer", "TYPE boolean"]);
    execute(&url, "ALTER TABLE products ALTER COLUMN for_sale TYPE boolean USING for_sale::boolean");
    shop.expect(None, &[("lamp", 2), ("candle", 1)]);
}

#[test]
fn a_flag_that_is_missing_is_added_with_the_type_that_is_read() {
    let url = database("flags_missing");
    execute(&url, &[TABLES, ROWS].concat());
    execute(&url, "ALTER TABLE products DROP COLUMN for_sale; ALTER TABLE order_items DROP COLUMN gone");
    let (mut client, tables) = (connect(&url), with_flags(settings(&url)).tables);
    let found = inspect(&mut client, &tables).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    for finding in found {
        let (_, sql) = finding.mend.split_once("or ALTER").unwrap();
        execute(&url, &format!("ALTER{sql}"));
    }
    assert_eq!(inspect(&mut client, &tables).unwrap(), []);
}
