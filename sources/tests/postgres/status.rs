//! Orders count by their status: an order leaves the lists in the tick of the transaction that changes it, and comes
//! back with all of its lines, whether the log is followed or the tables are read again, and across restarts.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::replay::ReplaySource as _;
use dataflow::rules::Rules;
use dataflow::source_status::SourceRegistry;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::Orders;
use dataflow::time::ServiceClock as _;
use harness::postgres::execute;
use sources::postgres::{Acknowledge, Mode, Settings, Status, Tables, range};
use sources::replay::{LetterHandler, ReplayBounds};

use crate::mirror::{self, Mirror};
use crate::running::{Clock, Running, SOON};
use crate::shop::{Shop, TABLES, database, settings};

/// A type of the column, two values that count, one that does not.
const KINDS: [(&str, &str, [&str; 3]); 5] = [
    ("text", "text", ["paid", "on its way", "cancelled"]),
    ("enum", "state", ["paid", "on its way", "cancelled"]),
    ("char", "char(12)", ["paid", "on its way", "cancelled"]),
    ("int", "smallint", ["3", "4", "-1"]),
    ("bool", "boolean", ["true", "true", "false"]),
];

const STATE: &str = "CREATE TYPE state AS ENUM ('open', 'paid', 'on its way', 'cancelled');";

/// Counting with these values of the column `state`.
fn tables(counting: &[&str]) -> Tables {
    let counting = counting.iter().map(|value| (*value).to_owned()).collect();
    let status = Some(Status { column: "state".into(), counting });
    let mut tables = Tables::default();
    tables.orders.status = status;
    tables
}

/// The tables with a status of that type, and orders: two that count, one that does not, one without a status.
fn rows(kind: &str, [paid, sent, cancelled]: [&str; 3]) -> String {
    let orders = TABLES.replace("created_at timestamptz)", &format!("created_at timestamptz, state {kind})"));
    format!(
        "{STATE} {orders}
         INSERT INTO orders VALUES ('1', 'ada', now(), '{paid}'), ('2', 'bob', now(), '{sent}'),
                                   ('3', 'eve', now(), '{cancelled}'), ('4', 'zoe', now(), NULL);
         INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1), ('2', 'chair', 1), ('3', 'lamp', 1),
                                        ('4', 'stool', 1);"
    )
}

/// The story of their statuses, to the same end in every mode.
fn orders_go_and_come(shop: &Running, url: &str, [paid, sent, cancelled]: [&str; 3]) {
    shop.expect(None, &[("lamp", 2), ("chair", 1)]);
    execute(url, &format!("UPDATE orders SET state = '{cancelled}' WHERE order_id = '2'"));
    shop.expect(None, &[("lamp", 1)]);
    // What happens to the lines of an order that does not count shows when it does.
    execute(
        url,
        "INSERT INTO order_items VALUES ('2', 'stool', 1); DELETE FROM order_items WHERE product_id = 'chair'",
    );
    execute(url, &format!("UPDATE orders SET state = '{paid}' WHERE order_id = '2'"));
    shop.expect(None, &[("lamp", 2), ("stool", 1)]);
    execute(url, &format!("UPDATE orders SET state = '{sent}' WHERE order_id IN ('3', '4')"));
    shop.expect(None, &[("lamp", 3), ("stool", 2)]);
    execute(url, "UPDATE orders SET state = NULL");
    shop.expect(None, &[]);
    // The last status of a transaction is the one that counts; a new order and its lines may come before it.
    execute(
        url,
        &format!(
            "BEGIN; UPDATE orders SET state = '{paid}'; UPDATE orders SET state = '{cancelled}' WHERE order_id <> '1';
             INSERT INTO orders VALUES ('5', 'kim', now(), '{cancelled}'); INSERT INTO order_items VALUES ('5', 'chair', 1);
             COMMIT"
        ),
    );
    shop.expect(None, &[("lamp", 1)]);
    execute(url, &format!("UPDATE orders SET state = '{sent}', user_id = 'max', order_id = '6' WHERE order_id = '5'"));
    execute(url, "UPDATE order_items SET order_id = '6' WHERE order_id = '5'");
    shop.expect(None, &[("chair", 1), ("lamp", 1)]);
    execute(url, &format!("UPDATE orders SET state = '{cancelled}'"));
    shop.expect(None, &[]);
    execute(url, &format!("UPDATE orders SET state = '{paid}'"));
    shop.expect(None, &[("lamp", 3), ("stool", 2), ("chair", 1)]);
}

#[test]
fn the_status_is_followed_whatever_its_type() {
    for (name, kind, values) in KINDS {
        let url = mirror::database(&format!("status_{name}"), &rows(kind, values));
        let settings = Settings { tables: tables(&values[..2]), ..mirror::settings(&url) };
        let shop = Shop::with(settings, 2);
        orders_go_and_come(&shop, &url, values);
        assert!(shop.view().rejected.is_empty());
    }
}

#[test]
fn the_status_is_read_again_whatever_its_type() {
    for (name, kind, values) in KINDS {
        let url = database(&format!("status_refresh_{name}"));
        execute(&url, &rows(kind, values));
        let shop = Shop::with(Settings { tables: tables(&values[..2]), ..settings(&url) }, 1);
        orders_go_and_come(&shop, &url, values);
    }
}

