//! The services, and a cluster on this machine under its supervisor, `scripts/cluster`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::http::{self, Answer};
use harness::kafka::Broker;
use harness::postgres::Server;
use harness::{Process, free_port, wait_for};
use tempfile::TempDir;
use vitrine::clock::wall_ms;

use crate::cluster;

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// A broker, a database server and a directory.
pub(crate) struct Services {
    pub(crate) kafka: Broker,
    pub(crate) postgres: Server,
    dir: TempDir,
}

impl Services {
    pub(crate) fn start() -> Services {
        let (kafka, postgres) = harness::start_services();
        let dir = TempDir::with_prefix("vitrine-cluster-").expect("a temporary directory");
        Services { kafka, postgres, dir }
    }

    /// The URL of the database that `generate` makes.
    pub(crate) fn database(&self) -> String {
        self.postgres.url_of("data-db")
    }

    /// The configuration of every process.
    pub(crate) fn config(&self) -> PathBuf {
        let (brokers, database) = (self.kafka.bootstrap(), self.database());
        let checkpoints = self.dir.path().join("checkpoints");
        self.write(
            "vitrine.toml",
            &format!(
                "[kafka]\nbrokers = \"{brokers}\"\ndiscovery_s = 1\n\
                 [postgres]\nurl = \"{database}\"\n\
                 [checkpoint]\ndir = {checkpoints:?}\nevery_s = 1\n\
                 {}",
                cluster::SETTINGS
            ),
        )
    }

    /// The file in which the processes note what was answered.
    pub(crate) fn mark(&self) -> PathBuf {
        self.dir.path().join("checkpoints/served")
    }

    /// A hosts file for so many processes, and the URLs of their servers.
    pub(crate) fn hosts(&self, processes: usize) -> (PathBuf, Vec<String>) {
        let ports: Vec<u16> = (0..processes).map(|_| free_port()).collect();
        let urls = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        (cluster::write_hosts(self.dir.path(), &ports), urls)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the test's own file can be written");
        path
    }
}

/// One process of the cluster, as its clients see it.
pub(crate) struct Serving {
    url: String,
}

impl Serving {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(&self.url(path))
    }

    /// The products of a list.
    #[track_caller]
    pub(crate) fn products(&self, path: &str) -> Vec<String> {
        let answer = self.get(path);
        let answer = match answer.status {
            200 => answer.json(),
            status => panic!("{path}: {status} {}", answer.text()),
        };
        let products = answer["products"].as_array().unwrap_or_else(|| panic!("no products: {answer}"));
        products.iter().map(|product| product.as_str().expect("an id is text").to_owned()).collect()
    }

    /// When the last checkpoint was whole as far as this process knows, in milliseconds.
    pub(crate) fn checkpoint_ms(&self) -> Option<u64> {
        let status = http::try_request("GET", &self.url("/v1/status"), &[], b"").ok()?;
        status.json()["checkpoint"]["as_of_ms"].as_u64()
    }

    pub(crate) fn is_ready(&self, after_ms: u64) -> bool {
        let ask = |path| http::try_request("GET", &self.url(path), &[], b"").ok().filter(|answer| answer.status == 200);
        let as_of_ms = || ask("/v1/status")?.json()["as_of_ms"].as_u64();
        ask("/readyz").is_some() && as_of_ms().is_some_and(|as_of_ms| as_of_ms > after_ms)
    }
}

/// A program that is no cluster, in the place of one of its processes.
pub(crate) fn alone(config: &Path, serving: &Serving) -> Process {
    let listen = serving.url.trim_start_matches("http://");
    let mut command = cluster::clean(env!("CARGO_BIN_EXE_vitrine"));
    command.arg("serve").arg("--config").arg(config).args(["--workers", "3", "--listen", listen]);
    Process::spawn("vitrine", command)
}

/// The cluster under its supervisor.
pub(crate) struct Cluster {
    pub(crate) supervisor: Process,
    pub(crate) processes: Vec<Serving>,
}

impl Cluster {
    pub(crate) fn start(config: &Path, hosts: &Path, urls: &[String]) -> Cluster {
        let supervisor = cluster::supervise(config, hosts, 1);
        let processes = urls.iter().map(|url| Serving { url: url.clone() }).collect();
        Cluster { supervisor, processes }
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
