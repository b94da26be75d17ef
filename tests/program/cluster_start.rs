//! Processes connect to a cluster, or find that they cannot, or are stopped before they have connected; no services are
//! needed.

mod supervisor;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Process, free_port, wait_until};
use tempfile::TempDir;

use crate::local_cluster;

/// More than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// What two processes have in common.
struct ProcessPair {
    dir: TempDir,
    hosts: PathBuf,
    config: PathBuf,
}

impl ProcessPair {
    fn new() -> ProcessPair {
        let dir = TempDir::with_prefix("vitrine-pair-").expect("a temporary directory");
        let hosts = local_cluster::write_hosts(dir.path(), &[free_port(), free_port()]);
        let config = dir.path().join("vitrine.toml");
        let text = format!("[kafka]\nbrokers = \"127.0.0.1:1\"\n{}", local_cluster::SETTINGS);
        std::fs::write(&config, text).expect("the test's own file can be written");
        ProcessPair { dir, hosts, config }
    }

    fn start(&self, process: usize, settings: &[&str]) -> Process {
        let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.arg("serve").arg("--config").arg(&self.config).arg("--hosts").arg(&self.hosts);
        command.args(["--listen", "127.0.0.1:0", "--processes", "2", "--process", &process.to_string()]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        Process::spawn(&format!("process-{process}"), command)
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
