//! The server, its slot or the tables fail while the log is followed: reading continues where the log continues, and
//! otherwise the tables are read again as one difference.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dataflow::source_status::State;
use harness::postgres::{Server, connect, execute};
use postgres::{Client, NoTls};
use sources::postgres::{Acknowledge, Mode, Settings};

use crate::mirror::{Mirror, ROWS, TABLES, confirmed, database, end, hears, settings};
use crate::running::SOON;

/// Ends all replication sessions of this slot and waits until nobody follows it.
pub(crate) fn cut_off(client: &mut Client, slot: &str) {
    let sql = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name::text = $1 AND active";
    harness::wait_until(SOON, "the slot is free", || client.query(sql, &[&slot]).unwrap().is_empty());
}

#[test]
fn a_lost_connection_loses_nothing() {
    let url = database("log_cut_off", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    let mut client = connect(&url);
    for turn in 0..4 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'log_cut_off' AND pid <> pg_backend_pid()";
        client.batch_execute(&format!("INSERT INTO orders VALUES ('c{turn}', NULL, 'ada', now()); {end}; INSERT INTO orders VALUES ('d{turn}', NULL, 'ada', now())")).unwrap();
    }
    mirror.agrees();
    mirror.live();
}

#[test]
fn a_server_that_is_killed_again_and_again_loses_nothing() {
    let mut server = Server::start();
    let url = server.create_database("log_killed");
    execute(&url, &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !done.load(Ordering::Acquire) {
                // The server dies under it: it connects again.
                let Ok(mut client) = Client::connect(&url, NoTls) else {
                    thread::yield_now();
                    continue;
                };
                loop {
                    n += 1;
                    let sql = format!(
                        "BEGIN; INSERT INTO orders VALUES ('{n}-k', NULL, 'u{n}', now());
                         INSERT INTO order_items SELECT 1, '{n}-k', 'p' || p FROM generate_series(1, 30) p;
                         UPDATE order_items SET product_id = product_id || 'x' WHERE order_id = '{}-k'; COMMIT",
                        n / 2
                    );
                    if done.load(Ordering::Acquire) || client.batch_execute(&sql).is_err() {
                        break;
                    }
                }
            }
        });
        for _ in 0..4 {
            let before = mirror.kept().rows.orders.len();
            harness::wait_until(SOON, "orders come", || mirror.kept().rows.orders.len() > before + 20);
            server.kill9();
            mirror.complains(&["PostgreSQL at 127.0.0.1:"]);
            server.restart();
        }
        done.store(true, Ordering::Release);
    });
    mirror.agrees();
    mirror.live();
}

#[test]
fn a_slot_that_is_gone_is_made_again_and_the_difference_is_one_tick() {
    let url = database("log_slot_gone", TABLES);
    execute(
        &url,
        "INSERT INTO orders (order_id, user_id, created_at) SELECT n, n, now() FROM generate_series(1, 300) n;
         INSERT INTO order_items (order_id, product_id) SELECT n, 'lamp' FROM generate_series(1, 300) n;",
    );
    let mirror = Mirror::following(&url);
    // The source is kept away by a lock on the door, until the slot is gone and the tables have changed.
    let mut client = connect(&url.replace("/log_slot_gone", "/postgres"));
    client.batch_execute("ALTER DATABASE log_slot_gone ALLOW_CONNECTIONS false").unwrap();
    let mut inside = connect_through(&mut client, &url);
    cut_off(&mut client, "log_slot_gone");
    mirror.complains(&["log_slot_gone"]);
    inside.batch_execute("SELECT pg_drop_replication_slot('log_slot_gone')").unwrap();
    inside
        .batch_execute("DELETE FROM orders WHERE order_id::int > 200; UPDATE order_items SET product_id = 'chair'")
        .unwrap();
    let before = mirror.kept().rows;
    client.batch_execute("ALTER DATABASE log_slot_gone ALLOW_CONNECTIONS true").unwrap();
    harness::wait_until(SOON, "the difference shows", || {
        let rows = mirror.kept().rows;
        let changed = rows != before;
        assert!(!changed || rows.orders.len() == 200, "part of the difference shows");
        changed
    });
    mirror.agrees();
    mirror.live();
    mirror.follows("INSERT INTO orders VALUES ('n', NULL, 'eve', now())");
}

/// A connection to a database that takes none, made while its door is open for a moment.
pub(crate) fn connect_through(client: &mut Client, url: &str) -> Client {
    let name = url.rsplit('/').next().unwrap();
    client.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).unwrap();
    let inside = connect(url);
    client.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).unwrap();
    let others = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'vitrine'"
    );
    harness::wait_until(SOON, "nobody else is inside", || client.query(&others, &[]).unwrap().is_empty());
    inside
}

