//! Tables of real shops: other types, other names, no keys, no time.

use harness::postgres::{connect, execute};
use sources::postgres::{Mode, OrderItems, OrderTime, Orders, Products, Settings, Status, Tables, inspect_replication};

use crate::mirror::{self, Mirror};
use crate::shop::{Shop, TABLES, database, settings};

#[test]
fn a_table_without_keys_is_read_with_its_equal_rows() {
    let url = database("no_keys");
    execute(
        &url,
        "CREATE TABLE products (product_id text, category_id text);
         CREATE TABLE orders (order_id text, user_id text, created_at timestamptz);
         CREATE TABLE order_items (order_id text, product_id text);
         INSERT INTO products VALUES ('lamp', 'light'), ('lamp', 'light'), ('lamp', 'house');
         INSERT INTO orders VALUES ('1', 'ada', now()), ('1', 'ada', now()), ('2', 'bob', now());
         INSERT INTO order_items VALUES ('1', 'lamp'), ('1', 'lamp'), ('2', 'lamp'), ('2', 'lamp');",
    );
    let shop = Shop::open(&url);
    shop.expect(None, &[("lamp", 2)]);
    shop.expect(Some("house"), &[("lamp", 2)]);
    let one_of = "WHERE ctid IN (SELECT min(ctid) FROM";
    execute(&url, &format!("DELETE FROM order_items {one_of} order_items WHERE order_id = '2')"));
    execute(&url, &format!("DELETE FROM orders {one_of} orders WHERE order_id = '1')"));
    execute(&url, &format!("DELETE FROM products {one_of} products WHERE category_id = 'light')"));
    shop.reads_again();
    shop.expect(None, &[("lamp", 2)]);
    shop.expect(Some("light"), &[("lamp", 2)]);
    execute(&url, &format!("DELETE FROM order_items {one_of} order_items WHERE order_id = '2')"));
    execute(&url, &format!("DELETE FROM products {one_of} products WHERE category_id = 'light')"));
    shop.expect(None, &[("lamp", 1)]);
    shop.expect(Some("light"), &[]);
    execute(&url, &format!("DELETE FROM orders {one_of} orders WHERE order_id = '1')"));
    shop.expect(None, &[]);
}

#[test]
fn a_key_may_be_lost_while_running() {
    let url = database("key_lost");
    execute(&url, TABLES);
    execute(&url, "INSERT INTO orders VALUES ('1', 'ada', now()); INSERT INTO order_items VALUES ('1', 'lamp', 1)");
    let shop = Shop::open(&url);
    shop.expect(None, &[("lamp", 1)]);
    execute(&url, "ALTER TABLE orders DROP CONSTRAINT orders_pkey; INSERT INTO orders VALUES ('1', 'bob', now())");
    shop.expect(None, &[("lamp", 2)]);
    execute(&url, "DELETE FROM orders WHERE user_id = 'ada'");
    shop.expect(None, &[("lamp", 1)]);
}

#[test]
fn keys_may_be_integers_and_uuids_and_differ_between_tables() {
    let url = database("integer_keys");
    execute(
        &url,
        "CREATE TABLE products (product_id int PRIMARY KEY, category_id smallint);
         CREATE TABLE orders (order_id bigint PRIMARY KEY, user_id uuid, created_at timestamptz);
         CREATE TABLE order_items (id serial PRIMARY KEY, order_id varchar, product_id int);
         INSERT INTO products VALUES (10, 1), (11, 2);
         INSERT INTO orders VALUES (1, gen_random_uuid(), now()), (2, gen_random_uuid(), now());
         INSERT INTO order_items (order_id, product_id) VALUES ('1', 10), ('2', 10), ('2', 11), ('2', 11);",
    );
    let shop = Shop::open(&url);
    shop.expect(None, &[("10", 2), ("11", 1)]);
    shop.expect(Some("1"), &[("10", 2)]);
    execute(&url, "DELETE FROM order_items WHERE id = 3");
    shop.reads_again();
    shop.expect(None, &[("10", 2), ("11", 1)]);
    execute(&url, "DELETE FROM order_items WHERE id = 4");
    shop.expect(None, &[("10", 2)]);
}

#[test]
fn times_may_be_of_several_types() {
    for (kind, now, old) in [
        ("timestamp", "now() AT TIME ZONE 'UTC'", "now() AT TIME ZONE 'UTC' - interval '30 days 1 second'"),
        ("date", "(now() AT TIME ZONE 'UTC')::date", "(now() AT TIME ZONE 'UTC')::date - 31"),
        ("bigint", "extract(epoch FROM now())", "extract(epoch FROM now()) - 30 * 86400 - 1"),
        ("int", "extract(epoch FROM now())", "extract(epoch FROM now()) - 30 * 86400 - 1"),
        ("timestamptz", "now()", "'-infinity'"),
    ] {
        let url = database(&format!("time_{kind}"));
        execute(&url, &TABLES.replace("timestamptz", kind));
        execute(
            &url,
            &format!(
                "SET TIME ZONE 'Pacific/Kiritimati';
                 INSERT INTO orders VALUES ('1', 'ada', {now}), ('2', 'bob', {old});
                 INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1), ('2', 'chair', 1);
                 ALTER DATABASE time_{kind} SET timezone TO 'Pacific/Kiritimati'"
            ),
        );
        let mut settings = settings(&url);
        settings.tables.orders.time_zone = Some("UTC".to_owned());
        let shop = Shop::with(settings, 1);
        shop.expect(None, &[("lamp", 1)]);
        assert_eq!(shop.view().accepted, 2, "{kind}: the old order and its lines are not read");
        assert!(shop.view().rejected.is_empty(), "{kind}");
    }
}

