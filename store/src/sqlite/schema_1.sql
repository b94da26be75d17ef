-- The tables of a shop. Other tools may read and write them: triggers keep the log of changes.

CREATE TABLE categories (
    category_id TEXT PRIMARY KEY NOT NULL,
    name        TEXT,
    parent_id   TEXT
) STRICT;
CREATE INDEX categories_of_parent ON categories (parent_id, category_id);

CREATE TABLE products (
    product_id  TEXT PRIMARY KEY NOT NULL,
    name        TEXT,
    category_id TEXT,
    price       TEXT CHECK (price NOT GLOB '*[^0-9.]*'),
    description TEXT,
    attributes  TEXT CHECK (json_valid(attributes)),
    available   INTEGER NOT NULL DEFAULT 1 CHECK (available IN (0, 1)),
    embedding   TEXT CHECK (json_valid(embedding))
) STRICT;
CREATE INDEX products_of_category ON products (category_id, product_id);

CREATE TABLE users (
    user_id      TEXT PRIMARY KEY NOT NULL,
    name         TEXT,
    email        TEXT,
    demographics TEXT CHECK (json_valid(demographics))
) STRICT;

-- created_at: milliseconds since 1970.
CREATE TABLE orders (
    order_id   TEXT PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    status     TEXT NOT NULL DEFAULT 'placed' CHECK (status IN ('placed', 'cancelled'))
) STRICT;
CREATE INDEX orders_of_user ON orders (user_id, order_id);
CREATE INDEX orders_by_time ON orders (created_at);

CREATE TABLE order_items (
    order_id   TEXT NOT NULL,
    line       INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    quantity   INTEGER NOT NULL DEFAULT 1,
    price      TEXT CHECK (price NOT GLOB '*[^0-9.]*'),
    returned   INTEGER NOT NULL DEFAULT 0 CHECK (returned IN (0, 1)),
    PRIMARY KEY (order_id, line)
) STRICT, WITHOUT ROWID;

-- kind: 1 category, 2 product, 3 user, 4 order, 5 line of an order (then line is its number).
CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   INTEGER NOT NULL,
    id     TEXT NOT NULL,
    line   INTEGER
) STRICT;

CREATE TRIGGER categories_insert AFTER INSERT ON categories BEGIN
    INSERT INTO changes (kind, id) VALUES (1, NEW.category_id);
END;
CREATE TRIGGER categories_update AFTER UPDATE ON categories BEGIN
    INSERT INTO changes (kind, id) SELECT 1, OLD.category_id WHERE OLD.category_id <> NEW.category_id;
    INSERT INTO changes (kind, id) VALUES (1, NEW.category_id);
END;
CREATE TRIGGER categories_delete AFTER DELETE ON categories BEGIN
    INSERT INTO changes (kind, id) VALUES (1, OLD.category_id);
END;

CREATE TRIGGER products_insert AFTER INSERT ON products BEGIN
    INSERT INTO changes (kind, id) VALUES (2, NEW.product_id);
END;
CREATE TRIGGER products_update AFTER UPDATE ON products BEGIN
    INSERT INTO changes (kind, id) SELECT 2, OLD.product_id WHERE OLD.product_id <> NEW.product_id;
    INSERT INTO changes (kind, id) VALUES (2, NEW.product_id);
END;
CREATE TRIGGER products_delete AFTER DELETE ON products BEGIN
    INSERT INTO changes (kind, id) VALUES (2, OLD.product_id);
END;

CREATE TRIGGER users_insert AFTER INSERT ON users BEGIN
    INSERT INTO changes (kind, id) VALUES (3, NEW.user_id);
END;
CREATE TRIGGER users_update AFTER UPDATE ON users BEGIN
    INSERT INTO changes (kind, id) SELECT 3, OLD.user_id WHERE OLD.user_id <> NEW.user_id;
    INSERT INTO changes (kind, id) VALUES (3, NEW.user_id);
END;
CREATE TRIGGER users_delete AFTER DELETE ON users BEGIN
    INSERT INTO changes (kind, id) VALUES (3, OLD.user_id);
END;

CREATE TRIGGER orders_insert AFTER INSERT ON orders BEGIN
    INSERT INTO changes (kind, id) VALUES (4, NEW.order_id);
END;
CREATE TRIGGER orders_update AFTER UPDATE ON orders BEGIN
    INSERT INTO changes (kind, id) SELECT 4, OLD.order_id WHERE OLD.order_id <> NEW.order_id;
    INSERT INTO changes (kind, id) VALUES (4, NEW.order_id);
END;
CREATE TRIGGER orders_delete AFTER DELETE ON orders BEGIN
    INSERT INTO changes (kind, id) VALUES (4, OLD.order_id);
    DELETE FROM order_items WHERE order_id = OLD.order_id;
END;

CREATE TRIGGER order_items_insert AFTER INSERT ON order_items BEGIN
    INSERT INTO changes (kind, id, line) VALUES (5, NEW.order_id, NEW.line);
END;
CREATE TRIGGER order_items_update AFTER UPDATE ON order_items BEGIN
    INSERT INTO changes (kind, id, line)
        SELECT 5, OLD.order_id, OLD.line WHERE OLD.order_id <> NEW.order_id OR OLD.line <> NEW.line;
    INSERT INTO changes (kind, id, line) VALUES (5, NEW.order_id, NEW.line);
END;
CREATE TRIGGER order_items_delete AFTER DELETE ON order_items BEGIN
    INSERT INTO changes (kind, id, line) VALUES (5, OLD.order_id, OLD.line);
END;

-- The answers to requests that may be repeated, for a day. at: milliseconds since 1970.
CREATE TABLE answered (
    key         TEXT PRIMARY KEY NOT NULL,
    fingerprint TEXT NOT NULL,
    change      INTEGER NOT NULL,
    rows        TEXT NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX answered_by_time ON answered (at);
