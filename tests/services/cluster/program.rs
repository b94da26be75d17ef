//! A cluster on this machine under its supervisor, `scripts/cluster`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Process, Services, free_port, wait_for};
use vitrine::clock::wall_ms;

use crate::client::Client;
use crate::{local_cluster, vitrine};

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// Writes the configuration of every process.
pub(crate) fn config_file(services: &Services) -> PathBuf {
    let (brokers, database) = (services.kafka.bootstrap(), services.database());
    let checkpoints = services.dir().join("checkpoints");
    let text = format!(
        "[server]\nwait_ms_max = 60000\nheader_timeout_ms = 60000\nintake_timeout_ms = 60000\n\
         [kafka]\nbrokers = \"{brokers}\"\ndiscovery_s = 1\n\
         [postgres]\nurl = \"{database}\"\n\
         [checkpoint]\ndir = {checkpoints:?}\nevery_s = 1\n\
         {}",
        local_cluster::SETTINGS
    );
    services.write("vitrine.toml", &text)
}

/// The file in which the processes note the newest state that was served.
pub(crate) fn served_file(services: &Services) -> PathBuf {
    services.dir().join("checkpoints/served")
}

/// Writes a hosts file for so many processes; with the URLs of their servers.
pub(crate) fn hosts_file(services: &Services, processes: usize) -> (PathBuf, Vec<String>) {
    let ports: Vec<u16> = (0..processes).map(|_| free_port()).collect();
    let urls = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    (local_cluster::write_hosts(services.dir(), &ports), urls)
}

/// A program that is no cluster, in the place of one of its processes.
pub(crate) fn alone(config: &Path, client: &Client) -> Process {
    let mut command = vitrine(&["serve"]);
    command.arg("--config").arg(config).args(["--workers", "3", "--listen", client.address()]);
    Process::spawn("vitrine", command)
}

/// The cluster under its supervisor.
pub(crate) struct SupervisedCluster {
    pub(crate) supervisor: Process,
    pub(crate) processes: Vec<Client>,
}

impl SupervisedCluster {
    pub(crate) fn start(config: &Path, hosts: &Path, urls: &[String]) -> SupervisedCluster {
        let supervisor = local_cluster::supervise(config, hosts, 1);
        let processes = urls.iter().map(|url| Client::new(url)).collect();
        SupervisedCluster { supervisor, processes }
    }

    /// Waits until every process has read everything and shows it.
    #[track_caller]
    pub(crate) fn wait_ready(&mut self) {
        let now = wall_ms();
        for (number, process) in self.processes.iter().enumerate() {
            wait_for(SOON, &format!("process {number} is ready"), || {
                let ended = self.supervisor.exit_status();
                assert!(ended.is_none(), "the supervisor has ended: {ended:?}, {}", self.supervisor.stderr());
                process.is_ready(now).then_some(())
            });
        }
    }

    /// Waits until a checkpoint is there that holds everything up to now.
    #[track_caller]
    pub(crate) fn wait_checkpoint(&self) {
        let now = wall_ms();
        for process in &self.processes {
            wait_for(SOON, "a checkpoint", || process.checkpoint_ms().filter(|as_of_ms| *as_of_ms > now));
        }
    }
}
