//! Every command against servers that never answer, refuse replication or are one of several: the command ends and
//! names the reason.

use std::process::Command;
use std::time::{Duration, Instant};

use harness::pooler::Pooler;
use harness::postgres::{Server, connect, execute, wait_for_row};
use harness::proxy::Proxy;
use harness::silent::Silent;
use harness::{Process, Services, free_port, http, stdout, wait_for, wait_until};

const SOON: Duration = Duration::from_secs(120);

/// The longest end of a command whose services say nothing.
const END_MAX: Duration = Duration::from_secs(150);

const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
    CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id));
    INSERT INTO orders VALUES ('1', 'ada', now()); INSERT INTO order_items VALUES ('1', 'lamp');";

/// The program with nothing in its environment but these settings.
fn vitrine(settings: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = crate::vitrine(args);
    command.envs(settings.iter().copied());
    command
}

fn check(url: &str, mode: &str) -> (String, Option<i32>) {
    let settings = [("VITRINE__POSTGRES__URL", url), ("VITRINE__POSTGRES__MODE", mode)];
    let output = vitrine(&settings, &["check"]).output().expect("the program starts");
    (stdout(&output), output.status.code())
}

#[test]
fn every_command_ends_though_no_service_says_a_word() {
    let silent = Silent::start();
    let url = format!("postgres://ada:hush@127.0.0.1:{}/shop", silent.port());
    let brokers = format!("127.0.0.1:{}", silent.port());
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("lists");
    let replay = ["replay", "--from", "2026-11-01", "--until", "2026-11-02", "--out", out.to_str().unwrap()];
    let postgres = ("VITRINE__POSTGRES__URL", &*url);
    let kafka = ("VITRINE__KAFKA__BROKERS", &*brokers);
    let views = out.with_extension("json");
    std::fs::write(&views, r#"{"event": "ProductView", "userid": "ada", "properties": {"productid": "lamp"}}"#)
        .unwrap();
    let produce = ["produce", "--rate", "10", "--file", views.to_str().unwrap()];
    std::thread::scope(|scope| {
        for (settings, args, message) in [
            (postgres, &["check"][..], "has not answered"),
            (kafka, &["check"], "no Kafka broker"),
            (postgres, &["generate", "--to", "services", "--orders", "1"], "has not answered"),
            (kafka, &["generate", "--to", "services", "--views", "1"], "no Kafka broker"),
            (postgres, &replay, "has not answered"),
            (kafka, &replay, "Kafka"),
            (kafka, &produce, "no Kafka broker"),
            (postgres, &["postgres", "adopt"], "has not answered"),
        ] {
            scope.spawn(move || {
                let start = Instant::now();
                let mut process = Process::spawn("vitrine", vitrine(&[settings], args));
                let status = process.wait_exit(END_MAX);
                let words = process.stdout() + &process.stderr();
                assert_eq!(status.code(), Some(1), "{args:?}: {words}");
                assert!(words.contains(message) && !words.contains("hush"), "{args:?}: {words}");
                println!("{args:?} ended after {:?}", start.elapsed());
            });
        }
    });
}

/// With services that say nothing from the first moment on, and with services that hang later.
#[test]
fn serve_ends_at_once_and_well_though_no_service_says_a_word() {
    let silent = Silent::start();
    let Services { mut kafka, postgres, .. } = Services::start();
    postgres.execute(TABLES);
    kafka.create_topic("views", 1);
    let proxy = Proxy::start(postgres.port());
    let (port, brokers) = (silent.port(), kafka.bootstrap().to_owned());
    let unheard = (format!("127.0.0.1:{port}"), format!("postgres://postgres@127.0.0.1:{port}/postgres"));
    let hanging = (brokers, format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port()));
    for (brokers, url) in [unheard, hanging] {
        let listen = format!("127.0.0.1:{}", free_port());
        let settings = [
            ("VITRINE__KAFKA__BROKERS", &*brokers),
            ("VITRINE__POSTGRES__URL", &*url),
            ("VITRINE__SERVER__LISTEN", &*listen),
        ];
        let mut serving = Process::spawn("vitrine", vitrine(&settings, &["serve"]));
        let ready = if url.contains(&port.to_string()) { 503 } else { 200 };
        wait_until(SOON, "it answers", || {
            let answer = http::try_request("GET", &format!("http://{listen}/readyz"), &[], b"");
            answer.is_ok_and(|answer| answer.status == ready)
        });
        if ready == 200 {
            proxy.stall();
            kafka.freeze();
        }
        wait_until(SOON, "it is connected to", || ready == 200 || silent.accepted() > 1);
        let start = Instant::now();
        serving.terminate();
        let status = serving.wait_exit(SOON);
        let words = serving.stderr();
        assert_eq!(status.code(), Some(0), "{words}");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}: {words}", start.elapsed());
    }
    kafka.thaw();
}

