//! A row that cannot be read is refused with its place, and all other rows count: in a snapshot, in the log, at each
//! refresh and in a replay.

use std::sync::{Arc, Mutex};

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::rules::Rules;
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock as _;
use events::DeadLetter;
use harness::postgres::{connect, execute};
use sources::postgres::{Settings, Tables, inspect, range};
use sources::replay::{LetterHandler, ReplayBounds};

use crate::mirror;
use crate::running::{Clock, SOON};
use crate::shop::{self, Shop, database_of};

const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz, note text);
    CREATE TABLE order_items (order_id text, product_id text, quantity int, PRIMARY KEY (order_id, product_id));";

/// A database that keeps text in that encoding.
fn encoded(name: &str, encoding: &str, sql: &str) -> String {
    let url = database_of(&format!("{name}_maker"), "");
    let make = format!("CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    execute(&url, &make);
    let url = url.replace(&format!("{name}_maker"), name);
    execute(&url, sql);
    url
}

/// One shop for each way of reading.
fn both(url: &str) -> [Shop; 2] {
    [Shop::with(shop::settings(url), 1), Shop::with(mirror::settings(url), 1)]
}

#[track_caller]
fn letter(shop: &Shop, table: &str, reason: &str, words: &[&str]) -> DeadLetter {
    let letter = shop.letters.recv_timeout(SOON).expect("a letter");
    let payload = String::from_utf8(letter.payload.clone()).unwrap();
    assert_eq!((letter.stream.as_str(), letter.reason), (table, reason), "{} {payload}", letter.detail);
    for word in words {
        assert!(payload.contains(word) || letter.detail.contains(word), "{word}: {} {payload}", letter.detail);
    }
    letter
}

/// What a replay finds: the number of rows, and the reasons for which others were refused.
fn replayed(settings: Settings) -> (u64, Vec<&'static str>) {
    let now = Clock::default().now();
    let asked = ReplayBounds { from: now, until: now + 1000, kept_ms: Rules::default().window_ms };
    let letters = Arc::new(Mutex::new(Vec::new()));
    let refused: LetterHandler = {
        let letters = letters.clone();
        Arc::new(move |letter: DeadLetter| letters.lock().unwrap().push(letter.reason))
    };
    let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
    let status = SourceRegistry::default();
    range::read(settings, asked, &dictionary, &status, &refused).unwrap();
    let letters = letters.lock().unwrap().clone();
    (status.snapshot().pop().unwrap().accepted, letters)
}

#[test]
fn bytes_that_are_no_text_refuse_their_row_alone() {
    let url = encoded("bad_bytes", "SQL_ASCII", TABLES);
    execute(
        &url,
        "INSERT INTO orders VALUES ('1', 'ada', now()), (E'caf\\xe9', 'bob', now()), ('é', 'eve', now());
         INSERT INTO order_items VALUES ('1', 'lamp'), (E'caf\\xe9', 'lamp'), ('é', 'lamp'), ('é', E'\\xff');
         INSERT INTO products VALUES ('lamp', 'light'), ('chair', E'se\\xe4t');
         CREATE TYPE shelf AS ENUM ('light', E'se\\xe4t');
         ALTER TABLE products ALTER category_id TYPE shelf USING category_id::shelf;
         DO $$ BEGIN EXECUTE 'ALTER TABLE orders ADD COLUMN \"' || E'n\\xf6te' || '\" text'; END $$;",
    );
    let shops = both(&url);
    for shop in &shops {
        shop.expect(None, &[("lamp", 2)]);
        shop.expect(Some("light"), &[("lamp", 2)]);
        letter(shop, "products", "not_utf8", &["category_id", "chair", "se\\\\xe4t"]);
        letter(shop, "orders", "not_utf8", &["order_id", "caf\\\\xe9"]);
        letter(shop, "order_items", "not_utf8", &["order_id", "caf\\\\xe9"]);
        letter(shop, "order_items", "not_utf8", &["product_id", "\\\\xff"]);
        shop.live();
    }
    assert_eq!(replayed(mirror::settings(&url)), (5, vec!["not_utf8"; 4]));
    // Through the log: in one transaction with a good row, in a column that is not used, and gone again.
    execute(
        &url,
        "BEGIN; INSERT INTO orders VALUES (E'\\xe9', 'tom', now(), NULL), ('2', 'tom', now(), E'\\xe9');
         INSERT INTO order_items VALUES ('2', 'lamp'), (E'\\xe9', 'chair'); COMMIT",
    );
    for shop in &shops {
        shop.expect(None, &[("lamp", 3)]);
        letter(shop, "orders", "not_utf8", &["order_id", "\\\\xe9"]);
        letter(shop, "order_items", "not_utf8", &["order_id", "\\\\xe9"]);
    }
    execute(
        &url,
        "UPDATE order_items SET order_id = '1' WHERE product_id = 'chair'; DELETE FROM orders WHERE order_id = E'\\xe9'",
    );
    for shop in &shops {
        shop.expect(None, &[("lamp", 3), ("chair", 1)]);
        shop.live();
        assert!(shop.letters.try_recv().is_err(), "nothing else was refused");
    }
}

#[test]
fn text_in_other_encodings_is_what_the_server_says_it_is() {
    for (encoding, text) in [
        ("LATIN1", "café"),
        ("LATIN9", "caf€"),
        ("WIN1252", "œuf €"),
        ("WIN1251", "лампа"),
        ("KOI8R", "лампа"),
        ("EUC_JP", "電気"),
        ("EUC_TW", "電氣"),
        ("UTF8", "電気"),
    ] {
        let url = encoded(&format!("bad_{}", encoding.to_lowercase()), encoding, TABLES);
        // The server converts what the client writes.
        execute(
            &url,
            &format!(
                "INSERT INTO orders VALUES ('{text}', 'ada', now()); INSERT INTO order_items VALUES ('{text}', '{text} 1');
                 INSERT INTO products VALUES ('{text} 1', '{text}')"
            ),
        );
        let shops = both(&url);
        for shop in &shops {
            shop.expect(Some(text), &[(&format!("{text} 1"), 1)]);
            shop.live();
        }
        execute(
            &url,
            &format!(
                "INSERT INTO order_items VALUES ('{text}', '{text} 2'); INSERT INTO products VALUES ('{text} 2', '{text}')"
            ),
        );
        for shop in &shops {
            shop.expect(Some(text), &[(&format!("{text} 1"), 1), (&format!("{text} 2"), 1)]);
        }
    }
}

#[test]
fn names_are_in_the_encoding_of_the_database_too() {
    for encoding in ["LATIN1", "WIN1252", "EUC_JP"] {
        let name = if encoding == "EUC_JP" { "品物" } else { "größe" };
        let tables = TABLES.replace("order_id text, product_id text, q", &format!("order_id text, \"{name}\" text, q"));
        let tables =
            tables.replace("PRIMARY KEY (order_id, product_id)", &format!("PRIMARY KEY (order_id, \"{name}\")"));
        let url = encoded(&format!("bad_names_{}", encoding.to_lowercase()), encoding, &tables);
        execute(&url, "INSERT INTO orders VALUES ('1', 'ada', now()); INSERT INTO order_items VALUES ('1', 'lamp')");
        let shops = [shop::settings(&url), mirror::settings(&url)].map(|mut settings| {
            settings.tables.order_items.product_id = name.to_owned();
            Shop::with(settings, 1)
        });
        for shop in &shops {
            shop.expect(None, &[("lamp", 1)]);
            shop.live();
        }
        execute(&url, &format!("UPDATE order_items SET \"{name}\" = 'chair'"));
        shops.iter().for_each(|shop| shop.expect(None, &[("chair", 1)]));
    }
}

#[test]
fn a_character_without_an_equivalent_refuses_its_row_alone() {
    let url = encoded("bad_character", "WIN1252", TABLES);
    execute(
        &url,
        "INSERT INTO orders VALUES ('1', 'ada', now()), (E'\\x81', 'bob', now());
         INSERT INTO order_items VALUES ('1', 'lamp'), (E'\\x81', 'lamp')",
    );
    let shops = both(&url);
    for shop in &shops {
        shop.expect(None, &[("lamp", 1)]);
        letter(shop, "orders", "not_utf8", &["order_id", "\\\\x81"]);
        letter(shop, "order_items", "not_utf8", &["order_id"]);
        shop.live();
    }
    execute(
        &url,
        "INSERT INTO orders VALUES (E'2\\x81', 'tom', now()), ('2', 'tom', now()); INSERT INTO order_items VALUES ('2', 'lamp')",
    );
    for shop in &shops {
        shop.expect(None, &[("lamp", 2)]);
        letter(shop, "orders", "not_utf8", &["2\\\\x81"]);
    }
}

#[test]
fn numbers_beyond_all_bounds_are_no_fault_of_the_table() {
    let url = database_of("bad_numbers", &TABLES.replace("timestamptz", "bigint"));
    let insert = |from: usize| {
        let now = "extract(epoch FROM now())";
        for (at, time) in ["9223372036854775807", "-9223372036854775808", "-1", "0", now].into_iter().enumerate() {
            let order = from + at;
            execute(
                &url,
                &format!(
                    "INSERT INTO orders VALUES ('{order}', '{order}', {time}); INSERT INTO order_items VALUES ('{order}', 'lamp')"
                ),
            );
        }
    };
    insert(0);
    let shops = both(&url);
    shops.iter().for_each(|shop| {
        shop.expect(None, &[("lamp", 1)]);
        shop.live();
    });
    insert(10);
    shops.iter().for_each(|shop| shop.expect(None, &[("lamp", 2)]));
    assert_eq!(replayed(mirror::settings(&url)).1, Vec::<&str>::new());
}

#[test]
fn a_time_that_is_no_whole_number_is_refused_with_the_type_that_is_read() {
    for kind in ["float8", "float4", "numeric"] {
        let url = database_of(&format!("bad_time_{kind}"), &TABLES.replace("timestamptz", kind));
        let found = inspect(&mut connect(&url), &Tables::default()).unwrap();
        assert!(found[0].problem.ends_with("which is no time"), "{found:?}");
        let mend = found[0].mend.split(" or ").next().unwrap();
        assert_eq!(mend, "ALTER TABLE \"orders\" ALTER COLUMN \"created_at\" TYPE bigint;");
        execute(&url, mend);
        assert!(inspect(&mut connect(&url), &Tables::default()).unwrap().is_empty());
    }
}

/// Damages the first large value that the table stores apart.
fn damage(url: &str, table: &str) {
    let mut client = connect(url);
    let apart: String = client
        .query_one("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = to_regclass($1)", &[&table])
        .unwrap()
        .get(0);
    let place: String = client.query_one(&format!("SELECT min(ctid)::text FROM {apart}"), &[]).unwrap().get(0);
    client.batch_execute(&format!("SELECT heap_force_kill('{apart}'::regclass, ARRAY['{place}'::tid])")).unwrap();
}

#[test]
fn a_damaged_value_refuses_its_row_alone() {
    let url = database_of("bad_toast", "CREATE EXTENSION pg_surgery");
    execute(&url, TABLES);
    execute(
        &url,
        "ALTER TABLE orders ALTER user_id SET STORAGE EXTERNAL; ALTER TABLE products ALTER category_id SET STORAGE EXTERNAL;
         INSERT INTO orders SELECT n, CASE n WHEN 777 THEN repeat('x', 9000) ELSE n::text END, now() FROM generate_series(1, 2000) n;
         INSERT INTO order_items SELECT n, 'lamp' FROM generate_series(1, 2000) n;
         INSERT INTO products SELECT 'product ' || n, 'all' FROM generate_series(1, 500) n;
         INSERT INTO products VALUES ('lamp', 'light'), ('broken', repeat('y', 9000)), ('chair', 'seat')",
    );
    damage(&url, "orders");
    damage(&url, "products");
    let shops = both(&url);
    for shop in &shops {
        shop.expect(None, &[("lamp", 1999)]);
        shop.expect(Some("light"), &[("lamp", 1999)]);
        // One is found after the other; both are told again by the reading that goes through.
        letter(shop, "products", "unreadable_row", &["broken", "ctid", "chunk number"]);
        letter(shop, "orders", "unreadable_row", &["777", "ctid", "chunk number"]);
        shop.live();
    }
    assert_eq!(replayed(mirror::settings(&url)), (502 + 1999 + 2000, vec!["unreadable_row"; 2]));
    execute(&url, "INSERT INTO orders VALUES ('new', 'ada', now()); INSERT INTO order_items VALUES ('new', 'lamp')");
    shops.iter().for_each(|shop| shop.expect(None, &[("lamp", 2000)]));
    // Repaired, the row counts.
    execute(&url, "UPDATE orders SET user_id = 'eve' WHERE order_id = '777'");
    for shop in &shops {
        shop.expect(None, &[("lamp", 2001)]);
        shop.live();
        assert!(shop.letters.try_recv().is_err(), "a row is refused once");
    }
}

#[test]
fn a_label_that_its_enum_has_lost_refuses_its_row_alone() {
    let url = database_of(
        "bad_enum",
        "CREATE TYPE shelf AS ENUM ('light', 'seat');
         CREATE TABLE products (product_id text, category_id shelf, note text) PARTITION BY HASH (product_id);
         CREATE TABLE products_0 PARTITION OF products FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE products_1 PARTITION OF products FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
         CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id));
         INSERT INTO products SELECT 'lamp ' || n, 'light' FROM generate_series(1, 50) n;
         INSERT INTO products VALUES ('chair', 'seat'), ('stool', 'seat');
         INSERT INTO orders VALUES ('1', 'ada', now()); INSERT INTO order_items VALUES ('1', 'lamp 7'), ('1', 'chair');
         SET allow_system_table_mods = on; DELETE FROM pg_enum WHERE enumlabel = 'seat'",
    );
    let shop = Shop::open(&url);
    shop.expect(Some("light"), &[("lamp 7", 1)]);
    shop.expect(None, &[("chair", 1), ("lamp 7", 1)]);
    let mut told = [(); 2].map(|()| {
        let payload = letter(&shop, "products", "unreadable_row", &["enum", "ctid"]).payload;
        serde_json::from_slice::<serde_json::Value>(&payload).unwrap()["product_id"].to_string()
    });
    told.sort();
    assert_eq!(told, ["\"chair\"", "\"stool\""]);
    execute(&url, "INSERT INTO products VALUES ('candle', 'light'); INSERT INTO order_items VALUES ('1', 'candle')");
    shop.expect(Some("light"), &[("candle", 1), ("lamp 7", 1)]);
    assert!(shop.letters.try_recv().is_err(), "a row is refused once");
}

