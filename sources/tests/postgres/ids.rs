//! Ids that are equal in SQL are the same id in Vitrine, from every source; a column for which that is not certain is
//! refused.

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use harness::postgres::{connect, execute};
use sources::postgres::inspect;

use crate::mirror::{self, Mirror};
use crate::running::SOON;
use crate::shop::{self, Shop, database_of};

/// Orders and lines with ids of these types, and one order with one line.
fn tables(order: &str, line: &str) -> String {
    format!(
        "CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
         CREATE TABLE orders (order_id {order} PRIMARY KEY, user_id text, created_at timestamptz);
         CREATE TABLE order_items (line_id int PRIMARY KEY, order_id {line}, product_id text);"
    )
}

/// The list that the server's own join gives: products with their distinct buyers.
fn joined(url: &str, condition: &str) -> Vec<(String, u64)> {
    let sql = format!(
        "SELECT i.product_id, count(DISTINCT o.user_id) FROM orders o JOIN order_items i ON {condition}
         GROUP BY 1 ORDER BY 2 DESC, 1"
    );
    let rows = connect(url).query(&sql, &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1) as u64)).collect()
}

#[track_caller]
fn shows(shop: &Shop, list: &[(String, u64)]) {
    let list: Vec<(&str, u64)> = list.iter().map(|(product, buyers)| (product.as_str(), *buyers)).collect();
    shop.expect(None, &list);
}

#[test]
fn lines_find_their_orders_where_sql_finds_them() {
    let plain = "o.order_id = i.order_id";
    let text = "o.order_id::text = i.order_id::text";
    let cases = [
        ("numeric", "numeric", ["1", "-0.0", "7.50"], ["1.00", "0", "7.5"], plain),
        ("numeric(10,2)", "bigint", ["1", "2", "3"], ["1", "2", "4"], plain),
        ("exact", "numeric(12,3)", ["1.0", "2", "3.10"], ["1.000", "2.00", "3.1"], plain),
        ("float8", "float8", ["'-0'", "1e15", "0.1"], ["0", "1000000000000000", "0.1"], plain),
        ("float4", "float4", ["'-0'", "1234567", "0.1"], ["'0'", "1.234567e6", "0.1"], plain),
        ("int", "float8", ["0", "42", "1000000"], ["'-0'", "42.0", "1e6"], plain),
        ("char(8)", "text", ["'a'", "'b '", "'c'"], ["'a'", "'b'", "'c '"], "o.order_id::text = i.order_id"),
        ("char(8)", "char(4)", ["'a'", "'b'", "'c'"], ["'a '", "'b'", "'C'"], plain),
        ("code", "varchar(9)", ["'a'", "'b'", "'c'"], ["'a'", "'b'", "'d'"], text),
        ("bigint", "text", ["1", "2", "3"], ["'1'", "'2'", "'03'"], text),
        ("numeric(9)", "varchar", ["1", "2", "3"], ["'1'", "'2'", "'3.0'"], text),
        ("label", "text", ["'x'", "'y'", "'z'"], ["'x'", "'y'", "'Z'"], text),
        ("bool", "bool", ["true", "false", "NULL"], ["true", "false", "NULL"], plain),
        ("inet", "cidr", ["'10.0.0.1'", "'10.0.0.0/8'", "'::1'"], ["'10.0.0.1'", "'10.0.0.0/8'", "'::1/128'"], plain),
        ("bytea", "bytea", ["'\\xAB'", "'\\x00ff'", "''"], ["'\\xab'", "'\\x00FF'", "'\\x01'"], plain),
        (
            "uuid",
            "text",
            ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "NULL"],
            ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'{b0eebc999c0b4ef8bb6d6bb9bd380a11}'", "'none'"],
            "o.order_id = CASE i.order_id WHEN 'none' THEN NULL ELSE i.order_id END::uuid",
        ),
        (
            "timestamptz",
            "timestamptz",
            ["'2024-01-01 00:00+00'", "'2024-01-02'", "'infinity'"],
            ["'2024-01-01 02:00+02'", "'2024-01-02'", "'infinity'"],
            plain,
        ),
        ("\"char\"", "text", ["'a'", "'b'", "'c'"], ["'a'", "'b'", "'C'"], text),
        ("money", "money", ["1.5", "2", "3"], ["'1.50'", "2.00", "4"], plain),
    ];
    for (at, (order, line, orders, lines, condition)) in cases.into_iter().enumerate() {
        let url = database_of(&format!("ids_{at}"), "");
        execute(
            &url,
            "CREATE DOMAIN wide AS numeric; CREATE DOMAIN exact AS wide; CREATE DOMAIN code AS char(12);
             CREATE TYPE label AS ENUM ('x', 'y', 'z');",
        );
        execute(&url, &tables(order, line));
        for (n, (order, line)) in orders.into_iter().zip(lines).enumerate() {
            if order != "NULL" {
                execute(&url, &format!("INSERT INTO orders VALUES ({order}, 'user-{n}', now())"));
            }
            execute(&url, &format!("INSERT INTO order_items VALUES ({n}, {line}, 'lamp')"));
        }
        println!("{order} and {line}");
        let (refreshed, followed) = (Shop::open(&url), Shop::with(mirror::settings(&url), 1));
        let before = joined(&url, condition);
        assert!(!before.is_empty(), "{order} and {line}: the case tries nothing");
        [&refreshed, &followed].into_iter().for_each(|shop| shows(shop, &before));
        followed.live();
        // The same ids as the log tells them, by updates of the orders and by new lines.
        for (n, line) in lines.into_iter().enumerate() {
            execute(&url, &format!("INSERT INTO order_items VALUES ({}, {line}, 'chair')", n + 10));
        }
        execute(&url, "UPDATE orders SET user_id = 'another ' || user_id");
        let after = joined(&url, condition);
        assert_eq!(after.len(), 2);
        [&refreshed, &followed].into_iter().for_each(|shop| shows(shop, &after));
    }
}

