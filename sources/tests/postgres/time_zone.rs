//! Times that are stored without a zone are read as the server reads them in the zone of the settings, in both reading
//! modes, over clock changes and at the edge of the window.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::tables::OrderRow;
use harness::postgres::{connect, execute};
use sources::postgres::{Mode, Settings, inspect, time_zone};

use crate::mirror::{self, Mirror};
use crate::running::SOON;
use crate::shop::{self, database_of};

const DAY_MS: u64 = 24 * 3600 * 1000;

fn tables(kind: &str) -> String {
    format!(
        "CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
         CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at {kind});
         CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id));"
    )
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Settings for both ways of reading.
fn both(url: &str, zone: Option<&str>, window_ms: u64) -> [Settings; 2] {
    [mirror::settings(url), Settings { refresh: Duration::from_millis(100), ..shop::settings(url) }].map(
        |mut settings| {
            settings.tables.orders.time_zone = zone.map(str::to_owned);
            Settings { kept_ms: window_ms, ..settings }
        },
    )
}

/// The orders after a time, as the server dates them in that zone: its own conversion.
fn dated(url: &str, zone: &str, after_ms: u64) -> Vec<OrderRow> {
    let mut client = connect(url);
    client.batch_execute(&format!("SET timezone = '{zone}'")).unwrap();
    let sql = "SELECT order_id, user_id,
                      CASE WHEN created_at = 'infinity' THEN 9223372036854775807
                           ELSE floor(extract(epoch FROM created_at::timestamptz) * 1000)::bigint END AS at
               FROM orders WHERE created_at > '-infinity'";
    let dictionary = Dictionary::new(Ids::new([7; 16]));
    let rows = client.query(sql, &[]).unwrap();
    let orders = rows.iter().map(|row| {
        let at = u64::try_from(row.get::<_, i64>(2)).unwrap_or(0);
        OrderRow::counting(dictionary.order(row.get(0)), dictionary.user(row.get(1)), at)
    });
    let mut orders: Vec<OrderRow> = orders.filter(|row| row.placed.created_at() > after_ms).collect();
    orders.sort();
    orders
}

#[track_caller]
fn agree(mirrors: &[Mirror], url: &str, zone: &str, after_ms: u64) {
    let dated = dated(url, zone, after_ms);
    assert!(!dated.is_empty());
    for mirror in mirrors {
        harness::wait_until(SOON, &format!("orders are dated as in {zone}"), || {
            let held: Vec<OrderRow> = mirror.kept().rows.orders.into_keys().collect();
            held == dated
        });
    }
}

/// Local times around every change of clocks there is in these two years, and far ones.
const TIMES: &str = "
    SELECT at FROM generate_series(timestamp '2026-03-20', timestamp '2026-04-10', interval '10 minutes') AS at
    UNION ALL SELECT at FROM generate_series(timestamp '2026-10-01', timestamp '2026-11-10', interval '10 minutes') AS at
    UNION ALL SELECT at FROM generate_series(timestamp '2025-09-15', timestamp '2025-11-10', interval '17 minutes') AS at
    UNION ALL SELECT timestamp '2026-10-25 02:30:00.123456'
    UNION ALL SELECT at FROM generate_series(timestamp '2037-01-01', timestamp '2600-01-01', interval '31 days 7 hours') AS at
    UNION ALL VALUES (timestamp 'infinity'), ('-infinity'), ('0044-03-15 12:00 BC'), ('1969-12-31 23:59'), ('9999-07-01')";

#[test]
fn times_are_those_of_the_zone_over_changes_of_the_clocks() {
    for (at, zone) in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "CET"].into_iter().enumerate() {
        let url = database_of(&format!("zone_{at}"), &tables("timestamp"));
        let insert = |name: &str| {
            execute(
                &url,
                &format!(
                    "INSERT INTO orders SELECT '{name}' || row_number() OVER (), 'ada', at FROM ({TIMES}) AS times (at)"
                ),
            );
        };
        insert("before ");
        let window_ms = 700 * DAY_MS;
        let mirrors = both(&url, Some(zone), window_ms).map(Mirror::with);
        let after_ms = now_ms() - window_ms;
        agree(&mirrors, &url, zone, after_ms);
        mirrors[0].live();
        insert("after ");
        agree(&mirrors, &url, zone, after_ms);
    }
}

