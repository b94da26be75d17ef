-- The tables of a shop. Other tools may read and write them: the server's log tells Vitrine of every change.
-- Ids are compared and sorted as bytes. They are stored in their row, so that the log always has them.

CREATE TABLE categories (
    category_id text COLLATE "C" PRIMARY KEY,
    name        text COLLATE "C",
    parent_id   text COLLATE "C"
);
CREATE INDEX categories_of_parent ON categories (parent_id, category_id);

CREATE TABLE products (
    product_id  text COLLATE "C" PRIMARY KEY,
    name        text COLLATE "C",
    category_id text COLLATE "C",
    price       numeric CHECK (price >= 0 AND price < 1000000000000),
    description text,
    attributes  json CHECK (json_typeof(attributes) = 'object'),
    available   boolean NOT NULL DEFAULT true,
    embedding   real[]
);
ALTER TABLE products ALTER COLUMN product_id SET STORAGE PLAIN, ALTER COLUMN category_id SET STORAGE PLAIN;
CREATE INDEX products_of_category ON products (category_id, product_id);

CREATE TABLE users (
    user_id      text COLLATE "C" PRIMARY KEY,
    name         text COLLATE "C",
    email        text,
    demographics json CHECK (json_typeof(demographics) = 'object')
);

CREATE TABLE orders (
    order_id   text COLLATE "C" PRIMARY KEY,
    user_id    text COLLATE "C" NOT NULL,
    created_at timestamptz(3) NOT NULL DEFAULT now() CHECK (isfinite(created_at)),
    status     text NOT NULL DEFAULT 'placed' CHECK (status IN ('placed', 'cancelled'))
);
ALTER TABLE orders ALTER COLUMN order_id SET STORAGE PLAIN, ALTER COLUMN user_id SET STORAGE PLAIN;
CREATE INDEX orders_of_user ON orders (user_id, order_id);
CREATE INDEX orders_by_time ON orders (created_at);

CREATE TABLE order_items (
    order_id   text COLLATE "C" NOT NULL REFERENCES orders ON DELETE CASCADE,
    line       bigint NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    quantity   bigint NOT NULL DEFAULT 1,
    price      numeric CHECK (price >= 0 AND price < 1000000000000),
    returned   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (order_id, line)
);
ALTER TABLE order_items ALTER COLUMN order_id SET STORAGE PLAIN, ALTER COLUMN product_id SET STORAGE PLAIN;

-- The answers to requests that may be repeated, for a day. at: milliseconds since 1970.
CREATE TABLE vitrine_answered (
    key         text COLLATE "C" PRIMARY KEY,
    fingerprint text NOT NULL,
    rows        text NOT NULL,
    at          bigint NOT NULL
);
CREATE INDEX vitrine_answered_by_time ON vitrine_answered (at);

-- The version of these tables.
CREATE TABLE vitrine_store (version bigint NOT NULL);
INSERT INTO vitrine_store VALUES (0);

COMMENT ON TABLE categories IS 'made by Vitrine';
COMMENT ON TABLE products IS 'made by Vitrine';
COMMENT ON TABLE users IS 'made by Vitrine';
COMMENT ON TABLE orders IS 'made by Vitrine';
COMMENT ON TABLE order_items IS 'made by Vitrine';
