//! SIGHUP, as from a terminal that is closed: the program stops in order with a last checkpoint, unless it was started
//! with SIGHUP ignored.

use std::path::Path;

use harness::kafka::Broker;
use harness::{Process, free_port, http, wait_until};
use tempfile::TempDir;

use super::program::{SOON, ServeProcess, through, view};
use crate::vitrine;

/// No checkpoint comes by itself.
fn config(dir: &Path, broker: &Broker, port: u16) -> std::path::PathBuf {
    let path = dir.join("vitrine.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[kafka]\nbrokers = \"{}\"\n\
         [checkpoint]\ndir = \"{}\"\nevery_s = 86400\n",
        broker.bootstrap(),
        dir.join("checkpoints").display()
    );
    std::fs::write(&path, text).expect("the test's own file can be written");
    path
}

#[test]
fn a_closed_terminal_ends_it_with_a_last_checkpoint() {
    let broker = Broker::start();
    broker.create_topic("views", 2);
    broker.produce("views", None, [view("ada", "lamp")]);
    let dir = TempDir::with_prefix("vitrine-hang-up-").expect("a temporary directory");
    let port = free_port();
    let (path, url) = (config(dir.path(), &broker, port), format!("http://127.0.0.1:{port}"));
    let mut serving = ServeProcess::again(&path, &url);
    serving.wait_ready();
    assert_eq!(serving.products("/v1/users/ada/history"), ["lamp"]);
    serving.process.hang_up();
    assert_eq!(serving.process.wait_exit(SOON).code(), Some(0), "{}", serving.process.stderr());
    assert!(serving.process.stderr().contains("SIGHUP"), "{}", serving.process.stderr());

    let mut serving = ServeProcess::again(&path, &url);
    serving.wait_ready();
    assert!(serving.process.stderr().contains("going on from a checkpoint"), "{}", serving.process.stderr());
    assert_eq!(serving.products("/v1/users/ada/history"), ["lamp"]);
    // Before anything has started, at once.
    serving.process.hang_up();
    assert_eq!(serving.process.wait_exit(SOON).code(), Some(0));
}

#[test]
fn one_that_was_started_to_outlive_its_terminal_does() {
    let dir = TempDir::with_prefix("vitrine-files-").expect("a temporary directory");
    let (files, address) = (format!("files.dir={}", dir.path().display()), format!("127.0.0.1:{}", free_port()));
    let program = vitrine(&["serve", "--set", &files, "--listen", &address]);
    let mut process = Process::spawn("vitrine", through(&["nohup"], &program));
    let answers =
        || http::try_request("GET", &format!("http://{address}/readyz"), &[], b"").is_ok_and(|it| it.status == 200);
    wait_until(SOON, "it serves", answers);
    process.hang_up();
    // A signal that is listened to would come before this one, and be named.
    process.terminate();
    assert_eq!(process.wait_exit(SOON).code(), Some(0));
    let message = process.stderr();
    assert!(message.contains("SIGTERM") && !message.contains("SIGHUP"), "{message}");
}
