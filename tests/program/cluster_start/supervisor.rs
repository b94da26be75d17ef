//! `scripts/cluster` itself, with other programs in the place of Vitrine.

use std::process::Command;
use std::time::Duration;

use harness::{Process, wait_until};
use tempfile::TempDir;

use super::SOON;
use crate::local_cluster;

/// Ends in order when asked to.
const OBEYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

struct Supervised {
    supervisor: Process,
    _dir: TempDir,
}

impl Supervised {
    /// So many processes that each do this; `$process` is the number of each, from 0, and `$PPID` is the supervisor.
    fn start(processes: u16, does: &str) -> Supervised {
        let dir = TempDir::with_prefix("vitrine-supervised-").expect("a temporary directory");
        let program = dir.path().join("program");
        let text = format!("#!/bin/bash\nwhile [[ $1 != --process ]]; do shift; done\nprocess=$2\n{does}\n");
        let written = dir.path().join("text");
        std::fs::write(&written, text).expect("the test's own file can be written");
        // A process that this one forks at the wrong moment holds whatever it writes, and a file that is being written
        // cannot be executed. So another process writes the program.
        let installed = Command::new("install").args(["-m", "755"]).args([&written, &program]).status();
        assert!(installed.expect("install is there").success());
        let hosts = local_cluster::write_hosts(dir.path(), &(1..=processes).collect::<Vec<_>>());
        let supervisor = Process::spawn("cluster", local_cluster::supervisor(&program, &hosts));
        Supervised { supervisor, _dir: dir }
    }

    #[track_caller]
    fn exit_code(&mut self, within: Duration) -> Option<i32> {
        self.supervisor.wait_exit(within).code()
    }
}

#[test]
fn a_signal_while_processes_are_being_started_is_not_forgotten() {
    let asks = "if ((process == 0)); then kill -TERM $PPID; fi";
    let mut supervised = Supervised::start(20, &format!("{asks}\n{OBEYS}"));
    assert_eq!(supervised.exit_code(SOON), Some(0), "{}", supervised.supervisor.stderr());
}

#[test]
fn a_signal_as_processes_fail_ends_it_without_waiting_for_the_next_start() {
    let mut supervised = Supervised::start(2, "exit 1");
    let failures = |supervised: &Supervised| supervised.supervisor.stderr().matches("ended with status 1").count();
    // From then on it would wait for sixteen seconds.
    wait_until(SOON, "five starts have failed", || failures(&supervised) >= 5);
    supervised.supervisor.terminate();
    assert_eq!(supervised.exit_code(Duration::from_secs(14)), Some(0), "{}", supervised.supervisor.stderr());
}

#[test]
fn a_wrong_configuration_is_seen_however_soon_a_process_ends_with_it() {
    let mut supervised = Supervised::start(20, &format!("if ((process == 0)); then exit 78; fi\n{OBEYS}"));
    assert_eq!(supervised.exit_code(SOON), Some(78), "{}", supervised.supervisor.stderr());
}

#[test]
fn processes_that_end_by_the_signal_have_not_failed_and_others_have() {
    let fails = "trap 'exit 5' TERM; echo started; while :; do sleep 0.1; done";
    for (does, code) in [("echo started; exec sleep 600", 0), (fails, 1)] {
        let mut supervised = Supervised::start(2, does);
        let started = |supervised: &Supervised| supervised.supervisor.stdout().matches("started").count();
        wait_until(SOON, "both have started", || started(&supervised) == 2);
        supervised.supervisor.terminate();
        assert_eq!(supervised.exit_code(SOON), Some(code), "{}", supervised.supervisor.stderr());
    }
}