#[test]
fn a_window_may_begin_in_an_hour_that_comes_twice() {
    let url = database_of("zone_edge", &tables("timestamp"));
    execute(
        &url,
        "INSERT INTO orders SELECT at::text, 'ada', at
         FROM generate_series(timestamp '2026-10-25 00:09', timestamp '2026-10-25 05:09', interval '10 minutes') AS at;
         INSERT INTO order_items SELECT order_id, 'lamp' FROM orders;",
    );
    let zone = "Europe/Berlin";
    // 02:30 in summer time, and in winter time.
    for edge_s in [1_792_888_200, 1_792_891_800] {
        let window_ms = now_ms() - edge_s * 1000;
        let mirrors = both(&url, Some(zone), window_ms).map(Mirror::with);
        agree(&mirrors, &url, zone, edge_s * 1000);
        let orders = dated(&url, zone, edge_s * 1000).len();
        for mirror in &mirrors {
            assert_eq!(mirror.kept().rows.lines.len(), orders, "lines of orders in the window, and no others");
        }
    }
}

#[test]
fn dates_begin_at_midnight_of_the_zone() {
    let url = database_of("zone_date", &tables("date"));
    execute(
        &url,
        "INSERT INTO orders SELECT at::text, 'ada', at FROM generate_series(current_date - 200, current_date, '1 day') AS at;
         INSERT INTO orders VALUES ('far', 'ada', '294000-01-01'), ('farther', 'ada', '5874897-12-31'), ('old', 'ada', '0044-01-01 BC')",
    );
    let zone = "Pacific/Kiritimati";
    let window_ms = 100 * DAY_MS;
    for mirror in both(&url, Some(zone), window_ms).map(Mirror::with) {
        harness::wait_until(SOON, "days in the window", || {
            let orders = mirror.kept().rows.orders;
            let (far, near): (Vec<_>, Vec<_>) =
                orders.into_keys().partition(|row| row.placed.created_at() == i64::MAX as u64);
            // The calendar that the oracle's cast to a timestamp knows ends before them.
            execute(
                &url,
                "CREATE SCHEMA IF NOT EXISTS near; CREATE OR REPLACE VIEW near.orders AS SELECT * FROM orders WHERE order_id NOT LIKE 'far%'",
            );
            let dated = dated(&format!("{url}?options=-csearch_path%3Dnear"), zone, now_ms() - window_ms);
            far.len() == 2 && !dated.is_empty() && near == dated
        });
    }
}

#[test]
fn without_a_setting_the_zone_is_that_of_the_server() {
    let url = database_of("zone_server", &tables("timestamp"));
    execute(&url, "ALTER DATABASE zone_server SET timezone TO 'Asia/Kathmandu'");
    execute(&url, "INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'bob', now() - interval '29 days 23 hours')");
    let settings = both(&url, None, 30 * DAY_MS);
    assert_eq!(time_zone(&mut connect(&url), &settings[0].tables).unwrap().as_deref(), Some("Asia/Kathmandu"));
    let mirrors = settings.map(Mirror::with);
    agree(&mirrors, &url, "Asia/Kathmandu", now_ms() - 30 * DAY_MS);
    mirrors[0].live();
    execute(&url, "INSERT INTO orders VALUES ('3', 'eve', now())");
    agree(&mirrors, &url, "Asia/Kathmandu", now_ms() - 30 * DAY_MS);
}

#[test]
fn a_zone_that_the_server_does_not_know_is_named() {
    let url = database_of("zone_unknown", &tables("timestamp"));
    for settings in both(&url, Some("Europe/Nowhere"), DAY_MS) {
        let found = inspect(&mut connect(&url), &settings.tables).unwrap();
        assert!(found[0].problem.contains("knows no time zone Europe/Nowhere"), "{found:?}");
        Mirror::with(settings).complains(&["no time zone Europe/Nowhere", "[postgres] time_zone"]);
    }
    // Where no time needs a zone, none is looked for.
    execute(&url, "ALTER TABLE orders ALTER created_at TYPE timestamptz");
    for settings in both(&url, Some("Europe/Nowhere"), DAY_MS) {
        assert!(settings.mode != Mode::Auto && inspect(&mut connect(&url), &settings.tables).unwrap().is_empty());
        Mirror::with(settings).live();
    }
}

#[test]
fn another_zone_has_the_orders_read_anew() {
    let url = database_of("zone_changed", &tables("timestamp"));
    execute(&url, "INSERT INTO orders SELECT n, 'ada', now() - n * interval '1 hour' FROM generate_series(1, 20) n");
    let settings = |zone| {
        let [followed, _] = both(&url, Some(zone), 30 * DAY_MS);
        followed
    };
    let after_ms = now_ms() - 30 * DAY_MS;
    let mirrors = [Mirror::with(settings("Asia/Tokyo"))];
    agree(&mirrors, &url, "Asia/Tokyo", after_ms);
    let [mirror] = mirrors;
    mirror.live();
    let kept = mirror.stop();
    let mirrors = [Mirror::start(settings("America/Lima"), Some(&kept))];
    agree(&mirrors, &url, "America/Lima", after_ms);
    mirrors[0].live();
}
