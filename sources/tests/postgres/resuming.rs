//! A later process continues where an earlier process stopped: it reads each change exactly once, or reads the tables
//! again and applies the difference.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataflow::source_status::State;
use harness::postgres::{Server, connect, execute};
use sources::postgres::{Acknowledge, Mode, OrderTime, Settings};

use crate::log_faults::cut_off;
use crate::mirror::{Kept, Mirror, ROWS, TABLES, confirmed, database, end, hears, settings};
use crate::running::SOON;

const MINUTE_MS: u64 = 60 * 1000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Settings of a process whose rows are kept.
pub(crate) fn keeping(url: &str) -> Settings {
    Settings { acknowledge: Acknowledge::AfterCheckpoint, ..settings(url) }
}

/// A process that has followed the log for a while and is gone.
pub(crate) fn earlier(url: &str) -> Kept {
    let mirror = Mirror::with(keeping(url));
    mirror.agrees();
    mirror.live();
    mirror.follows(
        "INSERT INTO orders VALUES ('3', NULL, 'eve', now()); INSERT INTO order_items VALUES (1, '3', 'lamp')",
    );
    let kept = mirror.kept();
    mirror.source.acknowledge(kept.position.next);
    mirror.stop()
}

pub(crate) const MEANWHILE: &str = "
    INSERT INTO orders VALUES ('4', NULL, 'eve', now()); INSERT INTO order_items VALUES (1, '4', 'lamp');
    UPDATE orders SET order_id = '33' WHERE order_id = '3'; DELETE FROM order_items WHERE order_id = '1';
    UPDATE products SET category_id = 'house' WHERE product_id = 'lamp'";

/// Changes of one table alone.
const MEANWHILE_ORDERS: &str = "
    INSERT INTO orders (order_id, user_id, created_at) VALUES ('4', 'eve', now());
    UPDATE orders SET user_id = 'zoe' WHERE order_id <> '3'; DELETE FROM orders WHERE order_id = '3'";

#[test]
fn what_happened_meanwhile_comes_once() {
    let url = database("resume_once", &[TABLES, ROWS].concat());
    let kept = earlier(&url);
    execute(&url, MEANWHILE);
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
    // One row for each of the first two statements, two for each of the others: nothing was read anew.
    assert_eq!(mirror.view().accepted, 1 + 1 + 2 + 2 + 2);
    assert!(mirror.kept().position.next > kept.position.next);
    assert_eq!(mirror.kept().position.fingerprint, kept.position.fingerprint);
}

#[test]
fn rows_of_an_older_moment_are_gone_on_from_too() {
    let url = database("resume_older", &[TABLES, ROWS].concat());
    let mirror = Mirror::with(keeping(&url));
    mirror.agrees();
    let kept = mirror.kept();
    mirror.follows(MEANWHILE);
    drop(mirror);
    // What was fed after the rows were kept is fed again: the server was not told to forget it.
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
}

#[test]
fn an_order_of_the_future_is_not_forgotten() {
    let url = database("resume_future", &[TABLES, ROWS].concat());
    execute(
        &url,
        "INSERT INTO orders VALUES ('read', NULL, 'eve', now() + interval '1 hour');
         INSERT INTO order_items VALUES (1, 'read', 'lamp')",
    );
    let mirror = Mirror::with(keeping(&url));
    mirror.live();
    mirror.follows(
        "INSERT INTO orders VALUES ('followed', NULL, 'eve', now() + interval '2 hours');
         INSERT INTO order_items VALUES (1, 'followed', 'chair')",
    );
    let kept = mirror.kept();
    mirror.source.acknowledge(kept.position.next);
    drop(mirror);
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.live();
    assert_eq!(mirror.buyers(), 3, "those of the first rows");
    mirror.clock.forward(56 * MINUTE_MS);
    harness::wait_until(SOON, "the order that was read counts", || mirror.buyers() == 4);
    mirror.clock.forward(HOUR_MS);
    harness::wait_until(SOON, "the order that was followed counts", || mirror.buyers() == 5);
    assert_eq!(mirror.view().accepted, 0, "nothing was read anew");
}

