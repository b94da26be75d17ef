//! A child process that cannot outlive its test: logs in files, signals by name, killed on drop.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::watchdog::Watchdog;
use crate::{wait_for, wait_until};

const LINES_SHOWN: usize = 40;

/// Much longer than it takes until every thread has stopped.
const FREEZE_MAX: Duration = Duration::from_secs(60);

/// A running program in a process group of its own, its stdout and stderr appended to `NAME.out` and `NAME.err`.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    logs: PathBuf,
    watchdog: Option<Watchdog>,
    _scratch: Option<TempDir>,
}

impl Process {
    /// Starts `command` with its logs in a temporary directory. `name` is used in messages and file names.
    #[track_caller]
    pub fn spawn(name: &str, command: Command) -> Process {
        let scratch = TempDir::with_prefix("vitrine-process-").expect("a temporary directory");
        let mut process = Process::spawn_in(name, command, scratch.path(), "KILL");
        process._scratch = Some(scratch);
        process
    }

    /// Starts `command` with its logs in `dir`. Should the test process die, `signal` ends the program and the
    /// directory is removed.
    #[track_caller]
    pub(crate) fn spawn_in(name: &str, mut command: Command, dir: &Path, signal: &str) -> Process {
        let log = |ending: &str| {
            let path = dir.join(format!("{name}.{ending}"));
            File::options().create(true).append(true).open(&path).expect("a log file")
        };
        let mut watchdog = Watchdog::start(signal, dir).expect("sh starts");
        let child = command.stdin(Stdio::null()).stdout(log("out")).stderr(log("err")).process_group(0).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        watchdog.watch(child.id()).expect("the watchdog reads until it is dismissed");
        Process { name: name.to_owned(), child, logs: dir.to_owned(), watchdog: Some(watchdog), _scratch: None }
    }

    /// Runs `command` to its end with its logs in `dir`; panics with the logs unless it succeeds within `deadline`.
    #[track_caller]
    pub(crate) fn run_in(name: &str, command: Command, dir: &Path, deadline: Duration) {
        let mut process = Process::spawn_in(name, command, dir, "KILL");
        let status = process.wait_exit(deadline);
        assert!(status.success(), "{status}. {}", process.last_words());
    }

    /// The operating system's id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not exited yet.
    pub fn is_running(&mut self) -> bool {
        self.exit_status().is_none()
    }

    /// Its exit status, if it has exited.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    /// Waits for it to exit by itself; panics with its log after `deadline`.
    #[track_caller]
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} exits", self.name);
        wait_for(deadline, &what, || self.exit_status())
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Tells it that its terminal was closed (SIGHUP).
    pub fn hang_up(&mut self) {
        self.signal(Signal::HUP);
    }

    /// Sends a signal to the process itself (not to its children), if it still runs.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            // The process may exit at this moment, so a missing process is no failure.
            let _ = kill_process(pid_of(&self.child), signal);
        }
    }

    /// Stops it from running (SIGSTOP) without ending it: connections stay open, nothing answers.
    #[track_caller]
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
        // On a busy machine its threads continue for a moment, and could still answer.
        wait_until(FREEZE_MAX, "all threads have stopped", || threads_are_stopped(self.pid()));
    }

    /// Lets a frozen process continue.
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Kills it and everything in its process group at once (SIGKILL), and waits until it is gone.
    pub fn kill9(&mut self) {
        if self.is_running() {
            let _ = kill_process_group(pid_of(&self.child), Signal::KILL);
        }
        let _ = self.child.wait();
        self.watchdog = None;
    }

    /// Everything that it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.log("err")
    }

    /// Everything that it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        self.log("out")
    }

    fn log(&self, ending: &str) -> String {
        let bytes = fs::read(self.logs.join(format!("{}.{ending}", self.name))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of both logs, for messages.
    pub(crate) fn last_words(&self) -> String {
        let log = self.stdout() + &self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        format!("last lines of {}:\n{}", self.name, shown.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
        self.kill9();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Whether every thread of a process is stopped by a signal; those that end meanwhile do not count.
fn threads_are_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    let state = |stat: String| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    let stats = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter_map(state).all(|state| matches!(state, 'T' | 'Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;

    const SOON: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("shell", command)
    }

    #[test]
    fn logs_and_status_are_kept() {
        let mut process = shell("echo out; echo err >&2; exit 3");
        assert_eq!(process.wait_exit(SOON).code(), Some(3));
        assert_eq!((process.stdout().as_str(), process.stderr().as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn a_drop_kills_the_whole_group() {
        let process = shell("sleep 600 & echo $!; wait");
        wait_until(SOON, "the grandchild's id is printed", || process.stdout().ends_with('\n'));
        let grandchild = PathBuf::from(format!("/proc/{}/cmdline", process.stdout().trim()));
        assert!(grandchild.exists());
        drop(process);
        // The process is gone, or is a zombie (with an empty command line) if nothing reaps orphans.
        wait_until(SOON, "the grandchild is gone", || fs::read(&grandchild).unwrap_or_default().is_empty());
    }
}