#[test]
fn names_are_settings_and_are_quoted() {
    let url = database("names");
    execute(
        &url,
        "CREATE SCHEMA \"Shop\";
         CREATE TABLE \"Shop\".goods (\"Id\" text, \"the \"\"group\"\"\" text);
         CREATE TABLE \"Shop\".\"order\" (\"select\" text, \"from\" text, \"placed at\" timestamptz,
                                         \"is \"\"paid\"\"\" text);
         CREATE VIEW lines AS SELECT '1'::text AS o, 'lamp'::text AS p;
         INSERT INTO \"Shop\".goods VALUES ('lamp', 'light');
         INSERT INTO \"Shop\".\"order\" VALUES ('1', 'ada', now(), 'yes');",
    );
    let tables = Tables {
        products: Products {
            name: "Shop.goods".into(),
            product_id: "Id".into(),
            category_id: "the \"group\"".into(),
            available: None,
        },
        orders: Orders {
            name: "Shop.order".into(),
            order_id: "select".into(),
            user_id: "from".into(),
            time: OrderTime::Column("placed at".into()),
            time_zone: None,
            status: Some(Status { column: "is \"paid\"".into(), counting: vec!["yes".into()] }),
        },
        order_items: OrderItems { name: "lines".into(), order_id: "o".into(), product_id: "p".into(), returned: None },
    };
    let shop = Shop::with(Settings { tables, ..settings(&url) }, 1);
    shop.expect(Some("light"), &[("lamp", 1)]);
}

#[test]
fn without_a_time_column_an_order_counts_from_when_it_was_seen() {
    let url = database("first_seen");
    execute(&url, TABLES);
    execute(
        &url,
        "ALTER TABLE orders DROP COLUMN created_at;
         INSERT INTO orders VALUES ('1', 'ada'); INSERT INTO order_items VALUES ('1', 'lamp', 1);",
    );
    let mut settings = settings(&url);
    settings.tables.orders.time = OrderTime::FirstSeen;
    let shop = Shop::with(settings, 1);
    shop.expect(None, &[("lamp", 1)]);
    shop.clock.forward(20 * 24 * 3600 * 1000);
    execute(&url, "INSERT INTO orders VALUES ('2', 'bob'); INSERT INTO order_items VALUES ('2', 'lamp', 1)");
    shop.expect(None, &[("lamp", 2)]);
    shop.clock.forward(20 * 24 * 3600 * 1000);
    shop.expect(None, &[("lamp", 1)]);
    // The first order is still in the table, and still old.
    shop.reads_again();
    shop.expect(None, &[("lamp", 1)]);
    execute(&url, "UPDATE orders SET user_id = 'eve' WHERE order_id = '2'");
    shop.reads_again();
    shop.clock.forward(11 * 24 * 3600 * 1000);
    shop.expect(None, &[]);
}

#[test]
fn a_generated_column_is_told_and_read_otherwise() {
    let tables = mirror::TABLES
        .replace("category_id text", "shelf text, category_id text GENERATED ALWAYS AS (upper(shelf)) STORED");
    let url = mirror::database("log_generated", &tables);
    execute(&url, "INSERT INTO products (product_id, shelf) VALUES ('lamp', 'light'), ('chair', 'seat')");
    let words = "column category_id of table products is generated";
    let found = inspect_replication(&mut connect(&url), &mirror::settings(&url)).unwrap();
    assert!(found.obstacles.iter().any(|finding| finding.problem.contains(words)), "{found:?}");
    let mirror = Mirror::open(&url);
    mirror.complains(&[words, "ALTER COLUMN \"category_id\" DROP EXPRESSION", "mode = \"refresh\""]);
    drop(mirror);
    let mirror = Mirror::with(Settings { mode: Mode::Auto, ..mirror::settings(&url) });
    mirror.agrees();
    assert!(mirror.kept().position.fingerprint.is_none(), "the tables are read again and again");
    mirror.follows("UPDATE products SET shelf = 'house'");
    drop(mirror);
    execute(&url, "ALTER TABLE products ALTER COLUMN category_id DROP EXPRESSION");
    let mirror = Mirror::following(&url);
    mirror.follows("UPDATE products SET category_id = 'own'");
}