#[test]
fn a_change_of_many_orders_is_one_tick() {
    let url = mirror::database("status_tick", &rows("text", KINDS[0].2));
    execute(
        &url,
        "INSERT INTO orders SELECT n, n, now(), 'paid' FROM generate_series(10, 20009) n;
         INSERT INTO order_items SELECT n, 'table', 1 FROM generate_series(10, 20009) n;",
    );
    let shop = Shop::with(Settings { tables: tables(&["paid"]), ..mirror::settings(&url) }, 2);
    let buyers =
        || shop.best_sellers(None).into_iter().find(|(product, _)| product == "table").map(|(_, buyers)| buyers);
    harness::wait_until(SOON, "the orders count", || buyers() == Some(20_000));
    for (status, wanted) in [("cancelled", None), ("paid", Some(20_000)), ("returned", None)] {
        let before = buyers();
        execute(&url, &format!("UPDATE orders SET state = '{status}' WHERE user_id ~ '^[0-9]'"));
        harness::wait_until(SOON, "the orders have another status", || {
            let now = buyers();
            assert!(now == before || now == wanted, "part of a transaction shows: {now:?}");
            now == wanted
        });
    }
}

#[test]
fn a_status_column_that_is_not_there_is_named() {
    let url = mirror::database("status_missing", TABLES);
    let shop = Shop::with(Settings { tables: tables(&["paid"]), ..mirror::settings(&url) }, 1);
    shop.complains(&["table orders has no column state", "[postgres.tables.orders] status", "ADD COLUMN \"state\""]);
    execute(
        &url,
        "ALTER TABLE orders ADD COLUMN state text; INSERT INTO orders VALUES ('1', 'ada', now(), 'paid');
                   INSERT INTO order_items VALUES ('1', 'lamp', 1)",
    );
    shop.expect(None, &[("lamp", 1)]);
    // Without it the orders stop alone, and go on when it is back.
    execute(&url, "ALTER TABLE orders DROP COLUMN state CASCADE; INSERT INTO products VALUES ('lamp', 'light')");
    shop.complains(&["table orders has no column state", "the other tables are followed"]);
    shop.expect(Some("light"), &[("lamp", 1)]);
    execute(&url, "ALTER TABLE orders ADD COLUMN state text");
    shop.expect(None, &[]);
    execute(&url, "UPDATE orders SET state = 'paid'");
    shop.expect(None, &[("lamp", 1)]);
}

#[test]
fn a_later_process_knows_the_orders_that_do_not_count_and_their_lines() {
    let url = mirror::database("status_resumed", &rows("text", KINDS[0].2));
    let keeping = |counting: &[&str], mode| Settings {
        acknowledge: Acknowledge::AfterCheckpoint,
        tables: tables(counting),
        mode,
        ..mirror::settings(&url)
    };
    let counts = |mirror: &Mirror, buyers: u64| {
        mirror.live();
        harness::wait_until(SOON, &format!("{buyers} buyers"), || mirror.buyers() == buyers);
    };
    let mirror = Mirror::with(keeping(&["paid"], Mode::Replication));
    counts(&mirror, 1);
    let kept = mirror.stop();
    // Changed while it runs again, and while it does not.
    let mirror = Mirror::start(keeping(&["paid"], Mode::Replication), Some(&kept));
    counts(&mirror, 1);
    execute(&url, "UPDATE orders SET state = 'paid' WHERE order_id = '2'");
    counts(&mirror, 3);
    // The row that went and the one that came: nothing was read anew.
    assert_eq!(mirror.view().accepted, 2);
    let kept = mirror.stop();
    execute(
        &url,
        "UPDATE orders SET state = 'paid' WHERE order_id = '3'; UPDATE orders SET state = 'x' WHERE order_id = '1'",
    );
    let mirror = Mirror::start(keeping(&["paid"], Mode::Replication), Some(&kept));
    counts(&mirror, 3);
    assert_eq!(mirror.view().accepted, 4);
    let kept = mirror.stop();
    // Other values count now: the rows are read anew, and the difference shows.
    let mirror = Mirror::start(keeping(&["x", "paid"], Mode::Replication), Some(&kept));
    counts(&mirror, 4);
    let kept = mirror.stop();
    let mirror = Mirror::start(keeping(&["x"], Mode::Refresh), Some(&kept));
    counts(&mirror, 1);
    let kept = mirror.stop();
    // And all of them again.
    let settings = Settings { tables: Tables::default(), ..keeping(&["x"], Mode::Replication) };
    let mirror = Mirror::start(settings, Some(&kept));
    counts(&mirror, 5);
}

#[test]
fn a_replay_knows_the_orders_that_do_not_count() {
    let url = mirror::database("status_replay", &rows("text", KINDS[0].2));
    let settings = Settings { tables: tables(&["paid", "on its way"]), ..mirror::settings(&url) };
    let (now, rules) = (Clock::default().now(), Rules::default());
    let bounds = ReplayBounds { from: now, until: now + 1000, kept_ms: rules.window_ms };
    let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
    let refused: LetterHandler = Arc::new(|letter| panic!("{letter:?}"));
    let found = range::read(settings, bounds, &dictionary, &SourceRegistry::default(), &refused).unwrap();
    let mut graph = SteppedGraph::new(rules, dictionary.clone(), 300);
    graph.keep_log(100);
    found.into_replay_source(bounds).feed(graph.inputs(), bounds.until, 100).unwrap();
    let log = graph.take_log().unwrap();
    let mut counts: Vec<_> =
        log.of::<Orders>().iter().map(|((order, (_, placed)), ..)| (*order, placed.counts())).collect();
    let expected = [("1", true), ("2", true), ("3", false), ("4", false)];
    let mut expected = expected.map(|(order, counts)| (dictionary.order(order), counts));
    counts.sort_unstable();
    expected.sort_unstable();
    assert_eq!(counts, expected);
}
