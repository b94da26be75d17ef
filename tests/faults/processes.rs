//! A process of a cluster is killed, and another is frozen: all processes end, and restart together from the last
//! checkpoint.
//!
//! In half of the runs `scripts/cluster` supervises them: when a process ends, it ends and restarts all. In the other
//! half each process has its own supervisor, as on several machines: the test restarts each process that has ended by
//! itself.

use std::process::Command;
use std::time::Duration;

use harness::Services;
use harness::wait_until;

use crate::SOON;
use crate::report::Report;
use crate::resumed::RESTORED;
use crate::testbed::{Testbed, seconds};

/// The time a process may take to end when a peer has gone, or when it is asked to.
const END_MAX: Duration = Duration::from_secs(120);
/// Its exit status then: a thread of its has panicked.
const PEER_GONE: i32 = 101;
/// Processes that are started again are killed this soon.
const STARTING_MS: usize = 400;

/// What is logged.
const STARTED: &str = "cluster: started ";
const NOTICED: &str = "frozen or cut off";
const SHUT_OUT: &str = "another process writes here";

/// One killed under load, some of the times once more while all are starting again.
pub(crate) fn killed(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open_cluster(services, "kill-process");
    wait_first_checkpoint(&testbed);
    for number in 0..times {
        let supervised = number < times / 2;
        let mut differences = if number == times / 2 { leave_supervisor(&mut testbed) } else { Vec::new() };
        testbed.let_run(seconds(3));
        let which = any(&mut testbed);
        differences.extend(if supervised { hit(&testbed, which, "KILL") } else { kill_apart(&mut testbed, which) });
        let again = number % 4 == 3;
        if again {
            testbed.let_run(STARTING_MS);
            let which = any(&mut testbed);
            if supervised {
                differences.extend(hit(&testbed, which, "KILL"));
            } else {
                // The other may not have met it yet, and still wait for it then.
                testbed.program.processes[which].kill9();
                tend(&mut testbed);
            }
        }
        let (summary, after) = settle(&mut testbed, services);
        differences.extend(after);
        let again = if again { ", and one while they started" } else { "" };
        report.fault(&format!("process {which} killed{again}, {}, {summary}", keeper(supervised)), differences);
    }
}

/// One frozen under load until the other gives it up. Where nobody ends it, it goes on later.
pub(crate) fn frozen(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open_cluster(services, "freeze-process");
    wait_first_checkpoint(&testbed);
    for number in 0..times {
        let supervised = number < times / 2;
        let mut differences = if number == times / 2 { leave_supervisor(&mut testbed) } else { Vec::new() };
        testbed.let_run(seconds(3));
        let which = any(&mut testbed);
        if supervised {
            let noticed = testbed.program.stderr().matches(NOTICED).count();
            differences.extend(hit(&testbed, which, "STOP"));
            if testbed.program.stderr().matches(NOTICED).count() == noticed {
                differences.push("the other has not noticed".to_owned());
            }
        } else {
            differences.extend(freeze_apart(&mut testbed, which));
        }
        let (summary, after) = settle(&mut testbed, services);
        differences.extend(after);
        let end = if supervised { "never to go on" } else { "to go on beside what was started" };
        report.fault(&format!("process {which} frozen, {end}, {}, {summary}", keeper(supervised)), differences);
    }
}

/// As [`Testbed::settle`]; what runs then must have gone on from a checkpoint.
fn settle(testbed: &mut Testbed, services: &Services) -> (String, Vec<String>) {
    let (summary, mut differences) = testbed.settle(services);
    let log = testbed.program.stderr();
    let latest = log.rsplit(STARTED).next().unwrap_or_default();
    let processes = testbed.start.each().count();
    if latest.matches(RESTORED).count() != processes {
        differences.push(format!("not all of {processes} processes went on from a checkpoint: {latest}"));
    }
    (summary, differences)
}

fn keeper(supervised: bool) -> &'static str {
    if supervised { "under their supervisor" } else { "each on its own" }
}

fn any(testbed: &mut Testbed) -> usize {
    let processes = testbed.start.each().count();
    testbed.rng.below(processes)
}

