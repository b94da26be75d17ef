//! Ends a service when the test process is gone, however it went (killed, aborted, a `static` that never drops).

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its stdin, which only our process holds open; then signals the process group, waits a few
/// seconds for it to go, and removes the directory.
const SCRIPT: &str = r#"
read -r _
kill -"$1" -"$2"
rounds=0
while kill -0 -"$2" && [ "$rounds" -lt 50 ]; do rounds=$((rounds + 1)); sleep 0.1; done
kill -KILL -"$2"
rm -rf -- "$3"
"#;

/// A small shell that outlives us for a moment if we die; dismissed on drop.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the process group `group`: `signal` (a name such as `KILL`) is what ends it.
    pub(crate) fn over(group: u32, signal: &str, dir: &Path) -> io::Result<Watchdog> {
        Command::new("sh")
            .args(["-c", SCRIPT, "watchdog", signal, &group.to_string()])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Outside our group: what interrupts the test must not silence its watchdog.
            .process_group(0)
            .spawn()
            .map(Watchdog)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Killed while its stdin is still open, so that it does nothing. Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
