//! A replay of topics and tables gives the same bytes as a replay of files with the same records.

use std::path::Path;
use std::time::Duration;

use harness::kafka::Broker;
use harness::postgres::execute;
use harness::{Services, stderr, stdout};
use rdkafka::producer::{BaseRecord, Producer as _};
use tempfile::TempDir;

use super::past::{DAY, START, write_files, write_tables, write_topics};
use super::{files, vitrine};

const LAST: Duration = Duration::from_secs(120);

fn replay(out: &Path, source: &[&str], more: &[&str]) -> std::process::Output {
    let (from, until) = (START.to_string(), (START + 4 * DAY + 3_600_000).to_string());
    let mut args = vec!["replay", "--from", &from, "--until", &until, "--every", "12h", "--out"];
    args.push(out.to_str().expect("a plain name"));
    args.extend(source.iter().chain(more));
    vitrine(&args)
}

#[test]
fn topics_and_tables_give_what_files_give() {
    let Services { kafka, postgres, .. } = Services::start();
    let url = postgres.create_database("shop");
    write_tables(&url);
    let dir = TempDir::new().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);

    let (broker, database) = (format!("kafka.brokers={}", kafka.bootstrap()), format!("postgres.url={url}"));
    let source = ["--set", &broker, "--set", &database];
    let missing = replay(&at("missing"), &source, &[]);
    assert_eq!(missing.status.code(), Some(1), "{}", stdout(&missing));
    assert!(stderr(&missing).contains("topic \"views\" does not exist"), "{}", stderr(&missing));

    std::fs::create_dir(at("data")).expect("a directory is made");
    write_files(&at("data"));
    let data = format!("files.dir={}", at("data").display());
    let of_files = replay(&at("of-files"), &["--set", &data], &["--workers", "2"]);
    assert!(of_files.status.success(), "{}", stderr(&of_files));

    write_topics(&kafka);
    leave_an_aborted_transaction(&kafka);
    for workers in ["1", "2", "4"] {
        let out = at(&format!("of-services-{workers}"));
        let output = replay(&out, &source, &["--workers", workers]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("refused: 1 not_json"), "{}", stdout(&output));
        assert!(stdout(&output).contains(" in 10 steps to "), "{}", stdout(&output));
        let (mut expected, mut found) = (files(&at("of-files")), files(&out));
        let letters =
            [&mut expected, &mut found].map(|files| files.remove("dead-letters.jsonl").expect("a bad record"));
        assert!(letters.iter().all(|letters| String::from_utf8_lossy(letters).contains("\"not json\"")));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert_eq!(found.len(), 20);
        let differing: Vec<_> = expected.iter().filter(|(name, bytes)| found[*name] != **bytes).collect();
        assert!(differing.is_empty(), "{:?}", differing.iter().map(|(name, _)| name).collect::<Vec<_>>());
        let last = String::from_utf8(found["lists-20261105T010000Z.jsonl"].clone()).expect("UTF-8");
        for list in ["bestsellers", "category", "history"] {
            assert!(last.contains(&format!("\"list\":\"{list}\"")), "{last}");
        }
    }

    // Two orders out of the window and one after the end change nothing, one without a time is told.
    execute(
        &url,
        "INSERT INTO orders VALUES (1000, 'user-1', '2026-09-30'), (1001, 'user-1', '2026-11-30'), (1002, 'user-1', NULL);
         INSERT INTO order_items SELECT order_id, 'product-1', 1 FROM orders WHERE order_id >= 1000",
    );
    let output = replay(&at("of-services-1"), &source, &[]);
    assert!(stdout(&output).contains("refused: 1 missing_field"), "{}{}", stdout(&output), stderr(&output));
    let (again, before) = (files(&at("of-services-1")), files(&at("of-services-2")));
    assert!(before.iter().all(|(name, bytes)| name == "dead-letters.jsonl" || again[name] == *bytes));
    let letters = String::from_utf8_lossy(&again["dead-letters.jsonl"]).into_owned();
    assert_eq!(letters.lines().count(), 2, "{letters}");

    let timeless = replay(&at("timeless"), &source, &["--set", "postgres.order_time=first_seen"]);
    assert_eq!(timeless.status.code(), Some(1));
    assert!(stderr(&timeless).contains("order_time"), "{}", stderr(&timeless));
}

/// Records that were taken back at the very end of a partition: its last offset belongs to nobody.
fn leave_an_aborted_transaction(kafka: &Broker) {
    let producer = kafka.producer(&[("transactional.id", "replay"), ("linger.ms", "0")]);
    producer.init_transactions(LAST).expect("transactions can be used");
    producer.begin_transaction().expect("a transaction begins");
    for _ in 0..5 {
        let event = format!(
            "{{\"user_id\":\"user-1\",\"product_id\":\"never\",\"event_type\":\"view\",\"timestamp\":{}}}",
            START + DAY
        );
        let record = BaseRecord::<str, str>::to("views").partition(1).payload(&event);
        producer.send(record).expect("the queue has room");
    }
    producer.flush(LAST).expect("the records are written");
    producer.abort_transaction(LAST).expect("the transaction is taken back");
}