fn wait_first_checkpoint(testbed: &Testbed) {
    let taken = |status: serde_json::Value| status["checkpoint"]["as_of_ms"].as_u64().is_some_and(|as_of| as_of > 0);
    wait_until(SOON, "a checkpoint is taken", || {
        testbed.start.each().all(|process| process.status().is_some_and(taken))
    });
}

/// Ends all in order, and starts each process by itself.
fn leave_supervisor(testbed: &mut Testbed) -> Vec<String> {
    let supervisor = &mut testbed.program.processes[0];
    supervisor.terminate();
    let status = supervisor.wait_exit(SOON);
    let ended = if status.success() {
        Vec::new()
    } else {
        vec![format!("asked to end, the supervisor ended with {status}: {}", testbed.program.last_lines())]
    };
    testbed.program = testbed.start.start_apart(testbed.program.workers);
    tend(testbed);
    ended
}

/// Sends a signal to a process under the supervisor, waits until all are started again, and says what was wrong with it.
fn hit(testbed: &Testbed, which: usize, signal: &str) -> Vec<String> {
    let starts = || testbed.program.stderr().matches(STARTED).count();
    let before = starts();
    let sent = Command::new("kill").args(["-s", signal, &pid(testbed, which)]).status();
    assert!(sent.expect("kill is there").success(), "the process is there");
    wait_until(SOON, "all are started again", || starts() > before);
    let times = starts() - before;
    if times == 1 { Vec::new() } else { vec![format!("they were started {times} times")] }
}

/// The id of a process under the supervisor, as that said when it started all last.
fn pid(testbed: &Testbed, which: usize) -> String {
    let log = testbed.program.stderr();
    let line = log.rsplit(STARTED).next().and_then(|rest| rest.lines().next()).unwrap_or_default();
    let pids = line.split_once(": ").map_or("", |(_, pids)| pids);
    pids.split_whitespace().nth(which).unwrap_or_else(|| panic!("no process {which} in {line:?}")).to_owned()
}

/// Kills a process that is on its own, and starts it again at once; the others must end, and are started again then.
fn kill_apart(testbed: &mut Testbed, which: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let workers = testbed.program.workers;
    testbed.program.processes[which].kill9();
    testbed.program.processes[which] = testbed.start.start_process(which, workers);
    for (number, process) in testbed.program.processes.iter_mut().enumerate().filter(|(number, _)| *number != which) {
        let status = process.wait_exit(END_MAX);
        if status.code() != Some(PEER_GONE) {
            wrong.push(format!("process {number} ended with {status}: {}", process.stderr()));
        }
        *process = testbed.start.start_process(number, workers);
    }
    wrong
}

/// Freezes a process until the others have given it up and are started again, and lets it go on beside them.
fn freeze_apart(testbed: &mut Testbed, which: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let workers = testbed.program.workers;
    testbed.program.processes[which].freeze();
    for (number, process) in testbed.program.processes.iter_mut().enumerate().filter(|(number, _)| *number != which) {
        let status = process.wait_exit(SOON);
        if status.success() || !process.stderr().contains(NOTICED) {
            wrong.push(format!("process {number} ended with {status}: {}", process.stderr()));
        }
        *process = testbed.start.start_process(number, workers);
    }
    // Who takes the frozen one for dead and starts another in its place does no harm.
    let mut second = testbed.start.start_second(which, workers);
    let status = second.wait_exit(SOON);
    if status.success() || !second.stderr().contains(SHUT_OUT) {
        wrong.push(format!("a second process {which} ended with {status}: {}", second.stderr()));
    }
    testbed.let_run(seconds(1));
    testbed.program.processes[which].thaw();
    let status = testbed.program.processes[which].wait_exit(END_MAX);
    if status.success() {
        wrong.push(format!("without its peers process {which} ended as if it had been asked to"));
    }
    tend(testbed);
    wrong
}

/// Starts again whatever ends, until all are ready.
fn tend(testbed: &mut Testbed) {
    let workers = testbed.program.workers;
    wait_until(SOON, "all processes are ready", || {
        for (number, process) in testbed.program.processes.iter_mut().enumerate() {
            if !process.is_running() {
                *process = testbed.start.start_process(number, workers);
            }
        }
        testbed.start.unready().is_none()
    });
}