#[test]
fn a_row_at_which_the_log_ends_is_refused_and_the_log_is_followed() {
    let url = database_of(
        "bad_log",
        "CREATE TYPE shelf AS ENUM ('light', 'seat');
         CREATE TABLE products (product_id text PRIMARY KEY, category_id shelf, note text);
         CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
         CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id));
         INSERT INTO products VALUES ('lamp', 'light'), ('chair', 'seat');
         INSERT INTO orders VALUES ('1', 'ada', now()); INSERT INTO order_items VALUES ('1', 'lamp'), ('1', 'chair')",
    );
    let shop = Shop::with(mirror::settings(&url), 1);
    shop.expect(Some("seat"), &[("chair", 1)]);
    shop.live();
    // The row changes in a column that is not used, and the log has all of it.
    execute(
        &url,
        "SET allow_system_table_mods = on; DELETE FROM pg_enum WHERE enumlabel = 'seat';
         UPDATE products SET note = 'new' WHERE product_id = 'chair';
         INSERT INTO products VALUES ('candle', 'light'); INSERT INTO order_items VALUES ('1', 'candle')",
    );
    shop.expect(Some("light"), &[("candle", 1), ("lamp", 1)]);
    shop.expect(Some("seat"), &[]);
    letter(&shop, "products", "unreadable_row", &["chair", "enum"]);
    shop.live();
    execute(&url, "INSERT INTO products VALUES ('torch', 'light'); INSERT INTO order_items VALUES ('1', 'torch')");
    shop.expect(Some("light"), &[("candle", 1), ("lamp", 1), ("torch", 1)]);
}
