//! Few file descriptors: the program raises the limit as far as possible. If that is not enough, it still answers from
//! the rows that it has.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::process::Command;

use harness::http::{self, Answer};
use harness::kafka::Broker;
use harness::{Process, free_port, wait_until};
use tempfile::TempDir;

use super::program::{SOON, view};
use crate::vitrine;

/// Connections that are opened and kept: more than there are descriptors, and fewer than the system lets wait.
const CROWD: usize = 100;

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

struct LimitedServer {
    process: Process,
    address: String,
    _dir: TempDir,
}

impl LimitedServer {
    /// On files.
    fn start(limits: &str) -> LimitedServer {
        let dir = TempDir::with_prefix("vitrine-files-").expect("a temporary directory");
        let files = format!("files.dir={}", dir.path().display());
        LimitedServer::on(&files, dir, limits)
    }

    /// With a directory of checkpoints: what is answered is noted there.
    fn on(source: &str, dir: TempDir, limits: &str) -> LimitedServer {
        let checkpoints = format!("checkpoint.dir={}", dir.path().join("checkpoints").display());
        let address = format!("127.0.0.1:{}", free_port());
        // Who says nothing stays.
        let patient = "server.header_timeout_ms=600000";
        // Each serving thread takes descriptors of its own, as many as the machine has cores.
        let one_thread = "server.threads=1";
        let sets = [source, &checkpoints, patient, one_thread].map(|set| ["--set", set]);
        let args = [&["serve", "--listen", &address], sets.as_flattened()].concat();
        let server = LimitedServer { process: Process::spawn("vitrine", limited(limits, &args)), address, _dir: dir };
        wait_until(SOON, "it is ready", || server.get("/readyz").is_some_and(|answer| answer.status == 200));
        server
    }

    /// A connection that stays open.
    fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(&self.address).expect("the system queues connections"))
    }

    fn crowd(&self) -> Vec<BufReader<TcpStream>> {
        (0..CROWD).map(|_| self.connect()).collect()
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
    let server = LimitedServer::start("ulimit -Sn 64; ulimit -Hn 700");
    assert_eq!(server.soft_limit(), 700);
    let message = server.warnings();
    assert!(message.len() == 1 && message[0].contains("open 700 files: 572 connections"), "{message:?}");
}

#[test]
fn a_crowd_takes_no_descriptor_that_the_rest_needs() {
    let mut server = LimitedServer::start("ulimit -n 64");
    a_crowd_comes_and_goes(&server);
    let message = server.warnings();
    assert!(message.len() == 1 && message[0].contains("open 64 files: 16 connections"), "{message:?}");
    server.process.terminate();
    assert_eq!(server.process.wait_exit(SOON).code(), Some(0), "{}", server.process.stderr());
}

/// There is not even room for the connections that have theirs.
#[test]
fn with_hardly_any_descriptor_the_time_shown_moves_on_and_one_warning_says_why() {
    let mut server = LimitedServer::start("ulimit -n 34");
    a_crowd_comes_and_goes(&server);
    let message = server.warnings();
    assert!(
        message.len() == 2 && message[0].contains("open 34 files") && message[1].contains("few file descriptors"),
        "{message:?}"
    );
    server.process.terminate();
    assert_eq!(server.process.wait_exit(SOON).code(), Some(0), "{}", server.process.stderr());
}

#[test]
fn a_broker_is_found_again_beside_a_crowd() {
    let mut broker = Broker::start();
    broker.create_topic("views", 2);
    let dir = TempDir::with_prefix("vitrine-checkpoints-").expect("a temporary directory");
    let mut server = LimitedServer::on(&format!("kafka.brokers={}", broker.bootstrap()), dir, "ulimit -n 64");
    let mut kept = server.connect();
    let _crowd = server.crowd();
    broker.kill9();
    wait_until(SOON, "the broker is missed", || ask(&mut kept, "/readyz").status == 503);
    broker.restart();
    wait_until(SOON, "the broker is found again", || ask(&mut kept, "/readyz").status == 200);
    broker.produce("views", Some(1), [view("ada", "lamp")]);
    let history = |kept: &mut _| ask(kept, "/v1/users/ada/history").json()["products"].clone();
    wait_until(SOON, "what it has is read", || history(&mut kept) == serde_json::json!(["lamp"]));
    server.process.terminate();
    assert_eq!(server.process.wait_exit(SOON).code(), Some(0), "{}", server.process.stderr());
}

/// Meanwhile the time shown moves on, and who was there before is answered.
fn a_crowd_comes_and_goes(server: &LimitedServer) {
    let mut kept = server.connect();
    let before = as_of(&mut kept);
    let crowd = server.crowd();
    wait_until(SOON, "the time shown moves on", || as_of(&mut kept) > before + MOVES_MS);
    drop(crowd);
    wait_until(SOON, "others are answered again", || server.get("/readyz").is_some_and(|answer| answer.status == 200));
}

/// The time shown.
fn as_of(kept: &mut BufReader<TcpStream>) -> u64 {
    ask(kept, "/v1/status").json()["as_of_ms"].as_u64().expect("a number")
}

/// An answer on a connection that stays open.
fn ask(kept: &mut BufReader<TcpStream>, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n");
    kept.get_ref().write_all(request.as_bytes()).expect("the connection is kept");
    http::read_answer(kept, "GET").expect("the connection is kept")
}
