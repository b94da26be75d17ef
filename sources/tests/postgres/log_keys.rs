//! Keys, replica identities and columns of the tables change while their log is followed or while it is not: the shop
//! can still change its tables, and the fed rows equal the tables again.

use dataflow::source_status::State;
use harness::postgres::{connect, execute};
use postgres::Client;
use sources::postgres::inspect_replication;

use crate::log_faults::{connect_through, cut_off};
use crate::mirror::{Mirror, ROWS, TABLES, database, settings};
use crate::running::SOON;

/// Waits until the server lets the shop do this again.
#[track_caller]
fn allowed(url: &str, sql: &str) {
    let mut client = connect(url);
    harness::wait_until(SOON, "the shop may change its tables", || client.batch_execute(sql).is_ok());
}

/// Runs the SQL with which the source says a table can be mended.
fn mend(mirror: &Mirror, url: &str) {
    let State::Retrying(reason) = mirror.view().state else { panic!("{:?}", mirror.view().state) };
    let sql = reason.split_once("to mend it: ").unwrap().1;
    execute(url, sql.split_once(" or set [postgres]").unwrap().0);
}

#[test]
fn a_deferrable_key_is_refused_and_hinders_nobody() {
    let deferrable = "PRIMARY KEY (order_id, product_id) DEFERRABLE";
    let tables = TABLES.replace("PRIMARY KEY (order_id, product_id)", deferrable);
    let url = database("log_deferrable", &[&tables, ROWS].concat());
    // As it may have been left behind: the shop cannot change the table.
    execute(&url, "CREATE PUBLICATION vitrine FOR TABLE order_items (order_id, product_id)");
    let change = "UPDATE order_items SET quantity = 1";
    assert!(connect(&url).batch_execute(change).is_err());
    let found = inspect_replication(&mut connect(&url), &settings(&url)).unwrap().obstacles;
    assert!(found[0].problem.contains("the primary key of table order_items is deferrable"), "{found:?}");
    let mirror = Mirror::open(&url);
    mirror.complains(&[
        "the primary key of table order_items is deferrable",
        "DROP CONSTRAINT \"order_items_pkey\", ADD PRIMARY KEY (\"order_id\", \"product_id\");",
    ]);
    allowed(&url, change);
    mend(&mirror, &url);
    mirror.agrees();
    mirror.live();
    mirror.follows("UPDATE order_items SET quantity = 2; DELETE FROM order_items WHERE product_id = 'chair'");
}

#[test]
fn an_id_that_is_unique_only_in_the_end_is_refused() {
    let tables = TABLES.replace("order_id text PRIMARY KEY", "order_id text PRIMARY KEY DEFERRABLE");
    let url = database("log_deferrable_id", &[&tables, ROWS].concat());
    execute(&url, "ALTER TABLE orders REPLICA IDENTITY FULL");
    let mirror = Mirror::open(&url);
    mirror.complains(&["the primary key of table orders is deferrable", "ADD PRIMARY KEY (\"order_id\");"]);
    mend(&mirror, &url);
    mirror.agrees();
    mirror.follows("UPDATE orders SET order_id = order_id || 'b'");
}