#[test]
fn a_slot_in_the_making_is_told_and_is_gone_after_the_end() {
    let server = Server::start();
    server.execute(TABLES);
    let mut idle = server.client();
    idle.batch_execute("BEGIN; INSERT INTO products VALUES ('lamp', 'light')").unwrap();
    let pid: i32 = idle.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let (url, listen) = (server.url(), format!("127.0.0.1:{}", free_port()));
    let settings = [("VITRINE__POSTGRES__URL", &*url), ("VITRINE__SERVER__LISTEN", &listen)];
    let named = |serving: &mut Process, mend: &str| {
        wait_until(SOON, "the transaction is named", || {
            assert!(serving.is_running(), "{}", serving.stderr());
            let answer = http::try_request("GET", &format!("http://{listen}/readyz"), &[], b"");
            answer.is_ok_and(|answer| answer.status == 503 && answer.text().contains(mend))
        });
    };
    let mend = format!("pg_terminate_backend({pid})");
    let mut serving = Process::spawn("vitrine", vitrine(&settings, &["serve"]));
    named(&mut serving, &mend);
    serving.terminate();
    assert_eq!(serving.wait_exit(SOON).code(), Some(0));
    let left = "SELECT (SELECT count(*) FROM pg_replication_slots)
                     + (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender')";
    let mut client = server.client();
    wait_until(SOON, "nothing is left behind", || client.query_one(left, &[]).unwrap().get::<_, i64>(0) == 0);
    // A process that is killed cannot tidy up: the next one names what it left, and whom that waits for.
    let mut killed = Process::spawn("vitrine", vitrine(&settings, &["serve"]));
    named(&mut killed, &mend);
    killed.kill9();
    let sender = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender'";
    let sender: i32 = wait_for_row(&mut client, SOON, sender).get(0);
    let mut serving = Process::spawn("vitrine", vitrine(&settings, &["serve"]));
    named(&mut serving, &format!("pg_terminate_backend({sender})"));
    idle.batch_execute("ROLLBACK").unwrap();
    wait_until(SOON, "it is ready", || {
        let answer = http::try_request("GET", &format!("http://{listen}/readyz"), &[], b"");
        answer.is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn check_names_what_shows_only_by_doing_and_serve_gets_ready_all_the_same() {
    let mut server = Server::start();
    server.execute(TABLES);
    let snapshots =
        || server.client().query_one("SELECT count(*) FROM pg_replication_slots", &[]).unwrap().get::<_, i64>(0);
    let (good, code) = check(&server.url(), "auto");
    assert!(code == Some(0) && good.contains("the server's log can be followed"), "{good}");
    assert_eq!(snapshots(), 0, "a check leaves nothing behind");
    let pooler = Pooler::start(server.port());
    let pooled = format!("postgres://postgres@127.0.0.1:{}/postgres", pooler.port());
    obstacle(&pooled, "unsupported startup parameter: replication", "to one server itself");
    server.execute("SELECT pg_create_physical_replication_slot('taken' || n) FROM generate_series(1, 100) n");
    obstacle(&server.url(), "all replication slots of the server are in use", "max_replication_slots");
    server.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    server.set(&["max_wal_senders=0"]);
    server.restart();
    obstacle(&server.url(), "max_wal_senders", "(0 now)");
}

/// Both modes say the problem and the mend; with `auto` it is no fault, and the program gets ready.
fn obstacle(url: &str, problem: &str, mend: &str) {
    let (message, code) = check(url, "replication");
    let bad = message.lines().find(|line| line.starts_with("✖")).unwrap_or_else(|| panic!("{message}"));
    assert!(code == Some(1) && bad.contains(problem) && message.contains(mend), "{message}");
    let (message, code) = check(url, "auto");
    let note = message.lines().find(|line| line.contains(problem)).unwrap_or_else(|| panic!("{message}"));
    assert!(code == Some(0) && note.starts_with("•") && note.contains(mend), "{message}");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let settings = [("VITRINE__POSTGRES__URL", url), ("VITRINE__SERVER__LISTEN", &listen)];
    let mut serving = Process::spawn("vitrine", vitrine(&settings, &["serve"]));
    let get = |path: &str| http::try_request("GET", &format!("http://{listen}{path}"), &[], b"").ok();
    wait_until(SOON, "it is ready", || get("/readyz").is_some_and(|answer| answer.status == 200));
    let status = get("/v1/status").expect("it answers").json();
    let reason = status["sources"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|source| source["name"] == "postgres")
        .expect("a source");
    assert!(reason["reason"].as_str().expect("a reason").contains(problem), "{reason}");
    serving.terminate();
    assert_eq!(serving.wait_exit(SOON).code(), Some(0));
}

#[test]
fn check_tries_every_host_and_names_the_one_that_answers() {
    let server = Server::start();
    server.execute(TABLES);
    let (dead, live) = (free_port(), server.port());
    let (message, code) = check(&format!("host=127.0.0.1,127.0.0.1 port={dead},{live} user=postgres"), "auto");
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains(&format!("at 127.0.0.1:{live}/postgres")), "{message}");
    assert!(!message.contains(&dead.to_string()), "{message}");
    let standby = server.standby();
    let copy = standby.port();
    let both = |attrs: &str| {
        let ports = format!("{copy},{live}");
        check(&format!("host=127.0.0.1,127.0.0.1 port={ports} user=postgres target_session_attrs={attrs}"), "auto").0
    };
    for (attrs, port) in [("primary", live), ("standby", copy), ("prefer-standby", copy)] {
        let message = both(attrs);
        assert!(message.contains(&format!("at 127.0.0.1:{port}/postgres")), "{attrs}: {message}");
    }
    drop(standby);
    assert!(both("prefer-standby").contains(&format!("at 127.0.0.1:{live}/postgres")));
    let alone = both("standby");
    assert!(alone.contains("the server is no standby") && alone.contains("refused"), "{alone}");
    server.execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    let attrs = format!("host=127.0.0.1 port={live} user=postgres target_session_attrs=read-write");
    let (message, code) = check(&attrs, "auto");
    assert!(code == Some(1) && message.contains("does not allow writes"), "{message}");
}

#[test]
fn a_program_that_waits_for_a_lock_ends_at_once_and_well() {
    let server = Server::start();
    server.execute(TABLES);
    let mut owner = connect(&server.url());
    owner.batch_execute("BEGIN; LOCK TABLE orders").unwrap();
    for mode in ["replication", "refresh"] {
        let listen = format!("127.0.0.1:{}", free_port());
        let url = server.url();
        let settings = [
            ("VITRINE__POSTGRES__URL", &*url),
            ("VITRINE__POSTGRES__MODE", mode),
            ("VITRINE__SERVER__LISTEN", &listen),
        ];
        let mut serving = Process::spawn("vitrine", vitrine(&settings, &["serve"]));
        let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass";
        wait_for_row(&mut connect(&url), SOON, waits);
        let start = Instant::now();
        serving.terminate();
        let status = serving.wait_exit(SOON);
        let words = serving.stderr();
        assert_eq!(status.code(), Some(0), "{words}");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}: {words}", start.elapsed());
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vitrine'";
        wait_until(SOON, "nothing of ours waits on", || {
            connect(&url).query_one(left, &[]).unwrap().get::<_, i64>(0) == 0
        });
        execute(&url, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    }
    drop(owner);
    // The configuration is a good one otherwise.
    wait_for(SOON, "a check is good", || (check(&server.url(), "auto").1 == Some(0)).then_some(()));
}