#[test]
fn a_publication_that_is_removed_is_made_again() {
    let url = database("log_publication", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    execute(&url, "DROP PUBLICATION vitrine; INSERT INTO orders VALUES ('3', NULL, 'eve', now())");
    mirror.follows("UPDATE orders SET user_id = 'bob'");
    execute(&url, "ALTER PUBLICATION vitrine DROP TABLE order_items; DELETE FROM order_items WHERE order_id = '2'");
    mirror.agrees();
    mirror.follows("INSERT INTO order_items VALUES (1, '3', 'lamp')");
    mirror.live();
}

#[test]
fn a_time_that_is_gone_is_told_with_ways_out() {
    let url = database("log_time", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    execute(&url, "ALTER TABLE orders DROP COLUMN created_at CASCADE");
    mirror.complains(&["DEFAULT now(); the other tables are followed"]);
}

#[test]
fn a_used_column_that_is_gone_stops_its_table_alone() {
    let url = database("log_column", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    // A column that others depend on can only be removed with what depends on it: our publication of that table.
    execute(&url, "ALTER TABLE products DROP COLUMN category_id CASCADE");
    mirror.complains(&["table products has no column category_id", "the other tables are followed"]);
    let catalogue = mirror.kept().rows.catalogue;
    assert_eq!(catalogue.len(), 4, "the catalogue stays as it was");
    harness::wait_until(SOON, "a restart would read everything anew", || mirror.kept().position.next == 0);
    execute(
        &url,
        "INSERT INTO orders VALUES ('3', NULL, 'eve', now()); UPDATE order_items SET product_id = 'sofa' WHERE product_id = 'chair'",
    );
    harness::wait_until(SOON, "the others are followed", || {
        let (kept, tables) = (mirror.kept().rows, mirror.tables_but_products());
        kept.orders == tables.orders && kept.lines == tables.lines && kept.catalogue == catalogue
    });
    mirror.follows_products_again();
}

#[test]
fn a_table_that_stays_broken_holds_no_log() {
    let url = database("log_broken", &[TABLES, ROWS].concat());
    let mirror = Mirror::with(Settings { acknowledge: Acknowledge::AfterCheckpoint, ..settings(&url) });
    mirror.agrees();
    mirror.source.acknowledge(mirror.kept().position.next);
    execute(&url, "ALTER TABLE products RENAME COLUMN category_id TO shelf");
    mirror.complains(&["table products has no column category_id", "the other tables are followed"]);
    harness::wait_until(SOON, "a checkpoint has no place", || mirror.kept().position.next == 0);
    let mut client = connect(&url);
    let held = confirmed(&mut client, "log_broken");
    execute(&url, "INSERT INTO visits (page) SELECT 'x' FROM generate_series(1, 1000)");
    let busy = end(&mut client);
    let fed = || mirror.view().partitions.values().next().unwrap().next;
    harness::wait_until(SOON, "all of it has been fed", || fed() >= busy);
    assert_eq!(confirmed(&mut client, "log_broken"), held, "a checkpoint of before may still be gone on from");
    // The checkpoint is durable: a later process reads everything anew.
    mirror.source.acknowledge(0);
    harness::wait_until(SOON, "the slot moves on", || confirmed(&mut client, "log_broken") >= busy);
    execute(&url, "ALTER TABLE products RENAME COLUMN shelf TO category_id");
    mirror.agrees();
    mirror.live();
    let (place, known) = (mirror.kept().position.next, confirmed(&mut client, "log_broken"));
    mirror.follows("INSERT INTO orders VALUES ('9', NULL, 'eve', now())");
    assert!(place > 0 && confirmed(&mut client, "log_broken") == known, "what is followed is kept again");
}

#[test]
fn a_renamed_column_stops_its_table_and_a_renamed_table_too() {
    let url = database("log_renamed", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    execute(
        &url,
        "ALTER TABLE orders RENAME COLUMN user_id TO customer; INSERT INTO orders VALUES ('3', NULL, 'eve', now())",
    );
    mirror.complains(&["table orders has no column user_id"]);
    execute(&url, "ALTER TABLE orders RENAME COLUMN customer TO user_id");
    mirror.agrees();
    mirror.live();
    execute(&url, "ALTER TABLE order_items RENAME TO lines; DELETE FROM lines WHERE product_id = 'chair'");
    mirror.complains(&["table order_items does not exist"]);
    execute(
        &url,
        "CREATE TABLE order_items (LIKE lines INCLUDING ALL); INSERT INTO order_items VALUES (1, '1', 'sofa')",
    );
    mirror.agrees();
    mirror.live();
    mirror.follows("DELETE FROM order_items; INSERT INTO order_items VALUES (1, '2', 'sofa')");
}

#[test]
fn another_key_reads_everything_anew() {
    let url = database("log_another_key", &[TABLES, ROWS].concat());
    let mut mirror = Mirror::following(&url);
    execute(
        &url,
        "ALTER PUBLICATION vitrine DROP TABLE order_items; ALTER TABLE order_items DROP CONSTRAINT order_items_pkey, ADD COLUMN id serial PRIMARY KEY",
    );
    mirror.key = &["id"];
    mirror.agrees();
    mirror.follows("INSERT INTO order_items (order_id, product_id) VALUES ('1', 'lamp'); UPDATE order_items SET product_id = 'x' WHERE id = 1");
    mirror.live();
}

#[test]
fn while_the_server_takes_the_process_before_for_alive_nothing_counts_as_caught_up_with() {
    for (name, mode) in [("log_busy_auto", Mode::Auto), ("log_busy_log", Mode::Replication)] {
        let url = database(name, &[TABLES, ROWS].concat());
        let settings = || Settings { mode, ..settings(&url) };
        let before = Mirror::with(settings());
        before.live();
        let kept = before.kept();
        let mirror = Mirror::start(settings(), Some(&kept));
        mirror.complains(&["in use by process"]);
        let (ticks, has_caught_up) = (mirror.ticks().ticks(), || mirror.ticks().has_caught_up(u64::MAX - 1));
        harness::wait_until(SOON, "time goes on", || mirror.ticks().ticks() > ticks + 3);
        assert!(!has_caught_up(), "what was committed meanwhile is not here yet");
        drop(before);
        mirror.live();
        harness::wait_until(SOON, "everything is here", has_caught_up);
    }
}

#[test]
fn while_refused_rows_wait_to_be_written_away_the_server_hears_of_us() {
    let url = database("log_letters", &[TABLES, ROWS].concat());
    let mirror = Mirror::following(&url);
    // More than the outlet takes.
    execute(&url, "INSERT INTO orders SELECT 'guest-' || n, NULL, NULL, now() FROM generate_series(1, 150) n");
    let rejected = || mirror.view().rejected.values().sum::<u64>();
    harness::wait_until(SOON, "the outlet is full", || rejected() > 100);
    hears(&mut connect(&url), "log_letters", 3);
    assert!((101..150).contains(&rejected()), "it waits");
    mirror.letters.iter().take(150).for_each(drop);
    mirror.follows("DELETE FROM orders WHERE user_id IS NULL; UPDATE orders SET user_id = 'eve'");
}

#[test]
fn a_slot_of_another_database_is_not_touched() {
    let other = database("log_other", &[TABLES, ROWS].concat());
    let first = Mirror::following(&other);
    let url = database("log_taken", &[TABLES, ROWS].concat());
    let mut settings = settings(&url);
    settings.slot = "log_other".to_owned();
    let second = Mirror::with(settings);
    second.complains(&["the replication slot log_other is another one's", "set [postgres] slot"]);
    first.follows("UPDATE orders SET user_id = 'eve'");
    assert_eq!(first.view().state, State::Live);
}

#[test]
fn what_may_not_be_done_is_named_with_its_sql() {
    let url = database("log_rights", &[TABLES, ROWS].concat());
    execute(&url, "CREATE ROLE log_follower LOGIN; GRANT SELECT ON products, orders, order_items TO log_follower");
    let mirror = Mirror::start(settings(&url.replace("postgres@", "log_follower:hush@")), None);
    mirror.complains(&["log_follower may not follow the server's log", "ALTER ROLE log_follower REPLICATION;"]);
    execute(&url, "ALTER ROLE log_follower REPLICATION");
    mirror.complains(&["let the tables' owner run: CREATE PUBLICATION \"vitrine\" FOR TABLE \"products\""]);
    let State::Retrying(reason) = mirror.view().state else { panic!("{:?}", mirror.view().state) };
    assert!(!reason.contains("hush"), "{reason}");
    let sql = reason.split_once("owner run: ").unwrap().1;
    execute(&url, sql);
    // As whom the source reads is of no matter to what is compared.
    harness::wait_until(SOON, "the rows come", || mirror.kept().rows == mirror.tables(&mut connect(&url)));
    let mut client = connect(&url);
    assert!(end(&mut client) > 0);
}
