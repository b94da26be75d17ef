//! Few file descriptors: the limit is raised as far as it goes, and where that is not far what is known is answered on.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::process::Command;

use harness::http::{self, Answer};
use harness::{Process, free_port, wait_until};
use tempfile::TempDir;

use crate::program::{SOON, vitrine};

/// Connections that are opened and kept, more than there are descriptors.
const CROWD: usize = 200;

/// The time shown must move by this while there are too many: several times what the mark is ahead of it.
const MOVES_MS: u64 = 8_000;

/// `vitrine`, with the limits of open files set by a shell's `ulimit`.
fn limited(limits: &str, args: &[&str]) -> Command {
    let program = vitrine(args);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]).arg(program.get_program()).args(program.get_args());
    for (name, _) in program.get_envs().filter(|(_, value)| value.is_none()) {
        command.env_remove(name);
    }
    command
}

struct Server {
    process: Process,
    address: String,
    _dir: TempDir,
}

impl Server {
    /// On files, with a directory of checkpoints: what is answered is noted there.
    fn start(limits: &str) -> Server {
        let dir = TempDir::with_prefix("vitrine-files-").expect("a temporary directory");
        let files = format!("files.dir={}", dir.path().display());
        let checkpoints = format!("checkpoint.dir={}", dir.path().join("checkpoints").display());
        let address = format!("127.0.0.1:{}", free_port());
        // Who says nothing stays.
        let patient = "server.header_timeout_ms=600000";
        let args = ["serve", "--set", &files, "--set", &checkpoints, "--set", patient, "--listen", &address];
        let server = Server { process: Process::spawn("vitrine", limited(limits, &args)), address, _dir: dir };
        wait_until(SOON, "it is ready", || server.get("/readyz").is_some_and(|answer| answer.status == 200));
        server
    }

    fn get(&self, path: &str) -> Option<Answer> {
        http::try_request("GET", &format!("http://{}{path}", self.address), &[], b"").ok()
    }

    /// The lines of its log at a level that somebody looks at.
    fn warnings(&self) -> Vec<String> {
        let log = self.process.stderr();
        log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).map(str::to_owned).collect()
    }

    fn soft_limit(&self) -> u64 {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.process.pid())).expect("it runs");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("there is such a limit");
        line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).expect("a number")
    }
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let server = Server::start("ulimit -Sn 64; ulimit -Hn 700");
    assert_eq!(server.soft_limit(), 700);
    let said = server.warnings();
    assert!(said.len() == 1 && said[0].contains("open 700 files: 572 connections"), "{said:?}");
}

#[test]
fn a_crowd_takes_no_descriptor_that_the_rest_needs() {
    let mut server = Server::start("ulimit -n 64");
    a_crowd_comes_and_goes(&server);
    let said = server.warnings();
    assert!(said.len() == 1 && said[0].contains("open 64 files: 16 connections"), "{said:?}");
    server.process.terminate();
    assert_eq!(server.process.wait_exit(SOON).code(), Some(0), "{}", server.process.stderr());
}

/// There is not even room for the connections that are kept.
#[test]
fn without_any_descriptor_left_the_time_shown_moves_on_and_one_warning_says_why() {
    let mut server = Server::start("ulimit -n 34");
    a_crowd_comes_and_goes(&server);
    let said = server.warnings();
    assert!(said.iter().filter(|line| line.contains("cannot accept connections")).count() == 1, "{said:?}");
    assert!(said.len() <= 3, "{said:?}");
    server.process.terminate();
    assert_eq!(server.process.wait_exit(SOON).code(), Some(0), "{}", server.process.stderr());
}

/// Meanwhile the time shown moves on, and who was there before is answered.
fn a_crowd_comes_and_goes(server: &Server) {
    let mut kept = BufReader::new(TcpStream::connect(&server.address).expect("it listens"));
    let before = as_of(&mut kept);
    let crowd: Vec<TcpStream> =
        (0..CROWD).map(|_| TcpStream::connect(&server.address).expect("the system queues connections")).collect();
    wait_until(SOON, "the time shown moves on", || as_of(&mut kept) > before + MOVES_MS);
    drop(crowd);
    wait_until(SOON, "others are answered again", || server.get("/readyz").is_some_and(|answer| answer.status == 200));
}

/// The time of an answer on a connection that stays open.
fn as_of(kept: &mut BufReader<TcpStream>) -> u64 {
    kept.get_ref().write_all(b"GET /v1/status HTTP/1.1\r\nhost: shop\r\n\r\n").expect("the connection is kept");
    let answer = http::read_answer(kept, "GET").expect("the connection is kept");
    answer.json()["as_of_ms"].as_u64().expect("a number")
}
