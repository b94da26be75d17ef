//! Places on the disk that cannot be used: `vitrine check` names each, and `vitrine serve` does not start without those that it
//! must have.

use std::path::Path;

use harness::{stderr, stdout};
use tempfile::TempDir;

use crate::vitrine;

/// A directory with an empty file `taken`.
fn dir() -> TempDir {
    let dir = TempDir::with_prefix("vitrine-places-").expect("a temporary directory");
    std::fs::write(dir.path().join("taken"), "").expect("a file is written");
    dir
}

fn setting(key: &str, path: &Path) -> String {
    format!("{key}={}", path.display())
}

#[test]
fn check_names_each_place_that_cannot_be_used() {
    let dir = dir();
    let taken = dir.path().join("taken");
    std::fs::create_dir(dir.path().join("directory")).expect("a directory is made");
    let sets = [
        setting("files.dir", &taken),
        setting("checkpoint.dir", &taken),
        setting("sinks.audit", dir.path()),
        setting("sinks.changes", &dir.path().join("directory")),
        setting("models.als.dir", &taken),
        "models.als.enabled=on".to_owned(),
    ];
    let flags = sets.iter().flat_map(|set| ["--set", set]);
    let checked = vitrine(&["check"].into_iter().chain(flags).collect::<Vec<_>>());
    let said = stdout(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    for (what, setting) in [
        ("checkpoints", "checkpoint.dir"),
        ("factor models", "models.als.dir"),
        ("audit log", "sinks.audit"),
        ("changes of lists", "sinks.changes"),
    ] {
        let begins = format!("✖ {what}: ");
        let at = said.lines().position(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{what}: {said}"));
        let way = said.lines().nth(at + 1).expect("a way to mend it");
        assert!(way.starts_with("    mend: ") && way.ends_with(&format!("set `{setting}`")), "{said}");
    }
    let way = format!("    mend: {} is a file: remove it, or set `files.dir` to a directory", taken.display());
    assert!(said.lines().any(|line| line == way), "{said}");
}

#[test]
fn serve_does_not_start_without_its_places_and_gives_the_reason_once() {
    let (dir, other) = (dir(), dir());
    let files = setting("files.dir", dir.path());
    for (set, reason) in [
        (setting("checkpoint.dir", &dir.path().join("taken")), "File exists"),
        (setting("sinks.audit", other.path()), "Is a directory"),
    ] {
        let served = vitrine(&["serve", "--listen", "127.0.0.1:0", "--set", &files, "--set", &set]);
        let said = stderr(&served);
        assert_eq!(served.status.code(), Some(1), "{said}");
        let last = said.lines().last().expect("an error");
        assert!(last.starts_with("vitrine: ") && last.matches(reason).count() == 1, "{said}");
    }
}

#[test]
fn neither_check_nor_serve_takes_a_path_for_two_settings() {
    let dir = dir();
    let sets = [
        setting("files.dir", dir.path()),
        setting("sinks.changes", &dir.path().join("log")),
        setting("sinks.audit", &dir.path().join("log")),
    ];
    let flags: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    for command in [&["check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let refused = vitrine(&[command, &flags].concat());
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(78), "{said}");
        assert!(said.contains("`sinks.changes` is ") && said.contains("which is also `sinks.audit`"), "{said}");
    }
}

#[test]
fn check_says_that_a_file_is_no_store() {
    let dir = dir();
    let (store, files) = (dir.path().join("notdb"), setting("files.dir", dir.path()));
    std::fs::write(&store, "hello\n").expect("a file is written");
    let set = setting("store.path", &store);
    let checked = vitrine(&["check", "--set", &files, "--set", &set]);
    let said = stdout(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("✖ store: ") && said.contains("file is not a database"), "{said}");
    assert!(said.contains("    mend: set `store.path` to a file of Vitrine's"), "{said}");
}

#[test]
fn an_export_of_a_store_that_is_not_there_fails_and_makes_no_file() {
    let dir = dir();
    let store = dir.path().join("store.db");
    let set = setting("store.path", &store);
    let refused = vitrine(&["export", "products", "--set", &set]);
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), String::new()));
    assert!(stderr(&refused).contains("is not there") && !store.exists(), "{}", stderr(&refused));
    let file = dir.path().join("products.csv");
    std::fs::write(&file, "product_id\nlamp\n").expect("a file is written");
    let file = file.to_str().expect("a temporary directory has a plain name");
    assert!(vitrine(&["import", "products", file, "--set", &set]).status.success(), "an import makes the file");
    let exported = stdout(&vitrine(&["export", "products", "--set", &set]));
    assert!(exported.lines().count() == 2 && exported.contains("lamp"), "{exported}");
}

#[test]
fn the_archive_of_a_mistyped_path_is_neither_verified_nor_erased() {
    let dir = dir();
    let missing = dir.path().join("missing");
    let place = missing.to_str().expect("a temporary directory has a plain name");
    for action in [&["verify"][..], &["ls"], &["compact"], &["erase", "--user", "ada"]] {
        let refused = vitrine(&[&["archive"], action, &["--to", place]].concat());
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), String::new()), "{action:?}");
        assert!(stderr(&refused).contains(&format!("there is no archive at {place}")), "{}", stderr(&refused));
        assert!(!missing.exists());
    }
}

#[test]
fn check_says_what_to_do_about_a_copy_without_a_server() {
    let dir = dir();
    let files = setting("files.dir", dir.path());
    let (table, url) = ("sinks.postgres.table=lists", "sinks.postgres.url=postgresql://shop@127.0.0.1:1/shop");
    let said = stdout(&vitrine(&["check", "--set", &files, "--set", table, "--set", url]));
    let at = said.lines().position(|line| line.starts_with("✖ sinks.postgres: no connection to ")).expect(&said);
    let way = said.lines().nth(at + 1).expect("a way to mend it");
    assert!(way.starts_with("    mend: start PostgreSQL, or set `sinks.postgres.url`"), "{said}");
}
