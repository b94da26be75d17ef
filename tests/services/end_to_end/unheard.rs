//! Stderr is closed: a log that cannot be written does not end the program.

use std::process::Command;

use harness::{Process, free_port, http, wait_until};
use tempfile::TempDir;

use super::program::SOON;
use crate::vitrine;

/// The program with a stderr that refuses whatever is written to it.
fn unheard(args: &[&str]) -> Command {
    let program = vitrine(args);
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" "$@" 2>/dev/full"#]).arg(program.get_program()).args(program.get_args());
    for (name, _) in program.get_envs().filter(|(_, value)| value.is_none()) {
        command.env_remove(name);
    }
    command
}

#[test]
fn a_server_whose_log_cannot_be_written_serves_on_and_ends_in_order() {
    let dir = TempDir::with_prefix("vitrine-files-").expect("a temporary directory");
    let files = format!("files.dir={}", dir.path().display());
    for format in ["log.format=text", "log.format=json"] {
        let address = format!("127.0.0.1:{}", free_port());
        let args = ["serve", "--set", &files, "--set", format, "--set", "log.level=debug", "--listen", &address];
        let mut process = Process::spawn("vitrine", unheard(&args));
        wait_until(SOON, "it serves", || {
            assert!(process.is_running(), "it has ended over its log");
            http::try_request("GET", &format!("http://{address}/readyz"), &[], b"").is_ok_and(|it| it.status == 200)
        });
        process.terminate();
        assert_eq!(process.wait_exit(SOON).code(), Some(0));
    }
}

#[test]
fn an_error_that_cannot_be_told_has_its_exit_code() {
    let output = unheard(&["serve", "--config", "/nowhere/vitrine.toml"]).output().expect("sh starts");
    assert_eq!(output.status.code(), Some(78));
}
