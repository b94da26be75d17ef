//! Orders outside of the window, which features and "buy again" count.

use dataflow::rules::DAY_MS;
use harness::postgres::execute;
use sources::postgres::Settings;

use crate::mirror::{self, Mirror, ROWS};
use crate::resuming::keeping;
use crate::running::{SOON, counting_older_orders};
use crate::shop::{Shop, TABLES, database_of, settings};

const SOLD: &str = "
    INSERT INTO products VALUES ('lamp', 'light'), ('chair', NULL);
    INSERT INTO orders VALUES ('1', 'ada', now()), ('2', 'ada', now() - interval '40 days'),
        ('3', 'ada', now() - interval '364 days'), ('4', 'ada', now() - interval '366 days');
    INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1), ('3', 'chair', 1), ('4', 'lamp', 1);";

/// The story of an old order, to the same end in every mode.
fn older_orders_count_for_features_and_buy_again_alone(settings: Settings) {
    let url = settings.url.expose().to_owned();
    let shop = Shop::by(counting_older_orders(), settings);
    shop.expect(None, &[("lamp", 1)]);
    shop.expect_bought("ada", &[("lamp", 2), ("chair", 1)]);
    assert_eq!(shop.ask(|reader| reader.late_lines()), 0, "no line of an order that is kept is late");
    // An order gets another date.
    let dated =
        |days: u64| format!("UPDATE orders SET created_at = now() - interval '{days} days' WHERE order_id = '1'");
    execute(&url, &dated(40));
    shop.expect(None, &[]);
    shop.expect_bought("ada", &[("lamp", 2), ("chair", 1)]);
    execute(&url, &dated(366));
    shop.expect_bought("ada", &[("lamp", 1), ("chair", 1)]);
    execute(&url, &dated(1));
    shop.expect(None, &[("lamp", 1)]);
    shop.expect_bought("ada", &[("lamp", 2), ("chair", 1)]);
    shop.clock.forward(2 * DAY_MS);
    shop.expect_bought("ada", &[("lamp", 2)]);
}

#[test]
fn they_count_where_the_tables_are_read_again() {
    let url = database_of("older_read", &[TABLES, SOLD].concat());
    older_orders_count_for_features_and_buy_again_alone(settings(&url));
}

#[test]
fn they_count_where_the_log_is_followed() {
    let url = mirror::database("older_log", &[TABLES, SOLD].concat());
    older_orders_count_for_features_and_buy_again_alone(mirror::settings(&url));
}

#[test]
fn orders_that_an_earlier_process_did_not_keep_are_read_when_they_are_kept_for_longer() {
    let old = "INSERT INTO orders VALUES ('old', NULL, 'eve', now() - interval '25 days');
               INSERT INTO order_items VALUES (1, 'old', 'lamp')";
    let url = mirror::database("older_resumed", &[mirror::TABLES, ROWS, old].concat());
    let shorter = || Settings { kept_ms: 20 * DAY_MS, ..keeping(&url) };
    let stop = |mirror: Mirror, orders: usize| {
        harness::wait_until(SOON, "the orders that are to be kept are there", || {
            mirror.kept().rows.orders.len() == orders
        });
        mirror.live();
        mirror.source.acknowledge(mirror.kept().position.next);
        mirror.stop()
    };
    let first = stop(Mirror::with(shorter()), 2);
    let mirror = Mirror::start(keeping(&url), Some(&first));
    mirror.agrees();
    // What a process has removed that keeps them for a shorter time is read again too.
    let longer = stop(mirror, 3);
    let shortened = stop(Mirror::start(shorter(), Some(&longer)), 2);
    Mirror::start(keeping(&url), Some(&shortened)).agrees();
}
