//! Replays that cannot run print the reason and end with the right exit code.

use std::fs;
use std::time::{Duration, Instant};

use harness::{free_port, stderr};
use tempfile::TempDir;

use super::past::write_files;
use super::{files, vitrine};

/// A replay of the files in `data` into `out`, both under `dir`.
fn replay(dir: &TempDir, more: &[&str]) -> (Option<i32>, String) {
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let data = format!("files.dir={}", data.display());
    let out = out.to_str().expect("a plain name").to_owned();
    let mut args = vec!["replay", "--set", &data, "--out", &out];
    args.extend(more);
    let output = vitrine(&args);
    (output.status.code(), stderr(&output))
}

fn shop() -> TempDir {
    let dir = TempDir::new().expect("a temporary directory");
    fs::create_dir(dir.path().join("data")).expect("a directory is made");
    write_files(&dir.path().join("data"));
    dir
}

#[test]
fn wrong_flags_end_with_2_and_a_wrong_configuration_with_78() {
    let dir = shop();
    for (flags, words) in [
        (&["--from", "2026-11-02", "--until", "2026-11-01"][..], "--from is after --until"),
        (&["--from", "yesterday", "--until", "2026-11-01"], "2026-11-20T10:15:00Z"),
        (&["--from", "2026-11-01", "--until", "2026-11-02", "--every", "1"], "a number and a unit"),
        (&["--from", "2026-11-01", "--until", "2026-11-30", "--every", "1s"], "longer --every"),
        (&["--from", "2026-11-01"], "--until"),
    ] {
        let (code, message) = replay(&dir, flags);
        assert_eq!(code, Some(2), "{flags:?}: {message}");
        assert!(message.contains(words), "{flags:?}: {message}");
    }
    let (code, message) =
        replay(&dir, &["--from", "2026-11-01", "--until", "2026-11-01", "--set", "rules.list_size=0"]);
    assert_eq!(code, Some(78), "{message}");
    let output = vitrine(&["replay", "--from", "2026-11-01", "--until", "2026-11-01"]);
    assert_eq!(output.status.code(), Some(78), "no source is configured: {}", stderr(&output));
    assert!(!dir.path().join("out").exists());
}

#[test]
fn a_directory_with_anything_else_in_it_is_left_alone() {
    let dir = shop();
    let days = ["--from", "2026-11-01", "--until", "2026-11-02"];
    assert_eq!(replay(&dir, &days), (Some(0), String::new()));
    let first = files(&dir.path().join("out"));
    assert_eq!(replay(&dir, &days), (Some(0), String::new()), "the same replay may run again");
    assert!(files(&dir.path().join("out")) == first);
    let (code, message) = replay(&dir, &["--from", "2026-11-02", "--until", "2026-11-03"]);
    assert_eq!(code, Some(1));
    assert!(message.contains("lists-20261101T000000Z"), "{message}");
    assert!(files(&dir.path().join("out")) == first);
}

#[test]
fn what_cannot_be_reached_or_read_is_said_in_bounded_time() {
    let dir = TempDir::new().expect("a temporary directory");
    let out = dir.path().join("out");
    let run = |source: &str| {
        let day = "2026-11-01";
        let out = out.to_str().expect("a plain name");
        let output = vitrine(&["replay", "--from", day, "--until", day, "--out", out, "--set", source]);
        assert_eq!(output.status.code(), Some(1), "{source}");
        stderr(&output)
    };
    let start = Instant::now();
    let nobody = format!("127.0.0.1:{}", free_port());
    let message = run(&format!("kafka.brokers={nobody}"));
    assert!(message.contains(&format!("no Kafka broker of {nobody} answered within 5 s")), "{message}");
    let message = run(&format!("postgres.url=postgresql://u:secret@{nobody}/shop"));
    assert!(message.contains(&format!("PostgreSQL at {nobody}/shop")) && !message.contains("secret"), "{message}");
    let message = run(&format!("files.dir={}", dir.path().join("nothing").display()));
    assert!(message.contains("has none of views.jsonl"), "{message}");
    assert!(start.elapsed() < Duration::from_secs(180));
    fs::create_dir(dir.path().join("data")).expect("a directory is made");
    fs::write(dir.path().join("data/orders.csv"), "order,user\n").expect("a file is written");
    let message = run(&format!("files.dir={}", dir.path().join("data").display()));
    assert!(message.contains("lacks the columns order_id, user_id, product_id, created_at"), "{message}");
}
