//! The shop's migrations: the server refuses no migration because its tables are followed, and afterwards the fed rows
//! equal the tables, even if a statement changes values without a row in the log.

use harness::postgres::connect;

use crate::mirror::{Mirror, database, settings};

/// Tables as a shop has them that began small: numbers as keys, an enum, lengths, foreign keys.
const TABLES: &str = "
    CREATE TYPE category AS ENUM ('Light', 'Seat', 'Old');
    CREATE DOMAIN category_name AS category;
    CREATE TABLE products (product_id varchar(20) PRIMARY KEY, category_id category, name text, price numeric);
    CREATE TABLE orders (order_id int PRIMARY KEY, note text, user_id varchar(20), created_at timestamptz, state text);
    CREATE TABLE order_items (line_id int GENERATED ALWAYS AS IDENTITY, order_id int REFERENCES orders ON DELETE CASCADE,
                              product_id varchar(20) REFERENCES products, quantity int, PRIMARY KEY (order_id, product_id));
    INSERT INTO products VALUES ('lamp', 'Light', 'Lamp', 10), ('chair', 'Seat', 'Chair', 20), ('thing', NULL, '', 1);
    INSERT INTO orders VALUES (1, '', 'Ada', now(), 'paid'), (2, '', 'Bob', now() - interval '3 days', 'paid');
    INSERT INTO order_items (order_id, product_id) VALUES (1, 'lamp'), (1, 'chair'), (2, 'lamp');";

/// What shops do to their tables, most of it in the order in which a shop grows.
const MIGRATIONS: [(&str, &str); 22] = [
    ("a column more", "ALTER TABLE orders ADD COLUMN channel text"),
    ("a column with a default", "ALTER TABLE orders ADD COLUMN currency text NOT NULL DEFAULT 'EUR'"),
    ("a column with a default for each row", "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()"),
    ("an unused column goes", "ALTER TABLE orders DROP COLUMN note; ALTER TABLE products DROP COLUMN name"),
    ("an unused column has another name", "ALTER TABLE orders RENAME COLUMN state TO order_state"),
    ("an unused column has another type", "ALTER TABLE products ALTER COLUMN price TYPE double precision"),
    (
        "keys become larger",
        "ALTER TABLE orders ALTER COLUMN order_id TYPE bigint; ALTER TABLE order_items ALTER COLUMN order_id TYPE bigint",
    ),
    (
        "lengths go",
        "ALTER TABLE orders ALTER COLUMN user_id TYPE text; ALTER TABLE products ALTER COLUMN product_id TYPE text;
         ALTER TABLE order_items ALTER COLUMN product_id TYPE text",
    ),
    ("users are written otherwise", "ALTER TABLE orders ALTER COLUMN user_id TYPE text USING lower(user_id)"),
    ("indexes", "CREATE INDEX by_user ON orders (user_id); CREATE INDEX by_time ON orders (created_at); DROP INDEX by_user"),
    (
        "constraints",
        "ALTER TABLE orders ALTER COLUMN user_id SET NOT NULL; ALTER TABLE orders ADD CHECK (user_id <> '');
         ALTER TABLE orders ALTER COLUMN created_at SET DEFAULT now()",
    ),
    ("a label of an enum is another one", "ALTER TYPE category RENAME VALUE 'Light' TO 'Lighting'"),
    ("a label of an enum more", "ALTER TYPE category ADD VALUE 'Garden'"),
    (
        "a domain instead of an enum, and its label",
        "ALTER TABLE products ALTER COLUMN category_id TYPE category_name; ALTER TYPE category RENAME VALUE 'Seat' TO 'Seats'",
    ),
    (
        "text instead of an enum, in lower case",
        "ALTER TABLE products ALTER COLUMN category_id TYPE text USING lower(category_id::text)",
    ),
    ("the same type, in upper case", "ALTER TABLE products ALTER COLUMN category_id TYPE text USING upper(category_id)"),
    (
        "another key",
        "ALTER TABLE order_items DROP CONSTRAINT order_items_pkey, ADD PRIMARY KEY (line_id)",
    ),
    ("the file is written anew", "CLUSTER orders USING orders_pkey"),
    (
        "a column beside the old one, filled, and in its place",
        "ALTER TABLE orders ADD COLUMN user_v2 text; UPDATE orders SET user_v2 = 'u-' || user_id;
         ALTER TABLE orders DROP COLUMN user_id CASCADE; ALTER TABLE orders RENAME COLUMN user_v2 TO user_id",
    ),
    (
        "a table beside the old one, filled, and in its place",
        "CREATE TABLE items_v2 (LIKE order_items INCLUDING ALL); ALTER TABLE items_v2 ALTER COLUMN line_id RESTART 1000;
         INSERT INTO items_v2 OVERRIDING SYSTEM VALUE SELECT * FROM order_items WHERE product_id <> 'chair';
         BEGIN; ALTER TABLE order_items RENAME TO items_v1; ALTER TABLE items_v2 RENAME TO order_items; COMMIT;
         DROP TABLE items_v1",
    ),
    ("all rows go and come again", "BEGIN; TRUNCATE order_items; INSERT INTO order_items (order_id, product_id)
         SELECT order_id, 'chair' FROM orders; COMMIT"),
    ("the file is compacted", "VACUUM FULL order_items"),
];

/// Rows that come and change after each migration.
fn orders(n: usize) -> String {
    format!(
        "INSERT INTO orders (order_id, user_id, created_at) VALUES ({}, 'user-{n}', now());
         INSERT INTO order_items (order_id, product_id) VALUES ({}, 'lamp');
         UPDATE orders SET created_at = now() WHERE order_id = 1; DELETE FROM orders WHERE order_id = {}",
        100 + n,
        100 + n,
        98 + n
    )
}

/// A database with the tables; lines are told by their identity column where they can be.
fn shop(name: &str) -> (String, Mirror) {
    let url = database(name, TABLES);
    let mirror = Mirror::following(&url);
    (url, mirror)
}

/// The migration was taken by the server, and the rows are those of the tables.
#[track_caller]
fn migrate(mirror: &mut Mirror, url: &str, n: usize, (name, sql): (&str, &str)) {
    println!("{name}");
    if name == "another key" {
        mirror.key = &["line_id"];
    }
    // One statement after the other, each on its own, unless the migration says otherwise.
    let mut client = connect(url);
    for statement in transactions(sql) {
        client.batch_execute(&statement).unwrap_or_else(|error| panic!("{name}: {statement}: {error:?}"));
    }
    mirror.agrees();
    mirror.live();
    mirror.follows(&orders(n));
    let refused = mirror.letters.try_recv().ok();
    assert!(refused.is_none(), "{name}: {refused:?}");
}

/// Statements, with those between BEGIN and COMMIT in one piece.
fn transactions(sql: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut open = false;
    for statement in sql.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        match pieces.last_mut().filter(|_| open) {
            Some(piece) => *piece += &format!("; {statement}"),
            None => pieces.push(statement.to_owned()),
        }
        open = (open || statement.starts_with("BEGIN")) && !statement.starts_with("COMMIT");
    }
    pieces
}

