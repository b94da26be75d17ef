//! Processes connect to a cluster, or find that they cannot, or are stopped before they have connected; no services are
//! needed.

mod supervisor;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Process, free_port, http, wait_for, wait_until};
use tempfile::TempDir;

use crate::local_cluster;

/// More than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// The exit status of a process whose link to another one broke: a thread of its has panicked.
const PANICKED: i32 = 101;

/// What two processes have in common.
struct ProcessPair {
    dir: TempDir,
    hosts: PathBuf,
    config: PathBuf,
    /// The ports of the processes' servers.
    ports: [u16; 2],
}

impl ProcessPair {
    fn new() -> ProcessPair {
        let dir = TempDir::with_prefix("vitrine-pair-").expect("a temporary directory");
        let ports = [free_port(), free_port()];
        let hosts = local_cluster::write_hosts(dir.path(), &ports);
        let config = dir.path().join("vitrine.toml");
        let text = format!("[kafka]\nbrokers = \"127.0.0.1:1\"\n{}", local_cluster::SETTINGS);
        std::fs::write(&config, text).expect("the test's own file can be written");
        ProcessPair { dir, hosts, config, ports }
    }

    fn start(&self, process: usize, settings: &[&str]) -> Process {
        let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.arg("serve").arg("--config").arg(&self.config).arg("--hosts").arg(&self.hosts);
        let listen = format!("127.0.0.1:{}", self.ports[process]);
        command.args(["--listen", &listen, "--processes", "2", "--process", &process.to_string()]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        Process::spawn(&format!("process-{process}"), command)
    }

    fn url(&self, process: usize, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[process])
    }

    fn dir(&self, name: &str) -> String {
        format!("checkpoint.dir={}", self.dir.path().join(name).display())
    }
}

/// The address at which process 0 listens for its peers.
fn peer_address(hosts: &Path) -> String {
    let hosts = std::fs::read_to_string(hosts).expect("the test's own file");
    hosts.split_whitespace().next().expect("an address").to_owned()
}

#[track_caller]
fn wait_said(process: &Process, what: &str) {
    wait_until(SOON, what, || process.stderr().contains(what));
}

#[test]
fn a_process_that_waits_for_its_peers_ends_at_once_when_it_is_asked_to() {
    let pair = ProcessPair::new();
    let mut process = pair.start(0, &[]);
    wait_until(SOON, "it listens for its peers", || TcpStream::connect(peer_address(&pair.hosts)).is_ok());
    process.terminate();
    assert_eq!(process.wait_exit(SOON).code(), Some(0), "{}", process.stderr());
}

#[test]
fn a_process_that_waits_for_its_peers_lives_and_is_not_ready() {
    let pair = ProcessPair::new();
    let first = pair.start(0, &[]);
    let is_live = || http::try_request("GET", &pair.url(0, "/livez"), &[], b"").ok();
    let live = wait_for(SOON, "it answers", is_live);
    assert_eq!((live.status, live.text()), (200, r#"{"live":true}"#.to_owned()));
    let ready = || http::get(&pair.url(0, "/readyz"));
    for answer in [ready(), http::get(&pair.url(0, "/v1/users/ada/history"))] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.json()["type"], "urn:vitrine:problem:starting");
    }
    let _second = pair.start(1, &[]);
    wait_said(&first, "serving");
    assert_eq!(ready().json()["type"], "urn:vitrine:problem:not-ready", "the server itself answers");
}

/// Process 1 leaves as a killed process does, and process 0 notices at once, not only after `cluster.stall_s`.
#[test]
fn a_process_that_is_stopped_alone_ends_in_its_time_and_the_other_one_with_it() {
    let pair = ProcessPair::new();
    let [mut first, mut second] = [0, 1].map(|process| pair.start(process, &["server.shutdown_ms=1000"]));
    wait_said(&first, "serving");
    wait_said(&second, "serving");
    second.terminate();
    assert_eq!(second.wait_exit(SOON).code(), Some(1), "{}", second.stderr());
    let said = second.stderr();
    assert!(said.contains("process 0 of the cluster did not end in time") && !said.contains("still waits"), "{said}");
    assert_eq!(first.wait_exit(SOON).code(), Some(PANICKED), "{}", first.stderr());
    assert!(!first.stderr().contains("no tick has closed"), "{}", first.stderr());
}

#[test]
fn a_supervised_cluster_that_has_hardly_begun_ends_in_order() {
    let pair = ProcessPair::new();
    let mut supervisor = local_cluster::supervise(&pair.config, &pair.hosts, 1);
    wait_said(&supervisor, "cluster: started 2 processes");
    supervisor.terminate();
    assert_eq!(supervisor.wait_exit(SOON).code(), Some(0), "{}", supervisor.stderr());
}

#[test]
fn processes_with_different_keys_both_say_so_and_wait_for_another() {
    let pair = ProcessPair::new();
    let mut processes = [pair.start(0, &[]), pair.start(1, &["cluster.key=ffffffffffffffffffffffffffffffff"])];
    for process in &processes {
        wait_said(process, "it does not have the key (`cluster.key`)");
    }
    for process in &mut processes {
        assert!(process.is_running(), "the right one may still come: {}", process.stderr());
        process.terminate();
        assert_eq!(process.wait_exit(SOON).code(), Some(0), "{}", process.stderr());
    }
}

#[test]
fn processes_set_up_differently_both_end_as_with_a_wrong_configuration() {
    let pair = ProcessPair::new();
    let processes = [pair.start(0, &[]), pair.start(1, &["dataflow.workers=2"])];
    both_end(processes, "have different numbers of workers: ");
    let pair = ProcessPair::new();
    let processes = [pair.start(0, &["features.enabled=on"]), pair.start(1, &["rules.window_days=7"])];
    both_end(processes, "have different settings: `features.enabled`, `rules.window_days`");
}

#[test]
fn processes_that_do_not_share_the_directory_of_checkpoints_both_end_as_with_a_wrong_configuration() {
    let pair = ProcessPair::new();
    let processes = [pair.start(0, &[&pair.dir("a")]), pair.start(1, &[&pair.dir("b")])];
    both_end(processes, "`checkpoint.dir` must be one directory that all processes share");
}

#[track_caller]
fn both_end(mut processes: [Process; 2], why: &str) {
    for process in &mut processes {
        assert_eq!(process.wait_exit(SOON).code(), Some(78), "{}", process.stderr());
        assert!(process.stderr().contains(why), "{}", process.stderr());
    }
}
