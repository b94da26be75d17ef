//! The services, and a cluster on this machine under its supervisor, `scripts/cluster`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::http::{self, Answer};
use harness::kafka::Broker;
use harness::postgres::Server;
use harness::{Process, free_port, wait_for};
use tempfile::TempDir;
use vitrine::clock::wall_ms;

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// After so long without a tick a process gives its peers up.
const STALL_S: u64 = 10;

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
                 [cluster]\nkey = \"00112233445566778899aabbccddeeff\"\nstall_s = {STALL_S}\n"
            ),
        )
    }

    /// A hosts file for so many processes, and the URLs of their servers.
    pub(crate) fn hosts(&self, processes: usize) -> (PathBuf, Vec<String>) {
        let ports: Vec<(u16, u16)> = (0..processes).map(|_| (free_port(), free_port())).collect();
        let line = |(peer, http): &(u16, u16)| format!("127.0.0.1:{peer} 127.0.0.1:{http}\n");
        let path = self.write("hosts", &ports.iter().map(line).collect::<String>());
        (path, ports.iter().map(|(_, http)| format!("http://127.0.0.1:{http}")).collect())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the test's own file can be written");
        path
    }
}

/// A command with nothing of ours in its environment but where the program is.
pub(crate) fn clean(program: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VITRINE")) {
        command.env_remove(name);
    }
    command.env("VITRINE", env!("CARGO_BIN_EXE_vitrine")).args(args);
    command
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

/// A process without a supervisor: one of two, if `place` says which, and where the hosts file is.
pub(crate) fn unsupervised(config: &Path, place: Option<(usize, &Path)>, serving: &Serving) -> Process {
    let config = config.to_str().expect("a plain name");
    let listen = serving.url.trim_start_matches("http://");
    let mut command = clean(env!("CARGO_BIN_EXE_vitrine"), &["serve", "--config", config, "--listen", listen]);
    if let Some((number, hosts)) = place {
        command.args(["--workers", "1", "--processes", "2", "--process", &number.to_string(), "--hosts"]).arg(hosts);
    } else {
        command.args(["--workers", "3"]);
    }
    Process::spawn("vitrine", command)
}

/// The cluster under its supervisor.
pub(crate) struct Cluster {
    pub(crate) supervisor: Process,
    pub(crate) processes: Vec<Serving>,
}

impl Cluster {
    pub(crate) fn start(config: &Path, hosts: &Path, urls: &[String]) -> Cluster {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cluster");
        let (config, hosts) = (config.to_str().expect("a plain name"), hosts.to_str().expect("a plain name"));
        let args = [hosts, "--config", config, "--workers", "1"];
        let supervisor = Process::spawn("cluster", clean(script, &args));
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

    /// The ids of the running processes, as the supervisor said when it started them last, and how often it has.
    pub(crate) fn pids(&self) -> (usize, Vec<i32>) {
        let said = self.supervisor.stderr();
        let starts: Vec<&str> = said.lines().filter(|line| line.starts_with("cluster: started ")).collect();
        let last = starts.last().and_then(|line| line.split_once(": started ")).map_or("", |(_, rest)| rest);
        let pids = last.split_once(": ").map_or("", |(_, pids)| pids);
        (starts.len(), pids.split_whitespace().map(|pid| pid.parse().expect("a number")).collect())
    }

    /// Sends a signal to one of the processes, and waits until all are started again.
    #[track_caller]
    pub(crate) fn hit(&mut self, process: usize, signal: &str) {
        let (starts, pids) = self.pids();
        let sent = Command::new("kill").args(["-s", signal, &pids[process].to_string()]).status();
        assert!(sent.expect("kill is there").success(), "the process is there");
        wait_for(SOON, "all are started again", || (self.pids().0 > starts).then_some(()));
        self.wait_ready();
    }
}