#[test]
fn products_find_their_category_where_sql_finds_them() {
    let url = database_of(
        "ids_products",
        "CREATE TABLE products (product_id numeric PRIMARY KEY, category_id numeric);
         CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
         CREATE TABLE order_items (line_id int PRIMARY KEY, order_id text, product_id numeric);
         INSERT INTO products VALUES (1.0, 5.00), (2, 5), (3.50, 6);
         INSERT INTO orders VALUES ('a', 'ada', now()), ('b', 'bob', now());
         INSERT INTO order_items VALUES (1, 'a', 1.000), (2, 'b', 1), (3, 'a', 3.5);",
    );
    for shop in [Shop::open(&url), Shop::with(mirror::settings(&url), 1)] {
        shop.expect(Some("5"), &[("1", 2)]);
        shop.expect(Some("6"), &[("3.5", 1)]);
    }
}

#[test]
fn users_have_the_ids_that_events_have() {
    for (at, kind) in ["int", "numeric", "numeric(12,2)", "float8", "float4", "real", "bigint"].into_iter().enumerate()
    {
        let url = database_of(
            &format!("ids_users_{at}"),
            &tables("int", "int").replace("user_id text", &format!("user_id {kind}")),
        );
        execute(&url, "INSERT INTO orders VALUES (1, 1234567, now())");
        let mirror = Mirror::open(&url);
        let user = Dictionary::new(Ids::new([7; 16])).user("1234567");
        let are = |count: usize| {
            let orders = mirror.kept().rows.orders;
            orders.len() == count && orders.keys().all(|row| row.user == user)
        };
        harness::wait_until(SOON, &format!("{kind}: the snapshot has the user"), || are(1));
        execute(&url, "INSERT INTO orders VALUES (2, 1234567, now())");
        harness::wait_until(SOON, &format!("{kind}: the log has the user"), || are(2));
    }
}

#[test]
fn a_column_whose_ids_cannot_be_told_apart_is_refused_by_name() {
    let url = database_of("ids_refused", "CREATE EXTENSION citext");
    execute(
        &url,
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE DOMAIN tag AS citext; CREATE DOMAIN title AS text COLLATE loose;",
    );
    execute(&url, &tables("text", "text"));
    let tables = mirror::settings(&url).tables;
    for (table, column, kind, words) in [
        ("orders", "order_id", "citext", "citext"),
        ("orders", "user_id", "tag", "citext"),
        ("products", "category_id", "text COLLATE loose", "nondeterministic collation"),
        ("products", "product_id", "title", "nondeterministic collation"),
        ("order_items", "order_id", "text[]", "text[]"),
        ("order_items", "product_id", "jsonb", "jsonb"),
        ("order_items", "product_id", "interval", "interval"),
        ("orders", "user_id", "int4range", "int4range"),
    ] {
        execute(
            &url,
            &format!(
                "ALTER TABLE {table} ALTER {column} TYPE {kind} USING NULL::{}",
                kind.replace(" COLLATE loose", "")
            ),
        );
        let found = inspect(&mut connect(&url), &tables).unwrap();
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        let problem = &found[0].problem;
        assert!(problem.contains(&format!("column {column} of table {table}")) && problem.contains(words), "{problem}");
        execute(&url, &format!("ALTER TABLE {table} ALTER {column} TYPE text COLLATE \"C\" USING NULL::text"));
    }
    for (order, line) in [
        ("numeric", "text"),
        ("numeric(10,2)", "varchar"),
        ("float4", "float8"),
        ("float8", "numeric"),
        ("float8", "bigint"),
        ("timestamp", "timestamptz"),
        ("bytea", "text"),
        ("money", "numeric"),
        ("bit(3)", "bit varying(3)"),
    ] {
        execute(
            &url,
            &format!(
                "ALTER TABLE orders ALTER order_id TYPE {order} USING NULL::{order};
                 ALTER TABLE order_items ALTER order_id TYPE {line} USING NULL::{line}"
            ),
        );
        let found = inspect(&mut connect(&url), &tables).unwrap();
        assert_eq!(found.len(), 1, "{order} and {line}: {found:?}");
        let problem = &found[0].problem;
        assert!(
            problem.contains("order_id of table orders is of type") && problem.contains("differently"),
            "{problem}"
        );
    }
}

