-- The products that are deleted. Purchases name them still: a purchase of such a product does not count as one of a product that
-- the catalogue has never had.
CREATE TABLE deleted_products (product_id TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER deleted_products_insert AFTER INSERT ON products BEGIN
    DELETE FROM deleted_products WHERE product_id = NEW.product_id;
END;
CREATE TRIGGER deleted_products_update AFTER UPDATE OF product_id ON products WHEN OLD.product_id <> NEW.product_id BEGIN
    INSERT OR IGNORE INTO deleted_products VALUES (OLD.product_id);
    DELETE FROM deleted_products WHERE product_id = NEW.product_id;
END;
CREATE TRIGGER deleted_products_delete AFTER DELETE ON products BEGIN
    INSERT OR IGNORE INTO deleted_products VALUES (OLD.product_id);
END;
