//! Row-level security: a query gives the rows that policies allow and the log gives all of them. A table whose policies
//! could hide rows is not read: the source reports that with the statement that mends it, and does not mix the two.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::source_status::SourceRegistry;
use harness::postgres::{connect, execute};
use sources::postgres::{Mode, inspect, inspect_replication, range};
use sources::replay::{LetterHandler, ReplayBounds};

use crate::mirror::{self, Mirror, ROWS, TABLES};
use crate::running::SOON;
use crate::shop::{self, Shop};

/// Lets a role without BYPASSRLS read and follow the tables, and make the publication; returns its connection string.
fn reader(url: &str) -> String {
    let role = format!("{}_reader", url.rsplit('/').next().unwrap());
    execute(
        url,
        &format!(
            "CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
             CREATE PUBLICATION vitrine FOR TABLE products, orders, order_items"
        ),
    );
    url.replace("postgres@", &format!("{role}@"))
}

const HIDE: &str = "
    ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON orders USING (user_id = current_user)";

/// What `vitrine check` says of the tables.
fn checked(url: &str) -> String {
    let found = inspect(&mut connect(url), &sources::postgres::Tables::default()).unwrap();
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

#[test]
fn policies_that_could_hide_rows_are_told_before_any_row_is_read() {
    let url = mirror::database("policies", &[TABLES, ROWS, HIDE].concat());
    let reading = reader(&url);
    let message = checked(&reading);
    assert!(
        message.contains("row-level security of orders may hide rows of table orders from policies_reader"),
        "{message}"
    );
    assert!(message.contains("ALTER ROLE policies_reader BYPASSRLS;"), "{message}");
    let found = inspect_replication(&mut connect(&reading), &mirror::settings(&reading)).unwrap().obstacles;
    assert!(found.iter().any(|found| found.problem.contains("row-level security")), "{found:?}");
    for mode in [Mode::Replication, Mode::Auto, Mode::Refresh] {
        let mirror = Mirror::with(sources::postgres::Settings { mode, ..mirror::settings(&reading) });
        mirror.complains(&["row-level security of orders", "ALTER ROLE policies_reader BYPASSRLS;"]);
        execute(&url, "INSERT INTO orders VALUES (gen_random_uuid(), NULL, 'eve', now())");
        mirror.complains(&["row-level security of orders"]);
        assert_eq!(mirror.kept().rows, mirror::Rows::default(), "{mode:?}: rows from the log alone");
        execute(&url, "ALTER ROLE policies_reader BYPASSRLS");
        harness::wait_until(SOON, "all orders are read", || {
            mirror.kept().rows.orders == mirror.tables(&mut connect(&url)).orders
        });
        mirror.live();
        drop(mirror);
        execute(&url, "ALTER ROLE policies_reader NOBYPASSRLS");
    }
    let asked = ReplayBounds { from: 0, until: i64::MAX.cast_unsigned(), kept_ms: 1 };
    let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
    let refused: LetterHandler = Arc::new(|letter| panic!("{letter:?}"));
    let read = range::read(mirror::settings(&reading), asked, &dictionary, &SourceRegistry::default(), &refused);
    let message = read.err().unwrap().to_string();
    assert!(message.contains("row-level security of orders"), "a replay reads {message}");
    assert_eq!(checked(&url), "", "a superuser sees all rows");
}

#[test]
fn policies_that_come_while_the_log_is_followed_stop_their_table_until_they_are_mended() {
    let url = mirror::database("policies_later", &[TABLES, ROWS].concat());
    let reading = reader(&url);
    let mut mirror = Mirror::following(&reading);
    mirror.url = url.clone();
    execute(&url, HIDE);
    mirror.complains(&["row-level security of orders", "the other tables are followed"]);
    let before = mirror.kept().rows.orders;
    execute(&url, "DELETE FROM orders WHERE order_id = '2'; UPDATE products SET category_id = 'house'");
    harness::wait_until(SOON, "the products are followed", || {
        let kept = mirror.kept().rows;
        let [here, there] = [&kept, &mirror.tables(&mut connect(&url))].map(|rows| rows.catalogue.clone());
        here == there
    });
    assert_eq!(mirror.kept().rows.orders, before);
    execute(&url, "ALTER TABLE orders DISABLE ROW LEVEL SECURITY");
    mirror.agrees();
    mirror.live();
    mirror.follows("INSERT INTO orders VALUES ('3', NULL, 'eve', now())");
}

#[test]
fn policies_that_come_between_two_readings_change_nothing_that_is_shown() {
    let url = shop::database("policies_readings");
    execute(&url, shop::TABLES);
    execute(
        &url,
        "INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now());
         INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1)",
    );
    let shop = Shop::open(&reader(&url));
    shop.expect(None, &[("lamp", 2)]);
    execute(&url, HIDE);
    shop.complains(&["row-level security of orders"]);
    shop.expect(None, &[("lamp", 2)]);
    execute(
        &url,
        "DELETE FROM orders WHERE order_id = '2'; DROP POLICY own ON orders; ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
    );
    shop.expect(None, &[("lamp", 1)]);
}

