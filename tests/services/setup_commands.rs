//! `generate --to services`, `check` and `produce` on a real Kafka and a real PostgreSQL.

use std::io::Write;
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use events::{TimeBounds, decode};
use harness::{Services, stderr, stdout};
use postgres::{Client, NoTls};

use crate::vitrine;

const ORDERS: i64 = 400;
const READ_MAX: Duration = Duration::from_secs(120);

/// Runs the program on both services, the database being one that nobody made.
fn run(services: &Services, args: &[&str]) -> Output {
    let mut command = vitrine(args);
    command.env("VITRINE__KAFKA__BROKERS", services.kafka.bootstrap());
    command.env("VITRINE__POSTGRES__URL", services.database());
    command.output().expect("the program starts")
}

fn client(services: &Services) -> Client {
    Client::connect(&services.database(), NoTls).expect("the database was made")
}

fn count(services: &Services, what: &str) -> i64 {
    client(services).query_one(&format!("SELECT count(*) FROM {what}"), &[]).expect("a count").get(0)
}

/// One story on one pair of services, as starting them costs most of the time.
#[test]
fn nobody_has_to_make_a_topic_a_database_or_a_table_by_hand() {
    let services = Services::start();
    nothing_is_there_and_check_says_so(&services);
    topics_and_tables_can_be_made_empty(&services);
    generate_fills_everything(&services);
    generating_again_is_refused_and_adds_no_row_by_force(&services);
    check_looks_at_copies_and_the_archive(&services);
    check_is_content_or_gives_the_sql(&services);
    check_names_a_view_and_no_key_for_it(&services);
    check_names_the_time_zone_and_ids_that_cannot_be_told_apart(&services);
    produce_stamps_sends_and_names_malformed_lines(&services);
    a_server_that_demands_tls_is_told_apart(&services);
}

fn nothing_is_there_and_check_says_so(services: &Services) {
    let output = run(services, &["check"]);
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{report}{}", stderr(&output));
    for (mark, topic) in [("✖", "views"), ("•", "history-removals"), ("•", "dead-letters")] {
        assert!(report.contains(&format!("{mark} kafka: topic {topic} ")), "{report}");
    }
    assert!(
        report.contains("--create --topic views") && report.contains("database \"data-db\" does not exist"),
        "{report}"
    );
    // The way out that was printed is one that PostgreSQL takes, and the next check finds what it made.
    let sql = report.lines().find_map(|line| line.trim().strip_prefix("mend: CREATE DATABASE ")).expect("SQL");
    services.postgres.execute(&format!("CREATE DATABASE {sql}"));
    let report = stdout(&run(services, &["check"]));
    assert!(!report.contains("does not exist") && report.contains("table products is missing"), "{report}");
    services.postgres.execute(&format!("DROP DATABASE {sql}"));
}

