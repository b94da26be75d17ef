//! Ends a service when the test process is gone, for any reason (killed, aborted, a `static` that never drops).

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads the process group's id, then waits for the end of its stdin, which only our process holds open; then signals
/// the group, waits a few seconds for it to go, and removes the directory.
const SCRIPT: &str = r#"
if read -r group; then
  read -r _
  kill -"$1" -"$group"
  rounds=0
  while kill -0 -"$group" && [ "$rounds" -lt 50 ]; do rounds=$((rounds + 1)); sleep 0.1; done
  kill -KILL -"$group"
fi
rm -rf -- "$2"
"#;

/// A small shell that outlives the test process for a moment if that dies; dismissed on drop.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Starts the watchdog before the service, so that the service hardly ever runs without it. `signal` (a name such
    /// as `KILL`) will end the service.
    pub(crate) fn start(signal: &str, dir: &Path) -> io::Result<Watchdog> {
        Command::new("sh")
            .args(["-c", SCRIPT, "watchdog", signal])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Outside the test's process group: a signal that interrupts the test must not end its watchdog.
            .process_group(0)
            .spawn()
            .map(Watchdog)
    }

    /// Tells the watchdog which process group to end.
    pub(crate) fn watch(&mut self, group: u32) -> io::Result<()> {
        let stdin = self.0.stdin.as_mut().expect("its stdin is a pipe, kept until it is dropped");
        writeln!(stdin, "{group}")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // The watchdog is killed while its stdin is still open, so that it does nothing. It may be gone already.
        let _ = self.0.kill();
        // Waiting would close stdin first, which is harmless once the signal is sent.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;
    use std::time::Duration;

    #[test]
    fn when_its_stdin_ends_so_does_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let mut service = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let mut watchdog = Watchdog::start("TERM", dir.path()).unwrap();
        watchdog.watch(service.id()).unwrap();
        // The kernel does the same when the test process dies.
        drop(watchdog.0.stdin.take());
        wait_until(Duration::from_secs(60), "the service is ended", || service.try_wait().unwrap().is_some());
        wait_until(Duration::from_secs(60), "its directory is removed", || !dir.path().exists());
    }
}