#[test]
fn a_slot_that_was_moved_on_is_no_loss() {
    let url = database("resume_moved", &[TABLES, ROWS].concat());
    let kept = earlier(&url);
    execute(&url, MEANWHILE);
    execute(&url, "SELECT pg_replication_slot_advance('resume_moved', pg_current_wal_lsn())");
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
    // A difference, not all of it again: six rows went or came, and the order's new key.
    assert_eq!(mirror.view().accepted, 1 + 1 + 2 + 2 + 2);
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
}

#[test]
fn a_slot_that_is_gone_is_no_loss() {
    let url = database("resume_gone", &[TABLES, ROWS].concat());
    let kept = earlier(&url);
    execute(&url, MEANWHILE);
    // The server takes a moment to notice that its reader has gone.
    cut_off(&mut connect(&url), "resume_gone");
    execute(&url, "SELECT pg_drop_replication_slot('resume_gone')");
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
    let mut client = connect(&url);
    let made = confirmed(&mut client, "resume_gone");
    // An old checkpoint's place does not move the new slot back.
    mirror.source.acknowledge(kept.position.next);
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
    assert_eq!(confirmed(&mut client, "resume_gone"), made);
}

/// What the server was not to publish is in no log, however the publication is now.
#[test]
fn a_publication_that_was_altered_is_no_loss() {
    let alterations = [
        ("table", "ALTER PUBLICATION vitrine DROP TABLE orders"),
        ("column", "ALTER TABLE orders DROP COLUMN user_id CASCADE; ALTER TABLE orders ADD COLUMN user_id text"),
    ];
    for mode in [Mode::Auto, Mode::Replication] {
        for (what, sql) in alterations {
            let url = database(&format!("resume_altered_{what}_{mode:?}").to_lowercase(), &[TABLES, ROWS].concat());
            let kept = earlier(&url);
            execute(&url, sql);
            execute(&url, MEANWHILE_ORDERS);
            let mirror = Mirror::start(Settings { mode, ..keeping(&url) }, Some(&kept));
            mirror.agrees();
            mirror.live();
            mirror.follows("UPDATE orders SET user_id = 'zoe'");
            assert!(mirror.kept().position.fingerprint.is_some(), "the log is followed");
        }
    }
}

/// Whatever else keeps the log from being gone on from: what can be read is read, and followed.
#[test]
fn a_table_that_is_broken_at_the_start_stops_alone() {
    let url = database("resume_broken", &[TABLES, ROWS].concat());
    let mut kept = earlier(&url);
    execute(&url, "ALTER TABLE products DROP COLUMN category_id CASCADE; ALTER PUBLICATION vitrine DROP TABLE orders");
    execute(&url, MEANWHILE_ORDERS);
    // From a place, and as after a checkpoint that was taken while the table was broken.
    for (process, place) in [(5, kept.position.next), (6, 0)] {
        kept.position.next = place;
        let mirror = Mirror::start(keeping(&url), Some(&kept));
        mirror.complains(&["table products has no column category_id", "the other tables are followed"]);
        execute(
            &url,
            &format!("INSERT INTO orders (order_id, user_id, created_at) VALUES ('{process}', 'eve', now())"),
        );
        harness::wait_until(SOON, "the others are followed", || {
            let (kept, tables) = (mirror.kept(), mirror.tables_but_products());
            kept.rows.orders == tables.orders && kept.rows.lines == tables.lines && kept.rows.catalogue.len() == 4
        });
        assert_eq!(mirror.kept().position.next, 0, "a restart reads everything anew");
        drop(mirror);
    }
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.complains(&["the other tables are followed"]);
    mirror.follows_products_again();
}

