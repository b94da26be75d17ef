//! `vitrine generate --to files`, `vitrine check` on them, and the exit codes and streams of the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use events::{EventKind, TimeBounds, decode};
use harness::{stderr, stdout};

use crate::vitrine;

const UNTIL: &str = "2026-11-20T10:15:00Z";
const UNTIL_MS: u64 = 1_795_169_700_000;

fn generate(dir: &Path, further: &[&str]) -> Output {
    let dir = dir.to_str().expect("UTF-8");
    let args = ["generate", "--to", "files", "--dir", dir, "--views", "500", "--orders", "300", "--until", UNTIL];
    vitrine(&[&args, further].concat())
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(dir).expect("the directory is there").map(|entry| entry.expect("it can be read"));
    files
        .map(|file| (file.file_name().into_string().expect("UTF-8"), std::fs::read(file.path()).expect("a file")))
        .collect()
}

#[test]
fn the_same_seed_and_end_give_the_same_bytes() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary directory"));
    for (dir, seed) in dirs.iter().zip(["7", "7", "8"]) {
        assert!(generate(dir.path(), &["--seed", seed]).status.success());
    }
    let [first, same, other] = dirs.map(|dir| contents(dir.path()));
    assert_eq!(first.keys().collect::<Vec<_>>(), ["orders.csv", "product_catalog.csv", "views.jsonl"]);
    assert!(first == same && first != other);
}

#[test]
fn every_line_is_one_the_sources_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    assert!(generate(dir.path(), &["--style", "readable"]).status.success());
    let views = std::fs::read_to_string(dir.path().join("views.jsonl")).expect("views");
    let bounds = TimeBounds::around(UNTIL_MS);
    assert_eq!(views.lines().count(), 500);
    for line in views.lines() {
        let event =
            decode(line.as_bytes(), Some(UNTIL_MS.into()), &bounds).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(event.kind, EventKind::View);
    }
    let mut catalogue = csv::Reader::from_path(dir.path().join("product_catalog.csv")).expect("a catalogue");
    assert_eq!(
        catalogue.headers().expect("a first line"),
        vec!["product_id", "product_name", "category", "price", "description", "attributes"]
    );
    let products: BTreeMap<String, String> = catalogue
        .records()
        .map(|row| row.expect("a row"))
        .inspect(|row| assert!(serde_json::from_str::<serde_json::Value>(&row[5]).is_ok_and(|json| json.is_object())))
        .map(|row| (row[0].to_owned(), row[2].to_owned()))
        .collect();
    assert_eq!(products.len(), 500);
    let mut orders = csv::Reader::from_path(dir.path().join("orders.csv")).expect("orders");
    assert_eq!(
        orders.headers().expect("a first line"),
        vec!["order_id", "user_id", "product_id", "quantity", "created_at"]
    );
    let lines: Vec<_> = orders.records().map(|row| row.expect("a row")).collect();
    assert!(
        lines
            .iter()
            .all(|line| products.contains_key(&line[2]) && chrono::DateTime::parse_from_rfc3339(&line[4]).is_ok())
    );
    let first_ids: Vec<_> = lines.iter().map(|line| &line[0]).collect();
    assert!(first_ids.windows(2).any(|pair| pair[0] == pair[1]), "some orders have several lines");
}

#[test]
fn more_categories_than_products_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let refused = generate(dir.path(), &["--products", "10", "--categories", "50"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--categories 50") && contents(dir.path()).is_empty(), "{}", stderr(&refused));
}

#[test]
fn existing_files_are_replaced_only_when_forced() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    assert!(generate(dir.path(), &[]).status.success());
    let before = contents(dir.path());
    let refused = generate(dir.path(), &["--seed", "2"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("--force") && contents(dir.path()) == before);
    assert!(generate(dir.path(), &["--seed", "2", "--force"]).status.success());
    assert!(contents(dir.path()) != before);
}

#[test]
fn check_names_what_is_missing_and_how_to_mend_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let setting = format!("files.dir={}", dir.path().display());
    let empty = vitrine(&["check", "--set", &setting]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(
        stdout(&empty).contains("✖") && stdout(&empty).contains("mend: vitrine generate --to files --dir "),
        "{}",
        stdout(&empty)
    );
    assert!(generate(dir.path(), &[]).status.success());
    let full = vitrine(&["check", "--set", &setting]);
    assert!(full.status.success() && !stdout(&full).contains("✖"), "{}", stdout(&full));
    std::fs::write(dir.path().join("orders.csv"), "order_id,user_id,product_id\n").expect("the file is written");
    let broken = vitrine(&["check", "--set", &setting]);
    assert!(
        broken.status.code() == Some(1) && stdout(&broken).contains("has no column created_at"),
        "{}",
        stdout(&broken)
    );
}

#[test]
fn a_wrong_configuration_exits_with_78_and_says_why_on_stderr() {
    for args in [
        &["serve", "--set", "server.lisen=127.0.0.1:1"][..],
        &["serve", "--config", "/nowhere/vitrine.toml"],
        &["serve"],
        &["check", "--set", "files.dir=x", "--set", "dataflow.workers=0"],
        &["serve", "--set", "files.dir=x", "--workers", "1000"],
    ] {
        let output = vitrine(args);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {}", stderr(&output));
        assert!(
            output.stdout.is_empty() && stderr(&output).starts_with("vitrine: the configuration cannot be used\n"),
            "{args:?}"
        );
    }
    assert_eq!(vitrine(&["serve", "--nonsense"]).status.code(), Some(2));
}

#[test]
fn a_broker_that_is_not_there_is_named_soon() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("UTF-8");
    let start = std::time::Instant::now();
    let brokers = format!("127.0.0.1:{}", harness::free_port());
    let output = vitrine(&["produce", "--brokers", &brokers, "--file", path, "--rate", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains(&format!("no Kafka broker of {brokers} answered")) && message.contains("refused"),
        "{message}"
    );
    assert!(start.elapsed() < std::time::Duration::from_secs(60));
}
