-- The categories of each product: its own and the ancestors of that. Triggers keep them, whoever writes the tables, at every
-- isolation level and for every search path of who writes.
-- Writers of products share a lock that a writer of the tree has alone, so that neither misses the changes of the other. A
-- transaction that sees the tables as of its beginning would miss what others have changed since. So it fails when it writes
-- products after the tree was changed (the row of vitrine_store was), and may not change the tree itself.

ALTER TABLE products ADD COLUMN categories text[];
-- In the row, so that the log repeats it with every change of the row.
ALTER TABLE products ALTER COLUMN categories SET STORAGE MAIN;

-- The functions have the rights of who made the tables: another tool may write one of the tables only. A writer may have tables,
-- types and functions with the same names. So they name schemas, and temporary tables come last in their search path.
DO $make$
DECLARE
    here text := quote_ident(current_schema());
BEGIN
    EXECUTE replace($function$
        CREATE FUNCTION @schema@.vitrine_share_tree() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(33329996108492390);
            IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
                PERFORM FROM @schema@.vitrine_store FOR SHARE;
            END IF;
            RETURN NULL;
        END
        $$
    $function$, '@schema@', here);
    EXECUTE replace($function$
        CREATE FUNCTION @schema@.vitrine_product_categories() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            lineage text[] := '{}';
            above   text := NEW.category_id;
        BEGIN
            -- Another tool may have written a circle.
            WHILE above IS NOT NULL AND above <> ALL (lineage) AND cardinality(lineage) < 64 LOOP
                lineage := lineage || above;
                SELECT nullif(parent_id, '') INTO above FROM @schema@.categories WHERE category_id = above;
            END LOOP;
            NEW.categories := CASE WHEN NEW.category_id IS NOT NULL THEN lineage END;
            RETURN NEW;
        END
        $$
    $function$, '@schema@', here);
    -- After categories have got other parents: their products, and those of all categories below them.
    EXECUTE replace($function$
        CREATE FUNCTION @schema@.vitrine_categories_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            moved text[];
        BEGIN
            IF TG_OP = 'INSERT' THEN
                SELECT array_agg(category_id) INTO moved FROM new_rows WHERE parent_id IS NOT NULL;
            ELSIF TG_OP = 'UPDATE' THEN
                SELECT array_agg(category_id) INTO moved FROM old_rows FULL JOIN new_rows USING (category_id)
                WHERE old_rows.parent_id IS DISTINCT FROM new_rows.parent_id;
            ELSIF TG_OP = 'DELETE' THEN
                SELECT array_agg(category_id) INTO moved FROM old_rows WHERE parent_id IS NOT NULL;
            ELSE
                SELECT array_agg(DISTINCT category_id) INTO moved FROM @schema@.products WHERE cardinality(categories) > 1;
            END IF;
            IF moved IS NULL THEN
                RETURN NULL;
            END IF;
            IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
                RAISE EXCEPTION 'a category gets another parent only in a transaction at the level READ COMMITTED'
                    USING ERRCODE = 'invalid_transaction_state',
                          HINT = 'Begin the transaction with BEGIN ISOLATION LEVEL READ COMMITTED.';
            END IF;
            PERFORM pg_advisory_xact_lock(33329996108492390);
            UPDATE @schema@.vitrine_store SET version = version;
            WITH RECURSIVE below (category_id) AS (
                SELECT unnest(moved) COLLATE "C"
                UNION
                SELECT child.category_id FROM below JOIN @schema@.categories AS child ON child.parent_id = below.category_id)
            UPDATE @schema@.products AS p SET categories = '{}' FROM below WHERE p.category_id = below.category_id;
            RETURN NULL;
        END
        $$
    $function$, '@schema@', here);
END
$make$;

-- Who could make a trigger of them could give them rows of a table of their own.
REVOKE EXECUTE ON FUNCTION vitrine_share_tree(), vitrine_product_categories(), vitrine_categories_moved() FROM PUBLIC;

CREATE TRIGGER vitrine_share_tree BEFORE INSERT OR UPDATE OF category_id, categories ON products
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine_share_tree();
CREATE TRIGGER vitrine_categories_of_new BEFORE INSERT ON products FOR EACH ROW
    WHEN (NEW.category_id IS NOT NULL OR NEW.categories IS NOT NULL)
    EXECUTE FUNCTION vitrine_product_categories();
CREATE TRIGGER vitrine_categories_of_changed BEFORE UPDATE ON products FOR EACH ROW
    WHEN (OLD.category_id IS DISTINCT FROM NEW.category_id OR OLD.categories IS DISTINCT FROM NEW.categories)
    EXECUTE FUNCTION vitrine_product_categories();

CREATE TRIGGER vitrine_new_categories AFTER INSERT ON categories
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION vitrine_categories_moved();
CREATE TRIGGER vitrine_changed_categories AFTER UPDATE ON categories
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine_categories_moved();
CREATE TRIGGER vitrine_gone_categories AFTER DELETE ON categories
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION vitrine_categories_moved();
CREATE TRIGGER vitrine_no_categories AFTER TRUNCATE ON categories
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine_categories_moved();

UPDATE products SET categories = '{}' WHERE category_id IS NOT NULL;
