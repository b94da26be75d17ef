//! Starts that cannot succeed, and print the reason.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::vitrine;

#[test]
fn a_configuration_that_cannot_be_used_exits_with_78_and_names_the_place() {
    let dir = TempDir::with_prefix("vitrine-config-").expect("a temporary directory");
    let config = dir.path().join("vitrine.toml");
    std::fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\n[files]\ndirr = \"x\"\n")
        .expect("the file is written");
    let output = vitrine(&["serve", "--config", config.to_str().expect("UTF-8")]).output().expect("the program starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{message}");
    assert!(message.contains("vitrine.toml") && message.contains("dirr") && message.contains("files.dir"), "{message}");
    assert!(output.stdout.is_empty());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let dir = TempDir::with_prefix("vitrine-files-").expect("a temporary directory");
    let files = format!("files.dir={}", dir.path().display());
    let output = vitrine(&["serve", "--set", &files, "--listen", &address]).output().expect("the program starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&format!("cannot listen on {address}")) && message.contains("in use"), "{message}");
}

#[test]
fn a_hosts_file_that_cannot_be_used_is_a_wrong_configuration() {
    let dir = TempDir::with_prefix("vitrine-hosts-").expect("a temporary directory");
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        path.display().to_string()
    };
    for (hosts, words) in [
        (dir.path().join("nowhere").display().to_string(), "cannot read"),
        (path("short", "127.0.0.1:1 127.0.0.1:2\n"), "names 1 processes"),
        (path("shapeless", "127.0.0.1\n127.0.0.1\n"), "line 1"),
        // Of a network for documentation, which no machine is in.
        (path("public", "192.0.2.1:1 192.0.2.1:2\n127.0.0.1:1 127.0.0.1:2\n"), "cannot be a peer's"),
    ] {
        let args = ["serve", "--set", "kafka.brokers=127.0.0.1:1", "--listen", "127.0.0.1:0", "--processes", "2"];
        let output = vitrine(&args).args(["--hosts", &hosts]).output().expect("the program starts");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{message}");
        assert!(message.contains(words), "{message}");
    }
}
