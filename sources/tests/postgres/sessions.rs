//! Servers that stop answering at any point of a session: the session is closed, the server is named and a new session
//! is opened; stopping does not wait for it.

use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use harness::postgres::{Server, connect, execute, wait_for_row};
use harness::proxy::Proxy;
use harness::silent::Silent;
use sources::postgres::{Mode, Settings};

use crate::mirror::{self, Mirror};
use crate::running::SOON;
use crate::shop::{self, Shop};

const ONE_SALE: &str = "
    INSERT INTO orders VALUES ('1', 'ada', now()); INSERT INTO order_items VALUES ('1', 'lamp', 1);";

/// A wait that is far too long for a server of the tests.
const ANSWER_MAX: Duration = Duration::from_secs(6);

/// Longer than any end takes, and shorter than the calls to a server that are made then.
const STOP_MAX: Duration = Duration::from_secs(30);

fn impatient(settings: Settings) -> Settings {
    Settings { connect_timeout: ANSWER_MAX, answer_max: ANSWER_MAX, ..settings }
}

/// The same database behind a proxy.
fn behind(proxy: &Proxy, url: &str) -> String {
    let (before, after) = url.split_once("127.0.0.1:").unwrap();
    let (_, database) = after.split_once('/').unwrap();
    format!("{before}127.0.0.1:{}/{database}", proxy.port())
}

