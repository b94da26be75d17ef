//! The migrations of a shop's tables: first the most common migrations, then migrations that replace the rows or the
//! table itself.

use super::{Migration, Series};

/// Ids of orders are numbers here, and the category is one of some labels.
const SCHEMA: &str = "
    CREATE TYPE category AS ENUM ('c-0', 'c-1', 'c-2', 'c-3', 'c-4', 'c-5');
    CREATE TABLE products (product_id text PRIMARY KEY, category_id category NOT NULL, description text);
    CREATE TABLE orders (order_id int PRIMARY KEY, user_id text NOT NULL, created_at timestamptz NOT NULL);
    CREATE TABLE order_items (order_id int NOT NULL, product_id text NOT NULL, quantity int DEFAULT 1,
        PRIMARY KEY (order_id, product_id));
    INSERT INTO products SELECT 'p-' || n, ('c-' || n % 6)::category, repeat('x', 100) FROM generate_series(0, 59) AS n";

pub(super) const SERIES: Series =
    Series { name: "migrations", schema: SCHEMA, mode: "replication", migrations: MIGRATIONS };

const MIGRATIONS: &[Migration] = &[
    Migration { what: "a column was added", sql: "ALTER TABLE orders ADD COLUMN note text" },
    Migration {
        what: "a column with a default was added",
        sql: "ALTER TABLE orders ADD COLUMN paid boolean NOT NULL DEFAULT true",
    },
    Migration {
        what: "the type of an id became bigint",
        sql: "ALTER TABLE orders ALTER COLUMN order_id TYPE bigint;
              ALTER TABLE order_items ALTER COLUMN order_id TYPE bigint",
    },
    Migration {
        what: "the type of an id became varchar",
        sql: "ALTER TABLE orders ALTER COLUMN user_id TYPE varchar(64)",
    },
    Migration { what: "a column was renamed", sql: "ALTER TABLE orders RENAME COLUMN note TO remark" },
    Migration { what: "a column was dropped", sql: "ALTER TABLE orders DROP COLUMN remark" },
    Migration {
        what: "an index was added",
        sql: "CREATE INDEX items_by_product ON order_items (product_id);
              CREATE INDEX orders_by_user ON orders (user_id); DROP INDEX orders_by_user",
    },
    Migration {
        what: "a constraint was added",
        sql: "ALTER TABLE orders ADD CONSTRAINT named CHECK (user_id <> '') NOT VALID;
              ALTER TABLE orders VALIDATE CONSTRAINT named",
    },
    Migration { what: "a column became NOT NULL", sql: "ALTER TABLE order_items ALTER COLUMN quantity SET NOT NULL" },
    Migration { what: "a label of the categories was renamed", sql: "ALTER TYPE category RENAME VALUE 'c-1' TO 'k-1'" },
    Migration {
        what: "the categories became text, with other values",
        sql: "ALTER TABLE products ALTER COLUMN category_id TYPE text USING replace(category_id::text, 'c-', 'd-')",
    },
    Migration { what: "a table was rewritten by VACUUM FULL", sql: "VACUUM FULL orders" },
    Migration { what: "a table was rewritten by CLUSTER", sql: "CLUSTER order_items USING order_items_pkey" },
    Migration {
        what: "a table was renamed and had its name back",
        sql: "ALTER TABLE orders RENAME TO orders_old; ALTER TABLE orders_old RENAME TO orders",
    },
    Migration {
        what: "a table had its name back after a moment",
        sql: "ALTER TABLE products RENAME TO products_old; COMMIT; BEGIN;
              SELECT count(*) FROM generate_series(1, 3000000); ALTER TABLE products_old RENAME TO products; COMMIT",
    },
    Migration {
        what: "the primary key was exchanged",
        sql: "ALTER TABLE order_items DROP CONSTRAINT order_items_pkey, ADD PRIMARY KEY (product_id, order_id)",
    },
    Migration { what: "the replica identity became FULL", sql: "ALTER TABLE orders REPLICA IDENTITY FULL" },
    Migration {
        what: "a copy of a table took its place, with other rows",
        sql: "CREATE TABLE orders_new (LIKE orders INCLUDING ALL);
              INSERT INTO orders_new SELECT * FROM orders; UPDATE orders_new SET user_id = 'u-7' WHERE order_id % 3 = 0;
              DROP TABLE orders; ALTER TABLE orders_new RENAME TO orders",
    },
    Migration { what: "the tables were truncated", sql: "TRUNCATE orders, order_items" },
];