#[test]
fn a_source_says_which_column_it_refuses_and_goes_on_once_it_is_mended() {
    let url = database_of("ids_mended", "CREATE EXTENSION citext");
    execute(&url, &tables("citext", "text"));
    execute(&url, "INSERT INTO orders VALUES ('A', 'ada', now()); INSERT INTO order_items VALUES (1, 'a', 'lamp')");
    let shops = [Shop::open(&url), Shop::with(mirror::settings(&url), 1)];
    for shop in &shops {
        shop.complains(&[
            "column order_id of table orders is of type citext",
            "ALTER TABLE \"orders\" ALTER COLUMN \"order_id\"",
        ]);
    }
    let found = inspect(&mut connect(&url), &mirror::settings(&url).tables).unwrap();
    execute(&url, found[0].mend.split_once("; or").unwrap().0);
    for shop in &shops {
        shop.expect(None, &[("lamp", 1)]);
    }
}

#[test]
fn ids_in_json_keep_their_case_and_get_no_quotes() {
    for kind in ["json", "jsonb"] {
        let url = database_of(
            &format!("ids_{kind}"),
            &tables("int", "int").replace("user_id text", &format!("user_id {kind}")),
        );
        execute(&url, "INSERT INTO orders VALUES (1, '\"Ann\"', now()), (2, '7', now())");
        let tables = mirror::settings(&url).tables;
        let found = inspect(&mut connect(&url), &tables).unwrap();
        execute(&url, found[0].mend.split_once("; or").unwrap().0);
        assert_eq!(inspect(&mut connect(&url), &tables).unwrap(), []);
        let users = connect(&url).query("SELECT user_id FROM orders ORDER BY order_id", &[]).unwrap();
        let users: Vec<String> = users.iter().map(|row| row.get(0)).collect();
        assert_eq!(users, ["Ann", "7"], "{kind}");
    }
}

#[test]
fn lines_without_an_order_are_counted() {
    let url = database_of("ids_unmatched", &tables("int", "text"));
    execute(
        &url,
        "INSERT INTO orders SELECT n, n, now() FROM generate_series(1, 10) n;
         INSERT INTO order_items SELECT n, '0' || n, 'lamp' FROM generate_series(1, 10) n;
         INSERT INTO order_items VALUES (11, '1', 'lamp'), (12, NULL, 'lamp');",
    );
    let (refreshed, followed) = (Shop::with(shop::settings(&url), 1), Shop::with(mirror::settings(&url), 1));
    let counts = |shop: &Shop| shop.view().lines.map(|lines| (lines.without_order, lines.held));
    for shop in [&refreshed, &followed] {
        shop.expect(None, &[("lamp", 1)]);
        harness::wait_until(SOON, "lines are counted", || counts(shop) == Some((10, 11)));
    }
    followed.live();
    execute(
        &url,
        "UPDATE order_items SET order_id = ltrim(order_id, '0') WHERE line_id <= 4; DELETE FROM order_items WHERE line_id = 5;
         INSERT INTO order_items VALUES (13, 'none', 'chair')",
    );
    harness::wait_until(SOON, "the log's changes are counted", || counts(&followed) == Some((6, 11)));
    refreshed.expect(None, &[("lamp", 4)]);
    execute(&url, "DELETE FROM orders WHERE order_id <= 2");
    harness::wait_until(SOON, "lines that were left behind are counted", || counts(&followed) == Some((9, 11)));
    // The server is asked to count now and then.
    harness::wait_until(SOON, "the server has counted again", || counts(&refreshed) == Some((9, 11)));
}