fn port_of(url: &str) -> u16 {
    url.split_once("127.0.0.1:").unwrap().1.split_once('/').unwrap().0.parse().unwrap()
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_given_up_and_found_when_it_is_back() {
    let url = shop::database("silent");
    execute(&url, &[shop::TABLES, ONE_SALE].concat());
    let silent = Silent::start();
    let proxy = Proxy::start(silent.port());
    let shop = Shop::with(impatient(shop::settings(&behind(&proxy, &url))), 1);
    shop.complains(&["has not answered"]);
    proxy.redirect(port_of(&url));
    shop.expect(None, &[("lamp", 1)]);
    shop.live();
}

#[test]
fn a_connection_that_stalls_while_tables_are_read_again_is_given_up() {
    let url = shop::database("stalled_refresh");
    execute(&url, &[shop::TABLES, ONE_SALE].concat());
    let proxy = Proxy::start(port_of(&url));
    // A reading may take its time; the questions before and after it may not.
    let settings = Settings { statement_timeout: ANSWER_MAX, ..impatient(shop::settings(&behind(&proxy, &url))) };
    let shop = Shop::with(settings, 1);
    shop.expect(None, &[("lamp", 1)]);
    proxy.stall();
    shop.complains(&["has not answered for"]);
    execute(&url, "UPDATE order_items SET product_id = 'chair'");
    proxy.resume();
    shop.expect(None, &[("chair", 1)]);
    shop.live();
}

#[test]
fn a_connection_that_stalls_while_the_log_is_followed_is_given_up() {
    let url = mirror::database("stalled_log", &[mirror::TABLES, mirror::ROWS].concat());
    let proxy = Proxy::start(port_of(&url));
    let mirror = Mirror::start(impatient(mirror::settings(&behind(&proxy, &url))), None);
    mirror.agrees();
    mirror.live();
    proxy.stall();
    execute(&url, "UPDATE orders SET user_id = 'eve'");
    mirror.complains(&["has not answered for"]);
    proxy.resume();
    mirror.agrees();
    mirror.live();
    mirror.follows("INSERT INTO orders VALUES ('9', NULL, 'eve', now())");
}

/// The session beside it answers on and on.
#[test]
fn a_sender_that_hangs_is_noticed_by_what_does_not_come() {
    let url = mirror::database("hanging_sender", &[mirror::TABLES, mirror::ROWS].concat());
    let mirror = Mirror::start(impatient(mirror::settings(&url)), None);
    mirror.agrees();
    let mut client = connect(&url);
    let sender = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'hanging_sender' AND active";
    let pid: i32 = wait_for_row(&mut client, SOON, sender).get(0);
    let signal = |signal: &str| {
        assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    execute(&url, "UPDATE orders SET user_id = 'eve'");
    let silent = format!("the server's log has not come for {} s", ANSWER_MAX.as_secs());
    mirror.complains_of_one(&[&silent, &format!("in use by process {pid}")]);
    signal("-CONT");
    mirror.agrees();
    mirror.live();
}

#[test]
fn stopping_waits_neither_for_a_locked_table_nor_for_a_silent_server() {
    let url = shop::database("locked");
    execute(&url, &[shop::TABLES, ONE_SALE].concat());
    let mut owner = connect(&url);
    owner.batch_execute("BEGIN; LOCK TABLE orders").unwrap();
    let open = |url: &str| Shop::with(Settings { answer_max: 4 * STOP_MAX, ..shop::settings(url) }, 1);
    let shop = open(&url);
    let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass";
    wait_for_row(&mut connect(&url), SOON, waits);
    let silent = Silent::start();
    let unheard = open(&format!("postgres://ada@127.0.0.1:{}/shop", silent.port()));
    harness::wait_until(SOON, "it is connected to", || silent.accepted() > 0);
    for shop in [shop, unheard] {
        let start = Instant::now();
        shop.stop();
        // Nobody is left who could give a letter.
        let left = shop.letters.recv_timeout(STOP_MAX);
        assert_eq!(left.err(), Some(RecvTimeoutError::Disconnected));
        assert!(start.elapsed() < STOP_MAX, "{:?}", start.elapsed());
    }
    // Nor does our session wait on for the lock, in front of others who do.
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'locked' AND application_name = 'vitrine'";
    harness::wait_until(SOON, "the server has let go of our session", || {
        connect(&url).query_one(ours, &[]).unwrap().get::<_, i64>(0) == 0
    });
}

/// The longest wait of an answer many times over: the session is kept all the while, because the server is at work on it.
#[test]
fn a_reading_that_waits_for_a_lock_is_waited_for_and_names_whom_it_waits_for() {
    let url = shop::database("waiting_reading");
    execute(&url, &[shop::TABLES, ONE_SALE].concat());
    let mut owner = connect(&url);
    owner.batch_execute("BEGIN; LOCK TABLE orders").unwrap();
    let owners: i32 = owner.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let shop = Shop::with(impatient(shop::settings(&url)), 1);
    let mut client = connect(&url);
    let waits = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass";
    let ours: i32 = wait_for_row(&mut client, SOON, waits).get(0);
    let start = Instant::now();
    let process = format!("the reading of the tables waits for the end of the transaction of process {owners} ");
    shop.complains(&[&process, &format!("SELECT pg_terminate_backend({owners})")]);
    harness::wait_until(SOON, "the wait is long", || start.elapsed() > 3 * ANSWER_MAX);
    assert_eq!(wait_for_row(&mut client, SOON, waits).get::<_, i32>(0), ours, "it waits on in the same session");
    owner.batch_execute("COMMIT").unwrap();
    shop.expect(None, &[("lamp", 1)]);
    shop.live();
}

#[test]
fn a_connection_that_stalls_in_the_middle_of_a_reading_is_given_up() {
    let url = mirror::database("stalled_reading", &[mirror::TABLES, mirror::ROWS].concat());
    let mut owner = connect(&url);
    owner.batch_execute("BEGIN; LOCK TABLE orders").unwrap();
    let proxy = Proxy::start(port_of(&url));
    let mirror = Mirror::start(impatient(mirror::settings(&behind(&proxy, &url))), None);
    let waits = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass";
    wait_for_row(&mut connect(&url), SOON, waits);
    proxy.stall();
    mirror.complains(&["has not answered for"]);
    owner.batch_execute("ROLLBACK").unwrap();
    proxy.resume();
    mirror.agrees();
    mirror.live();
}

#[test]
fn hosts_are_tried_in_turn_and_both_sessions_come_to_the_same() {
    let url = mirror::database("hosts", &[mirror::TABLES, mirror::ROWS].concat());
    let standby = Server::start();
    standby.create_database("hosts");
    standby.execute("ALTER DATABASE hosts SET default_transaction_read_only = on");
    let (silent, closed, live) = (Silent::start(), harness::free_port(), port_of(&url));
    let hosts = format!("127.0.0.1:{closed},127.0.0.1:{},127.0.0.1:{},localhost:{live}", silent.port(), standby.port());
    let all = format!("postgres://postgres@{hosts}/hosts?target_session_attrs=read-write&connect_timeout=1");
    let mut mirror = Mirror::start(Settings { slot: "hosts".into(), ..mirror::settings(&all) }, None);
    mirror.url = url;
    mirror.agrees();
    mirror.follows("INSERT INTO orders VALUES ('9', NULL, 'eve', now())");
    // All of them are named where none can be used.
    let none = format!("postgres://postgres@127.0.0.1:{closed},127.0.0.1:{}/hosts?connect_timeout=1", silent.port());
    let shop = Shop::open(&none);
    shop.complains(&[&format!("127.0.0.1:{closed}: "), "refused", &format!("127.0.0.1:{}: ", silent.port())]);
}

#[test]
fn a_slot_waits_for_a_transaction_that_is_named_and_leaves_nothing_behind() {
    let url = mirror::database("waiting_slot", &[mirror::TABLES, mirror::ROWS].concat());
    let mut idle = connect(&url.replace("postgres@", "postgres:x@"));
    idle.batch_execute("BEGIN; INSERT INTO visits (page) VALUES ('secret')").unwrap();
    let pid: i32 = idle.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let mirror = Mirror::open(&url);
    let (process, mend) = (format!("process {pid} "), format!("pg_terminate_backend({pid})"));
    mirror.complains(&["waiting_slot waits for", &process, "user postgres", "idle in transaction", " s, last", &mend]);
    let dataflow::source_status::State::Retrying(message) = mirror.view().state else { panic!("it waits") };
    assert!(!message.contains("secret") && !message.contains("INSERT"), "{message}");
    drop(mirror);
    let left = "SELECT (SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'waiting_slot')
                     + (SELECT count(*) FROM pg_stat_activity WHERE datname = 'waiting_slot' AND backend_type = 'walsender')";
    let mut client = connect(&url);
    harness::wait_until(SOON, "session and slot are gone", || {
        client.query_one(left, &[]).unwrap().get::<_, i64>(0) == 0
    });
    // It goes on by itself when the transaction has ended.
    let mirror = Mirror::open(&url);
    mirror.complains(&[&process]);
    idle.batch_execute("ROLLBACK").unwrap();
    mirror.agrees();
    mirror.live();
}

/// Whatever the role may see of others, and where nobody is left to be asked.
#[test]
fn other_peoples_transactions_are_named_as_far_as_they_may_be_seen_and_prepared_ones_too() {
    let mut server = Server::start();
    server.set(&["max_prepared_transactions=5"]);
    server.restart();
    let url = server.create_database("prepared_slot");
    execute(&url, &[mirror::TABLES, mirror::ROWS].concat());
    execute(
        &url,
        "CREATE ROLE plain LOGIN REPLICATION; GRANT CREATE ON DATABASE prepared_slot TO plain;
         ALTER TABLE products OWNER TO plain; ALTER TABLE orders OWNER TO plain; ALTER TABLE order_items OWNER TO plain;",
    );
    let mut idle = connect(&url);
    idle.batch_execute("BEGIN; INSERT INTO visits (page) VALUES ('secret')").unwrap();
    let pid: i32 = idle.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let mut mirror = Mirror::open(&url.replace("postgres@", "plain@"));
    mirror.url = url.clone();
    mirror.complains(&[&format!("process {pid} (user postgres)"), &format!("pg_terminate_backend({pid})")]);
    idle.batch_execute("PREPARE TRANSACTION 'half a ''deal'").unwrap();
    mirror.complains(&["transaction of 'half a ''deal' (prepared by postgres", "ROLLBACK PREPARED 'half a ''deal';"]);
    idle.batch_execute("ROLLBACK PREPARED 'half a ''deal'").unwrap();
    mirror.agrees();
    mirror.live();
}

#[test]
fn what_shows_only_by_doing_lets_auto_read_again() {
    let mut server = Server::start();
    for (settings, reason) in
        [(&["max_wal_senders=0"][..], "max_wal_senders"), (&["max_replication_slots=1"], "max_replication_slots is 1")]
    {
        server.set(settings);
        server.restart();
        server.execute("DROP DATABASE IF EXISTS doing WITH (FORCE)");
        let url = server.create_database("doing");
        execute(&url, &[shop::TABLES, ONE_SALE].concat());
        if reason.contains("slots") {
            server.execute("SELECT pg_create_physical_replication_slot('taken')");
        }
        let auto = Settings { mode: Mode::Auto, slot: "doing".into(), ..shop::settings(&url) };
        let shop = Shop::with(auto.clone(), 1);
        shop.expect(None, &[("lamp", 1)]);
        shop.live();
        let note = shop.view().note.expect("it says why");
        assert!(note.contains(reason) && note.contains("read again"), "{note}");
        shop.stop();
        let shop = Shop::with(Settings { mode: Mode::Replication, ..auto }, 1);
        shop.complains(&[reason]);
        shop.stop();
    }
}