#[test]
fn the_shop_migrates_its_tables_while_they_are_followed() {
    let (url, mut mirror) = shop("migrations");
    for (n, migration) in MIGRATIONS.into_iter().enumerate() {
        migrate(&mut mirror, &url, n, migration);
    }
}

#[test]
fn the_shop_migrates_its_tables_while_nobody_follows() {
    let (url, mut mirror) = shop("migrations_away");
    for (n, (name, sql)) in MIGRATIONS.into_iter().enumerate() {
        println!("{name}");
        let key = if name == "another key" { &["line_id"] } else { mirror.key };
        harness::wait_until(crate::running::SOON, "a restart would go on", || mirror.kept().position.next > 0);
        let kept = mirror.stop();
        let mut client = connect(&url);
        for statement in transactions(sql) {
            client.batch_execute(&statement).unwrap_or_else(|error| panic!("{name}: {statement}: {error:?}"));
        }
        mirror = Mirror::start(settings(&url), Some(&kept));
        mirror.key = key;
        mirror.agrees();
        mirror.live();
        mirror.follows(&orders(n));
    }
}

#[test]
fn a_publication_of_others_hinders_nobody_either() {
    for (n, publication) in [
        "CREATE PUBLICATION vitrine FOR ALL TABLES",
        "CREATE PUBLICATION vitrine FOR TABLES IN SCHEMA public",
        "CREATE PUBLICATION vitrine FOR TABLE products (product_id, category_id), orders, order_items",
    ]
    .into_iter()
    .enumerate()
    {
        let url = database(&format!("migrations_published_{n}"), &[TABLES, publication].concat());
        let mirror = Mirror::following(&url);
        mirror.follows("ALTER TABLE orders ALTER COLUMN user_id TYPE varchar(20) USING lower(user_id)");
        mirror.follows("ALTER TYPE category RENAME VALUE 'Light' TO 'Lighting'");
        mirror.follows(&orders(n));
        mirror.live();
    }
}

#[test]
fn a_partition_that_is_published_as_its_partitioned_table_is_followed() {
    let url = database(
        "migrations_partition",
        "CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
         CREATE TABLE all_orders (order_id int, user_id text, created_at timestamptz, shop int, PRIMARY KEY (order_id, shop))
             PARTITION BY LIST (shop);
         CREATE TABLE orders PARTITION OF all_orders (order_id UNIQUE) FOR VALUES IN (1);
         CREATE TABLE elsewhere PARTITION OF all_orders FOR VALUES IN (2);
         CREATE TABLE order_items (order_id int, product_id text, PRIMARY KEY (order_id, product_id));
         CREATE PUBLICATION vitrine FOR ALL TABLES WITH (publish_via_partition_root = true)",
    );
    let mirror = Mirror::open(&url);
    mirror.agrees();
    mirror.follows(
        "INSERT INTO all_orders VALUES (1, 'ada', now(), 1), (2, 'bob', now(), 2); INSERT INTO order_items VALUES (1, 'lamp')",
    );
    mirror.follows("UPDATE all_orders SET shop = 3 - shop");
    mirror.follows("UPDATE all_orders SET shop = 3 - shop");
    mirror.live();
}