#[test]
fn policies_behind_a_view_are_found_by_the_role_that_they_hide_rows_from() {
    let url = shop::database("policies_view");
    execute(&url, &shop::TABLES.replace("TABLE orders", "TABLE real_orders"));
    execute(
        &url,
        "CREATE ROLE view_owner; GRANT SELECT ON real_orders TO view_owner; CREATE VIEW inner_orders AS SELECT * FROM real_orders;
         ALTER VIEW inner_orders OWNER TO view_owner; CREATE VIEW orders AS SELECT * FROM inner_orders;
         GRANT SELECT ON inner_orders TO PUBLIC; ALTER TABLE real_orders ENABLE ROW LEVEL SECURITY;
         CREATE ROLE policies_view_reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO policies_view_reader",
    );
    let reading = url.replace("postgres@", "policies_view_reader@");
    let message = checked(&reading);
    assert!(
        message.contains("row-level security of real_orders may hide rows of table orders from view_owner"),
        "{message}"
    );
    execute(&url, "ALTER ROLE view_owner BYPASSRLS");
    assert_eq!(checked(&reading), "", "the owner of the view sees all rows");
    execute(&url, "ALTER VIEW inner_orders SET (security_invoker = true)");
    // The tables of a view that is read as its owner are read as the invoker: the owner of the outer view.
    assert_eq!(checked(&reading), "");
    execute(&url, "ALTER VIEW orders SET (security_invoker = true)");
    let message = checked(&reading);
    assert!(message.contains("from policies_view_reader"), "{message}");
    let shop = Shop::open(&reading);
    shop.complains(&["row-level security of real_orders"]);
    execute(&url, "ALTER ROLE policies_view_reader BYPASSRLS; INSERT INTO real_orders VALUES ('1', 'ada', now())");
    execute(&url, "INSERT INTO order_items VALUES ('1', 'lamp', 1)");
    shop.expect(None, &[("lamp", 1)]);
}

#[test]
fn relations_whose_rows_the_log_has_under_other_names_are_read_again_instead() {
    let parts = "
        CREATE TABLE orders (order_id int, user_id text, created_at timestamptz, PRIMARY KEY (order_id))
            PARTITION BY RANGE (order_id);
        CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (10);
        CREATE TABLE orders_2 PARTITION OF orders FOR VALUES FROM (10) TO (20)";
    let parents = "
        CREATE TABLE orders (order_id int PRIMARY KEY, user_id text, created_at timestamptz);
        CREATE TABLE orders_2 (PRIMARY KEY (order_id)) INHERITS (orders)";
    let view = "
        CREATE TABLE orders_2 (order_id int PRIMARY KEY, user_id text, created_at timestamptz);
        CREATE VIEW orders AS SELECT * FROM orders_2";
    let foreign = "
        CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE TABLE orders_2 (order_id int PRIMARY KEY, user_id text, created_at timestamptz);
        CREATE FOREIGN TABLE orders (order_id int, user_id text, created_at timestamptz) SERVER files
            OPTIONS (filename '/dev/null')";
    let unlogged = "
        CREATE UNLOGGED TABLE orders (order_id int PRIMARY KEY, user_id text, created_at timestamptz)";
    for (n, (tables, words, into)) in [
        (parts, "orders is partitioned", Some("orders")),
        (parents, "orders has tables that inherit from it", Some("orders_2")),
        (view, "orders is a view", Some("orders_2")),
        (foreign, "orders is a foreign table", None),
        (unlogged, "orders is unlogged", Some("orders")),
    ]
    .into_iter()
    .enumerate()
    {
        let lines = "
            ; CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
            CREATE TABLE order_items (order_id int, product_id text, PRIMARY KEY (order_id, product_id));
            INSERT INTO order_items VALUES (1, 'lamp'), (11, 'lamp')";
        let url = mirror::database(&format!("policies_relation_{n}"), &[tables, lines].concat());
        let found = inspect_replication(&mut connect(&url), &mirror::settings(&url)).unwrap().obstacles;
        assert!(found.iter().any(|found| found.problem.contains(words)), "{words}: {found:?}");
        let shop = Shop::with(sources::postgres::Settings { mode: Mode::Auto, ..mirror::settings(&url) }, 1);
        shop.live();
        let Some(into) = into else { continue };
        execute(&url, &format!("INSERT INTO {into} VALUES (1, 'ada', now()), (11, 'bob', now())"));
        shop.expect(None, &[("lamp", 2)]);
        execute(&url, "DELETE FROM orders WHERE order_id = 1");
        shop.expect(None, &[("lamp", 1)]);
    }
}
