//! Processes of a cluster on this machine: their common settings, and their supervisor, `scripts/cluster`.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Process, free_port};

/// The section of every process's configuration: after so many seconds without a tick a process gives its peers up.
pub(crate) const SETTINGS: &str = "[cluster]\nkey = \"00112233445566778899aabbccddeeff\"\nstall_s = 15\n";

/// Writes the hosts file of processes that answer at these ports.
pub(crate) fn write_hosts(dir: &Path, ports: &[u16]) -> PathBuf {
    let line = |port: &u16| format!("127.0.0.1:{} 127.0.0.1:{port}\n", free_port());
    let path = dir.join("hosts");
    std::fs::write(&path, ports.iter().map(line).collect::<String>()).expect("the test's own file can be written");
    path
}

/// Starts the supervisor, which starts the processes.
pub(crate) fn supervise(config: &Path, hosts: &Path, workers: usize) -> Process {
    let mut command = supervisor(Path::new(env!("CARGO_BIN_EXE_vitrine")), hosts);
    command.env("BACKOFF_MAX", "1").arg("--config").arg(config).args(["--workers", &workers.to_string()]);
    Process::spawn("cluster", command)
}

/// The supervisor's command, for any program in the place of Vitrine.
pub(crate) fn supervisor(program: &Path, hosts: &Path) -> Command {
    let mut command = harness::clean(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cluster"));
    command.env("VITRINE", program).arg(hosts);
    command
}