/// Lines are read with the orders they belong to.
#[test]
fn orders_that_are_broken_at_the_start_stop_their_lines_too() {
    let url = database("resume_orders", &[TABLES, ROWS].concat());
    let mut kept = earlier(&url);
    kept.position.next = 0;
    execute(&url, "ALTER TABLE orders RENAME COLUMN user_id TO customer; DELETE FROM order_items WHERE order_id = '1'");
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.complains(&["table orders has no column user_id", "table order_items is read with the orders"]);
    execute(&url, "UPDATE products SET category_id = 'house'");
    harness::wait_until(SOON, "the catalogue is followed", || {
        let rows = mirror.kept().rows;
        assert_eq!((rows.orders, rows.lines), (kept.rows.orders.clone(), kept.rows.lines.clone()));
        let categories: std::collections::BTreeSet<_> = rows.catalogue.keys().map(|row| row.category).collect();
        rows.catalogue.len() == 4 && categories.len() == 1
    });
    execute(&url, "ALTER TABLE orders RENAME COLUMN customer TO user_id");
    mirror.agrees();
    mirror.live();
    mirror.follows("DELETE FROM order_items WHERE order_id = '2'");
}

#[test]
fn a_slot_that_the_server_has_given_up_is_no_loss() {
    let server = Server::start();
    let url = server.create_database("resume_lost");
    execute(&url, &[TABLES, ROWS].concat());
    let kept = earlier(&url);
    execute(&url, MEANWHILE);
    execute(&url, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
    execute(&url, "SELECT pg_reload_conf()");
    let mut client = connect(&url);
    harness::wait_until(SOON, "the slot is lost", || {
        client.batch_execute("INSERT INTO visits (page) VALUES ('x')").unwrap();
        client.batch_execute("SELECT pg_switch_wal()").unwrap();
        client.batch_execute("CHECKPOINT").unwrap();
        let status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'resume_lost'";
        client.query_one(status, &[]).unwrap().get::<_, &str>(0) == "lost"
    });
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
}

/// What is shown while another source catches up is as of an earlier time.
#[test]
fn orders_stay_in_the_window_that_is_shown() {
    let url = database("resume_behind", &[TABLES, ROWS].concat());
    let kept = earlier(&url);
    let reached = Arc::new(AtomicU64::new(kept.tick + 1));
    let mirror = Mirror::beside(keeping(&url), Some(&kept), Some(reached.clone()));
    mirror.live();
    mirror.clock.forward(28 * 24 * HOUR_MS);
    // Seconds pass, in which an order of three days ago would leave.
    hears(&mut connect(&url), "resume_behind", 4);
    assert_eq!(mirror.kept().rows, kept.rows);
    reached.store(0, Ordering::Relaxed);
    harness::wait_until(SOON, "it leaves", || mirror.kept().rows.orders.len() == kept.rows.orders.len() - 1);
}

/// Its owner mends the publication while the program is away, or between two tries: what was missed is in no log then.
#[test]
fn a_publication_that_others_mend_is_no_loss() {
    let url = database("resume_mended", &[TABLES, ROWS].concat());
    execute(
        &url,
        "CREATE ROLE resume_follower LOGIN REPLICATION; GRANT SELECT ON products, orders, order_items TO resume_follower",
    );
    let kept = earlier(&url);
    let followed = url.replace("postgres@", "resume_follower@");
    execute(&url, "ALTER PUBLICATION vitrine DROP TABLE orders");
    execute(&url, MEANWHILE_ORDERS);
    let mirror = Mirror::start(keeping(&followed), Some(&kept));
    mirror.complains(&["let the tables' owner run: ALTER PUBLICATION \"vitrine\" ADD TABLE \"orders\""]);
    let State::Retrying(reason) = mirror.view().state else { panic!("{:?}", mirror.view().state) };
    mirror.stop();
    execute(&url, reason.split_once("owner run: ").unwrap().1);
    // As after a kill: from the rows that were kept before.
    let mirror = Mirror::start(keeping(&followed), Some(&kept));
    mirror.agrees();
    mirror.live();
    execute(&url, "UPDATE orders SET user_id = 'zoe'");
    mirror.agrees();
}

/// The same server, as it was: its log is shorter than the rows held are old, and grows anew.
#[test]
fn a_server_that_was_put_back_is_read_anew() {
    let url = database("resume_put_back", &[TABLES, ROWS].concat());
    let mut kept = earlier(&url);
    kept.position.next += 1 << 40;
    execute(&url, MEANWHILE);
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
    // A checkpoint of the time before becomes durable only now.
    mirror.source.acknowledge(kept.position.next);
    mirror.follows("DELETE FROM orders WHERE order_id = '4'");
    let mut client = connect(&url);
    let place = mirror.kept().position.next;
    mirror.source.acknowledge(place);
    harness::wait_until(SOON, "the slot moves on", || confirmed(&mut client, "resume_put_back") >= place);
    assert!(confirmed(&mut client, "resume_put_back") <= end(&mut client));
    let kept = mirror.stop();
    assert!(kept.position.next <= end(&mut client));
    execute(&url, "INSERT INTO orders VALUES ('5', NULL, 'eve', now())");
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
}

#[test]
fn rows_of_no_place_are_read_anew() {
    let url = database("resume_anew", &[TABLES, ROWS].concat());
    let mut kept = earlier(&url);
    execute(&url, MEANWHILE);
    kept.position.next = 0;
    let mirror = Mirror::start(keeping(&url), Some(&kept));
    mirror.agrees();
    mirror.live();
}

#[test]
fn the_way_of_finding_changes_may_change() {
    let url = database("resume_mode", &[TABLES, ROWS].concat());
    let kept = earlier(&url);
    // Of lines without an order readings know nothing.
    execute(&url, &[MEANWHILE, "; DELETE FROM order_items WHERE order_id = '3'"].concat());
    let readings = || Settings { mode: Mode::Refresh, ..keeping(&url) };
    let mirror = Mirror::start(readings(), Some(&kept));
    let counts = |rows: &crate::mirror::Rows| {
        let pairs = |(line, diff): (&dataflow::tables::LineRow, &i64)| (line.order, line.product, *diff);
        (
            rows.orders.clone(),
            rows.lines.iter().map(|(line, diff)| pairs((line, &(*diff as i64)))).collect::<Vec<_>>(),
            rows.catalogue.clone(),
        )
    };
    harness::wait_until(SOON, "the tables are read", || {
        let kept = mirror.kept();
        kept.position.fingerprint.is_none() && counts(&kept.rows) == counts(&mirror.tables(&mut connect(&url)))
    });
    let read = mirror.stop();
    assert!(read.position.next > 0);
    execute(&url, "DELETE FROM order_items WHERE order_id = '4'");
    // Again by reading: a difference to what is held.
    let mirror = Mirror::start(readings(), Some(&read));
    harness::wait_until(SOON, "the tables are read", || mirror.kept().position.next > read.position.next);
    assert_eq!(mirror.view().accepted, 1);
    let read = mirror.stop();
    execute(&url, "DELETE FROM orders WHERE order_id = '4'");
    let mirror = Mirror::start(keeping(&url), Some(&read));
    mirror.agrees();
    mirror.live();
    mirror.follows("UPDATE order_items SET product_id = 'sofa'");
}

#[test]
fn orders_without_a_time_are_known_again() {
    let url = database("resume_timeless", &[TABLES, ROWS].concat());
    let timeless = || {
        let mut settings = Settings { mode: Mode::Refresh, ..keeping(&url) };
        settings.tables.orders.time = OrderTime::FirstSeen;
        settings
    };
    let mirror = Mirror::with(timeless());
    harness::wait_until(SOON, "the orders count", || mirror.buyers() > 0);
    let first = mirror.buyers();
    mirror.clock.forward(20 * 24 * HOUR_MS);
    execute(
        &url,
        "INSERT INTO orders VALUES ('late', NULL, 'zoe', now()); INSERT INTO order_items VALUES (1, 'late', 'lamp')",
    );
    harness::wait_until(SOON, "one more counts", || mirror.buyers() == first + 1);
    mirror.clock.forward(20 * 24 * HOUR_MS);
    harness::wait_until(SOON, "the first ones are old", || mirror.buyers() == 1);
    let mut kept = mirror.stop();
    for generation in 1..=2 {
        let mirror = Mirror::start(timeless(), Some(&kept));
        harness::wait_until(SOON, "the tables are read", || mirror.view().state == State::Live);
        harness::wait_until(SOON, "and again", || mirror.kept().position.next >= kept.position.next + 2);
        assert_eq!(mirror.buyers(), 1, "process {generation} knows the old orders");
        kept = mirror.stop();
    }
}
