//! A partitioned table: attaching and detaching a partition adds and removes rows without a row in the log. So `auto`
//! reads the tables repeatedly instead of following the log.

use super::{Migration, Series};

const SCHEMA: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text NOT NULL, description text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text NOT NULL, created_at timestamptz NOT NULL);
    CREATE TABLE order_items (order_id text NOT NULL, product_id text NOT NULL, quantity int NOT NULL DEFAULT 1,
        PRIMARY KEY (order_id, product_id)) PARTITION BY RANGE (product_id);
    CREATE TABLE items_low PARTITION OF order_items FOR VALUES FROM (MINVALUE) TO ('p-3');
    CREATE TABLE items_high PARTITION OF order_items FOR VALUES FROM ('p-3') TO (MAXVALUE);
    INSERT INTO products SELECT 'p-' || n, 'c-' || n % 6, repeat('x', 100) FROM generate_series(0, 59) AS n";

pub(super) const SERIES: Series = Series { name: "partitions", schema: SCHEMA, mode: "auto", migrations: MIGRATIONS };

const MIGRATIONS: &[Migration] = &[
    Migration { what: "a partition was detached", sql: "ALTER TABLE order_items DETACH PARTITION items_low" },
    Migration {
        what: "the partition was changed and attached again",
        sql: "DELETE FROM items_low WHERE order_id LIKE '%3';
              ALTER TABLE order_items ATTACH PARTITION items_low FOR VALUES FROM (MINVALUE) TO ('p-3')",
    },
    Migration {
        what: "a partition was split in two",
        sql: "ALTER TABLE order_items DETACH PARTITION items_high;
              CREATE TABLE items_mid PARTITION OF order_items FOR VALUES FROM ('p-3') TO ('p-5');
              CREATE TABLE items_top PARTITION OF order_items FOR VALUES FROM ('p-5') TO (MAXVALUE);
              INSERT INTO order_items SELECT * FROM items_high; DROP TABLE items_high",
    },
    Migration { what: "a partition was truncated", sql: "TRUNCATE items_mid" },
    Migration {
        what: "a partition was detached concurrently",
        sql: "ALTER TABLE order_items DETACH PARTITION items_mid CONCURRENTLY",
    },
    Migration {
        what: "partitions were dropped, and an empty one was added",
        sql: "DROP TABLE items_top, items_mid;
              CREATE TABLE items_high PARTITION OF order_items FOR VALUES FROM ('p-3') TO (MAXVALUE)",
    },
];