#[test]
fn a_table_whose_key_is_dropped_leaves_the_publication_until_it_has_one() {
    let url = database("log_key_dropped", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    execute(&url, "ALTER TABLE order_items DROP CONSTRAINT order_items_pkey");
    allowed(&url, "UPDATE order_items SET product_id = 'sofa' WHERE product_id = 'chair'");
    mirror.complains(&["table order_items has no primary key", "the other tables are followed"]);
    execute(&url, "DELETE FROM order_items WHERE order_id = '2'; INSERT INTO orders VALUES ('3', NULL, 'eve', now())");
    harness::wait_until(SOON, "the others are followed", || mirror.kept().rows.orders.len() == 3);
    assert_eq!(mirror.kept().rows.lines.len(), 3, "the lines stay as they were");
    execute(&url, "ALTER TABLE order_items ADD PRIMARY KEY (order_id, product_id)");
    mirror.agrees();
    mirror.live();
    mirror.follows("UPDATE order_items SET product_id = 'stool' WHERE product_id = 'sofa'");
    execute(&url, "ALTER TABLE products REPLICA IDENTITY NOTHING");
    allowed(&url, "UPDATE products SET category_id = 'house'");
    mirror.complains(&["table products has REPLICA IDENTITY NOTHING"]);
    execute(&url, "ALTER TABLE products REPLICA IDENTITY DEFAULT");
    mirror.agrees();
    mirror.live();
}

#[test]
fn another_identity_is_published_in_its_own_way() {
    let url = database("log_identity", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    execute(&url, "ALTER TABLE orders REPLICA IDENTITY FULL");
    allowed(&url, "UPDATE orders SET user_id = 'eve' WHERE order_id = '1'");
    mirror.agrees();
    execute(
        &url,
        "ALTER TABLE order_items ADD COLUMN id serial UNIQUE; ALTER TABLE order_items REPLICA IDENTITY USING INDEX order_items_id_key",
    );
    allowed(&url, "UPDATE order_items SET product_id = 'sofa' WHERE product_id = 'chair'");
    let mut mirror = mirror;
    mirror.key = &["id"];
    mirror.agrees();
    mirror.follows("UPDATE orders SET order_id = order_id || 'b'; DELETE FROM order_items WHERE id = 1");
}

#[test]
fn what_was_done_to_a_key_while_nobody_followed_is_mended_at_the_start() {
    let url = database("log_key_away", &[TABLES, ROWS].concat());
    let kept = Mirror::following(&url).stop();
    execute(&url, "ALTER TABLE order_items DROP CONSTRAINT order_items_pkey");
    let change = "UPDATE order_items SET product_id = 'sofa' WHERE product_id = 'chair'";
    assert!(connect(&url).batch_execute(change).is_err(), "nobody takes the table out of the publication");
    let mirror = Mirror::start(settings(&url), Some(&kept));
    allowed(&url, change);
    mirror.complains(&["table order_items has no primary key", "the other tables are followed"]);
    let kept = mirror.stop();
    execute(&url, "ALTER TABLE order_items ADD PRIMARY KEY (order_id, product_id)");
    Mirror::start(settings(&url), Some(&kept)).agrees();
}

#[test]
fn what_the_owner_of_the_publication_has_to_do_is_named() {
    let url = database("log_owner", &[TABLES, ROWS].concat());
    execute(
        &url,
        "CREATE ROLE log_reader LOGIN REPLICATION; GRANT SELECT ON products, orders, order_items TO log_reader;
         CREATE PUBLICATION vitrine FOR TABLE products (product_id, category_id), orders (order_id, user_id, created_at),
                                              order_items (order_id, product_id)",
    );
    let mirror = Mirror::following(&url.replace("postgres@", "log_reader@"));
    execute(&url, "ALTER TABLE order_items DROP CONSTRAINT order_items_pkey");
    mirror.complains(&["table order_items has no primary key", "let the publication's owner run: "]);
    let State::Retrying(reason) = mirror.view().state else { panic!("{:?}", mirror.view().state) };
    let sql = reason.split_once("owner run: ").unwrap().1.split_once(';').unwrap().0;
    assert_eq!(sql, "ALTER PUBLICATION \"vitrine\" DROP TABLE ONLY order_items");
    let change = "UPDATE order_items SET quantity = 1";
    assert!(connect(&url).batch_execute(change).is_err());
    execute(&url, sql);
    execute(&url, change);
}

/// Tables of which all columns are published.
fn whole(name: &str) -> String {
    let url = database(name, &[TABLES, ROWS].concat());
    for table in ["products", "orders", "order_items"] {
        execute(&url, &format!("ALTER TABLE {table} REPLICA IDENTITY FULL"));
    }
    execute(&url, "ALTER TABLE orders ADD COLUMN user_id_v2 text; UPDATE orders SET user_id_v2 = 'new ' || user_id");
    url
}

const SWAP: &str = "
    BEGIN; ALTER TABLE orders RENAME COLUMN user_id TO old; ALTER TABLE orders RENAME COLUMN user_id_v2 TO user_id; COMMIT";

#[test]
fn columns_that_take_each_others_names_are_read_anew() {
    let url = whole("log_swap");
    let mirror = Mirror::following(&url);
    mirror.follows(SWAP);
    mirror.live();
    // One row that changes tells of the columns before anybody looks.
    execute(
        &url,
        "ALTER TABLE orders RENAME COLUMN user_id TO user_id_v2; ALTER TABLE orders RENAME COLUMN old TO user_id",
    );
    mirror.follows("UPDATE orders SET note = 'z' WHERE order_id = '1'");
    mirror.follows("ALTER TABLE orders DROP COLUMN note; UPDATE orders SET user_id = 'bob' WHERE order_id = '1'");
}

#[test]
fn columns_that_take_each_others_names_while_the_source_is_away_are_read_anew() {
    let url = whole("log_swap_away");
    let mirror = Mirror::following(&url);
    let mut outside: Client = connect(&url.replace("/log_swap_away", "/postgres"));
    outside.batch_execute("ALTER DATABASE log_swap_away ALLOW_CONNECTIONS false").unwrap();
    let mut inside = connect_through(&mut outside, &url);
    cut_off(&mut outside, "log_swap_away");
    mirror.complains(&["log_swap_away"]);
    inside.batch_execute(SWAP).unwrap();
    outside.batch_execute("ALTER DATABASE log_swap_away ALLOW_CONNECTIONS true").unwrap();
    mirror.agrees();
    mirror.live();
}

#[test]
fn a_used_column_of_another_type_is_read_anew() {
    let url = whole("log_type");
    let mirror = Mirror::following(&url);
    mirror.follows("UPDATE orders SET note = 'a'");
    // The log tells one of the rows that were written anew, and none of the others.
    mirror.follows(
        "ALTER TABLE orders ALTER COLUMN user_id TYPE varchar(20) USING 'x' || user_id;
         UPDATE orders SET note = 'z' WHERE order_id = '1'",
    );
    mirror.live();
    mirror.follows("ALTER TABLE products ALTER COLUMN category_id TYPE varchar(20) USING 'x' || category_id");
}

#[test]
fn a_type_that_changed_in_a_part_of_the_log_still_to_come_is_read_anew() {
    let url = whole("log_type_away");
    let kept = Mirror::following(&url).stop();
    execute(
        &url,
        "UPDATE orders SET note = 'a' WHERE order_id = '1';
         ALTER TABLE orders ALTER COLUMN user_id TYPE varchar(20) USING 'x' || user_id;
         UPDATE orders SET note = 'z' WHERE order_id = '1'",
    );
    Mirror::start(settings(&url), Some(&kept)).agrees();
}

#[test]
fn ids_of_domains_are_followed() {
    let url = database("log_domain", &[TABLES, ROWS].concat());
    execute(
        &url,
        "CREATE DOMAIN number AS text; CREATE DOMAIN code AS char(12); ALTER TABLE orders ALTER order_id TYPE number;
         ALTER TABLE order_items ALTER order_id TYPE number; ALTER TABLE products ALTER product_id TYPE code",
    );
    let mirror = Mirror::following(&url);
    mirror.follows("DELETE FROM products WHERE product_id = 'lamp'; UPDATE orders SET order_id = order_id || 'b'");
}