fn topics_and_tables_can_be_made_empty(services: &Services) {
    let output = run(services, &["generate", "--to", "services", "--empty", "--partitions", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(["products", "orders", "order_items"].map(|table| count(services, table)), [0; 3]);
    assert_eq!(["views", "history-removals", "dead-letters"].map(|topic| services.kafka.partitions(topic)), [3; 3]);
    let report = stdout(&run(services, &["check"]));
    assert!(!report.contains("✖"), "{report}");
}

fn generate_fills_everything(services: &Services) {
    let orders = ORDERS.to_string();
    let args =
        ["generate", "--to", "services", "--views", "1000", "--orders", &orders, "--products", "100", "--users", "50"];
    let output = run(services, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stderr(&output).contains("NOTICE"), "{}", stderr(&output));
    assert_eq!(count(services, "orders"), ORDERS);
    assert_eq!(
        count(
            services,
            "products WHERE category_id LIKE 'category-%' AND product_name <> '' AND attributes ? 'colour'"
        ),
        100
    );
    let message = stdout(&output);
    let lines = count(services, "order_items");
    assert!(message.contains(&format!("order_items: {} rows added", lines + returned(&message))), "{message}");
    assert!(returned(&message) > 0 && lines > ORDERS, "{message}");
    assert_eq!(count(services, "orders WHERE created_at > now() OR created_at < now() - interval '61 days'"), 0);
    assert_eq!(count(services, "order_items i LEFT JOIN orders o USING (order_id) WHERE o.order_id IS NULL"), 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let views = services.kafka.consume("views", 1000, READ_MAX);
    assert_eq!(views.len(), 1000);
    for view in &views {
        let event = decode(&view.payload, Some(now.into()), &TimeBounds::around(now)).expect("a sound event");
        assert_eq!(view.key, event.user.as_bytes());
    }
}

fn returned(message: &str) -> i64 {
    let line = message.lines().find(|line| line.contains("deleted again")).expect("returns are said");
    line.split_whitespace().find_map(|word| word.parse().ok()).expect("their number is said")
}

fn generating_again_is_refused_and_adds_no_row_by_force(services: &Services) {
    let before = count(services, "order_items");
    let orders = ORDERS.to_string();
    let args =
        ["generate", "--to", "services", "--views", "0", "--orders", &orders, "--products", "100", "--users", "50"];
    let refused = |args: &[&str], named: &[&str], unnamed: &[&str]| {
        let output = run(services, args);
        let message = stderr(&output);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()), "{message}");
        assert!(message.contains("not empty: ") && message.contains("--force adds"), "{message}");
        let (found, _) = message.split_once(". ").expect("what was found comes first");
        assert!(named.iter().all(|name| found.contains(name)), "{message}");
        assert!(!unnamed.iter().any(|name| found.contains(name)), "{message}");
    };
    let tables = ["table products of", "table orders of", "table order_items of"];
    refused(&args, &[&tables[..], &["topic views"]].concat(), &["history-removals", "dead-letters"]);
    // One service alone, and one table that nobody has: nothing was made for it.
    let elsewhere = [&args[..], &["--set", "postgres.tables.orders.name=fresh_orders"]].concat();
    refused(&elsewhere, &["table products of", "topic views"], &["fresh_orders"]);
    assert_eq!(count(services, "pg_class WHERE relname = 'fresh_orders'"), 0);
    let fresh = [&args[..], &["--set", "kafka.views=fresh-views"]].concat();
    refused(&fresh, &tables, &["topic"]);
    assert_eq!(services.kafka.partitions("fresh-views"), 0);
    assert!(run(services, &["generate", "--to", "services", "--empty"]).status.success(), "it adds nothing");

    let output = run(services, &[&args[..], &["--force"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("table orders: 0 rows added"), "{}", stdout(&output));
    assert_eq!(count(services, "order_items"), before);
}

fn check_looks_at_copies_and_the_archive(services: &Services) {
    let archive = format!("archive.to={}", services.dir().join("archive").display());
    let check = |more: &[&str]| {
        let copies = ["check", "--set", "sinks.kafka.topic=shop-lists", "--set", "sinks.postgres.table=shop_lists"];
        let output = run(services, &[&copies[..], more].concat());
        (output.status.code(), stdout(&output))
    };
    let (code, report) = check(&["--set", &archive]);
    assert_eq!(code, Some(0), "{report}");
    for line in ["• sinks.kafka: shop-lists at ", "• sinks.postgres: shop_lists at ", "• archive: directory "] {
        assert!(report.contains(line), "{line}: {report}");
    }
    assert_eq!(services.kafka.partitions("shop-lists"), 0, "nothing is made");
    assert_eq!(count(services, "pg_class WHERE relname = 'shop_lists'"), 0);

    services.kafka.create_topic("shop-lists", 1);
    client(services).batch_execute("CREATE TABLE shop_lists (list text, position text)").expect("made");
    services.write("archive", "");
    let (code, report) = check(&["--set", &archive, "--set", "archive.topics=carts"]);
    assert_eq!(code, Some(1), "{report}");
    for line in [
        "✖ sinks.kafka: topic shop-lists has cleanup.policy=delete",
        "mend: kafka-configs.sh --alter --entity-type topics --entity-name shop-lists --add-config cleanup.policy=compact",
        "✖ sinks.postgres: table shop_lists cannot hold lists: column position is text and not integer",
        "✖ archive: ",
        "✖ kafka: topic carts (archive.topics) is missing",
    ] {
        assert!(report.contains(line), "{line}: {report}");
    }
    // The way out that was printed is one that PostgreSQL takes.
    let sql = report.lines().find_map(|line| line.trim().strip_prefix("mend: ").filter(|way| way.starts_with("ALTER")));
    client(services).batch_execute(sql.expect("SQL")).expect("the printed SQL runs");
    let (_, report) = check(&[]);
    assert!(report.contains("✔ sinks.postgres: shop_lists at "), "{report}");

    let endpoint = format!("archive.endpoint=http://127.0.0.1:{}", harness::free_port());
    let keys = services.write("keys", "aws_access_key_id = a\naws_secret_access_key = b\n");
    let keys = format!("archive.credentials={}", keys.display());
    let bucket = ["--set", "archive.to=s3://shop-events", "--set", &endpoint, "--set", &keys];
    let (code, report) = check(&[&bucket[..], &["--set", "archive.timeout_s=2"]].concat());
    assert!(code == Some(1) && report.contains("✖ archive: cannot list s3://shop-events/"), "{report}");
}

fn check_is_content_or_gives_the_sql(services: &Services) {
    let content = run(services, &["check"]);
    assert!(content.status.success() && !stdout(&content).contains("✖"), "{}", stdout(&content));
    let mut client = client(services);
    client
        .batch_execute(
            "ALTER TABLE orders RENAME COLUMN created_at TO placed; ALTER TABLE products DROP CONSTRAINT products_pkey",
        )
        .expect("altered");
    let report = stdout(&run(services, &["check"]));
    assert!(report.contains("✖ postgres: table orders has no time column created_at"), "{report}");
    assert!(report.contains("• postgres: table products has no primary key; it is read all the same"), "{report}");
    // The way out that was printed is one that PostgreSQL takes.
    let (_, sql) = report.split_once("or ALTER TABLE").expect("a way out in SQL");
    let sql = &format!("ALTER TABLE{}", sql.lines().next().expect("the rest of the line"));
    client.batch_execute(sql).expect("the printed SQL runs");
    assert!(run(services, &["check"]).status.success());
    client.batch_execute("DROP TABLE order_items").expect("dropped");
    let report = stdout(&run(services, &["check"]));
    let sql = report
        .lines()
        .find_map(|line| line.trim().strip_prefix("mend: ").filter(|way| way.starts_with("CREATE")))
        .expect("SQL");
    client.batch_execute(sql).expect("the printed SQL runs");
    assert!(run(services, &["check", "--set", "postgres.order_time=placed"]).status.success());
    assert!(run(services, &["check", "--set", "postgres.order_time=first_seen"]).status.success());
    assert_eq!(run(services, &["check", "--set", "postgres.order_time=user_id"]).status.code(), Some(1));
}

fn check_names_a_view_and_no_key_for_it(services: &Services) {
    client(services).batch_execute("CREATE VIEW shown AS SELECT * FROM products").expect("made");
    for mode in ["auto", "refresh"] {
        let mode = format!("postgres.mode={mode}");
        let more =
            ["--set", "postgres.tables.products.name=shown", "--set", "postgres.order_time=placed", "--set", &mode];
        let output = run(services, &[&["check"], &more[..]].concat());
        let report = stdout(&output);
        assert!(output.status.success() && report.contains("• postgres: shown is a view; "), "{report}");
        assert!(!report.contains("ALTER TABLE \"shown\""), "{report}");
        let is_followed = mode.ends_with("auto");
        assert_eq!(
            report.contains("[postgres.tables.products] name to the table behind the view"),
            is_followed,
            "{report}"
        );
    }
    client(services).batch_execute("DROP VIEW shown").expect("gone");
}

fn check_names_the_time_zone_and_ids_that_cannot_be_told_apart(services: &Services) {
    let mut client = client(services);
    client.batch_execute("ALTER TABLE orders ADD COLUMN bought timestamp").expect("altered");
    let check = |zone: &str| {
        let zone = format!("postgres.time_zone={zone}");
        let output = run(services, &["check", "--set", "postgres.order_time=bought", "--set", &zone]);
        (output.status.code(), stdout(&output))
    };
    let server: String = client.query_one("SHOW timezone", &[]).expect("a zone").get(0);
    for (zone, named) in [("server", server.as_str()), ("Europe/Berlin", "Europe/Berlin")] {
        let (code, report) = check(zone);
        let named = format!("times without a time zone, which are read as those of {named} ");
        assert!(code == Some(0) && report.contains(&named), "{report}");
    }
    let (code, report) = check("Europe/Nowhere");
    assert!(code == Some(1) && report.contains("knows no time zone Europe/Nowhere"), "{report}");
    client
        .batch_execute(
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             ALTER TABLE orders ALTER COLUMN user_id TYPE text COLLATE loose",
        )
        .expect("altered");
    let output = run(services, &["check", "--set", "postgres.order_time=bought"]);
    let report = stdout(&output);
    let problem = "✖ postgres: column user_id of table orders has a nondeterministic collation";
    assert!(output.status.code() == Some(1) && report.contains(problem), "{report}");
    // The way out that was printed is one that PostgreSQL takes.
    let sql = report.lines().find_map(|line| line.trim().strip_prefix("mend: ")?.split_once("; or read a view"));
    client.batch_execute(sql.expect("SQL").0).expect("the printed SQL runs");
    assert!(run(services, &["check", "--set", "postgres.order_time=bought"]).status.success());
}

fn produce_stamps_sends_and_names_malformed_lines(services: &Services) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let old = r#"{"event":"ProductView","messageid":"m","userid":"user-1","properties":{"productid":"product-1"},"timestamp":5}"#;
    let other = r#"{"user_id":7,"product_id":8,"event_type":"view","\ud83d":"\ude00"}"#;
    write!(file, "\u{feff}{old}\n\nnot json\n{other}\n{{\"event\":\"ProductView\"}}\n").expect("the file is written");
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let path = file.path().to_str().expect("UTF-8");
    let output = run(services, &["produce", "--file", path, "--rate", "20", "--topic", "fresh", "--partitions", "3"]);
    assert_eq!(output.status.code(), Some(1), "two lines are malformed: {}", stderr(&output));
    let named = stderr(&output);
    assert!(
        named.contains("line 3: the payload is not JSON") && named.contains("line 5: `userid` is missing"),
        "{named}"
    );
    assert!(
        stdout(&output).starts_with("sent 2 events to fresh in ")
            && stdout(&output).contains("skipped 2 malformed lines")
    );
    let records = services.kafka.consume("fresh", 2, READ_MAX);
    let mut users: Vec<_> = records
        .iter()
        .map(|record| {
            let event = decode(&record.payload, None, &TimeBounds::around(before)).expect("a sound event");
            assert!(event.at >= before, "stamped with the current time");
            event.user.into_owned()
        })
        .collect();
    users.sort_unstable();
    assert_eq!(users, ["7", "user-1"]);
}

/// The last one: nobody can connect afterwards.
fn a_server_that_demands_tls_is_told_apart(services: &Services) {
    let mut client = client(services);
    let path: String = client.query_one("SHOW hba_file", &[]).expect("a superuser may see it").get(0);
    std::fs::write(path, "hostssl all all 127.0.0.1/32 trust\n").expect("the server's own file can be written");
    client.batch_execute("SELECT pg_reload_conf()").expect("a superuser may");
    let url = |mode: &str| format!("postgres.url={}?sslmode={mode}", services.postgres.url_of("data-db"));
    let check = |mode: &str| stdout(&run(services, &["check", "--set", &url(mode)]));
    harness::wait_until(READ_MAX, "the refusal says why", || {
        check("disable").contains("the server takes connections with TLS only")
    });
    let said = check("require");
    assert!(said.contains("sslmode=require: the server does not speak TLS"), "{said}");
    let output = run(services, &["check", "--set", &url("verify")]);
    assert_eq!(output.status.code(), Some(78), "{}", stdout(&output));
}
