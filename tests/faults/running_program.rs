//! `vitrine serve`, as one process or as a cluster of several, to be killed and started again at the same addresses.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::http::{self, Answer};
use harness::{Process, free_port};
use serde_json::Value;

use crate::local_cluster;

/// Lines of a log in a difference's text.
const LINES: usize = 10;

/// How the program is started, and where it is asked.
#[derive(Clone)]
pub(crate) struct Launcher {
    config: PathBuf,
    /// Of each process's server.
    ports: Vec<u16>,
    /// The process that is asked.
    asked: usize,
    /// The hosts file, where there are several processes.
    hosts: Option<PathBuf>,
    /// Variables of the program's environment.
    pub(crate) environment: Vec<(String, String)>,
}

/// What runs.
pub(crate) struct RunningProgram {
    /// Each process, or the supervisor of all.
    pub(crate) processes: Vec<Process>,
    pub(crate) workers: usize,
}

impl Launcher {
    /// Writes the configuration into the directory; `settings` are its sections but for the cluster's.
    pub(crate) fn new(dir: &Path, settings: &str, processes: usize) -> Launcher {
        let ports: Vec<u16> = (0..processes).map(|_| free_port()).collect();
        let hosts = (processes > 1).then(|| local_cluster::write_hosts(dir, &ports));
        let section = if hosts.is_some() { local_cluster::SETTINGS } else { "" };
        let config = dir.join("vitrine.toml");
        std::fs::write(&config, format!("{settings}{section}")).expect("the test's own file can be written");
        Launcher { config, ports, asked: 0, hosts, environment: Vec::new() }
    }

    /// Starts the program, which takes a while until it answers: a cluster under its supervisor.
    pub(crate) fn start(&self, workers: usize) -> RunningProgram {
        let process = match &self.hosts {
            Some(hosts) => local_cluster::supervise(&self.config, hosts, workers),
            None => self.start_process(0, workers),
        };
        RunningProgram { processes: vec![process], workers }
    }

    /// Starts every process of a cluster by itself.
    pub(crate) fn start_apart(&self, workers: usize) -> RunningProgram {
        let processes = (0..self.ports.len()).map(|number| self.start_process(number, workers)).collect();
        RunningProgram { processes, workers }
    }

    /// Starts one process by itself.
    pub(crate) fn start_process(&self, number: usize, workers: usize) -> Process {
        self.start_at(self.ports[number], number, workers)
    }

    /// Starts another process in the place of one that may still be there, with an address of its own for clients.
    pub(crate) fn start_second(&self, number: usize, workers: usize) -> Process {
        self.start_at(0, number, workers)
    }

    fn start_at(&self, port: u16, number: usize, workers: usize) -> Process {
        let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.arg("serve").arg("--config").arg(&self.config);
        command.args(["--workers", &workers.to_string(), "--listen", &format!("127.0.0.1:{port}")]);
        if let Some(hosts) = &self.hosts {
            let (processes, number) = (self.ports.len().to_string(), number.to_string());
            command.args(["--processes", &processes, "--process", &number]).arg("--hosts").arg(hosts);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::spawn("vitrine", command)
    }

    /// Each process, to be asked.
    pub(crate) fn each(&self) -> impl Iterator<Item = Launcher> {
        (0..self.ports.len()).map(|number| self.through(number))
    }

    /// One of the processes, to be asked; `number` may be any.
    pub(crate) fn through(&self, number: usize) -> Launcher {
        Launcher { asked: number % self.ports.len(), ..self.clone() }
    }

    /// The URL of a path, whichever process answers there.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[self.asked])
    }

    /// Asks whoever answers there.
    pub(crate) fn get(&self, path: &str) -> io::Result<Answer> {
        http::try_request("GET", &self.url(path), &[], b"")
    }

    /// The status object, if there is an answer.
    pub(crate) fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.get("/v1/status").ok()?.body).ok()
    }

    /// Why a process is not ready, if one is not.
    pub(crate) fn unready(&self) -> Option<String> {
        self.each().find_map(|process| match process.get("/readyz") {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(reason(&answer)),
            Err(_) => Some("no answer".to_owned()),
        })
    }
}

impl RunningProgram {
    /// Waits until `/readyz` says 200 in all processes, and returns what was said last before that; else why it does not.
    pub(crate) fn wait_ready(&mut self, start: &Launcher, deadline: Duration) -> Result<String, String> {
        let begun = Instant::now();
        let mut summary = String::from("nothing");
        loop {
            if let Some(status) = self.processes.iter_mut().find_map(Process::exit_status) {
                return Err(format!("vitrine has exited by itself: {status}; {}", self.last_lines()));
            }
            match start.unready() {
                None => return Ok(summary),
                Some(reason) => summary = reason,
            }
            if begun.elapsed() > deadline {
                return Err(format!("not ready within {deadline:?}: {summary}; {}", self.last_lines()));
            }
            crate::load::pause(Duration::from_millis(10));
        }
    }

    /// Kills everything at once.
    pub(crate) fn kill9(&mut self) {
        self.processes.iter_mut().for_each(Process::kill9);
    }

    /// What was logged.
    pub(crate) fn stderr(&self) -> String {
        self.processes.iter().map(Process::stderr).collect()
    }

    /// What each process logged last, for a difference's text.
    pub(crate) fn last_lines(&self) -> String {
        let last = |process: &Process| {
            let log = process.stderr();
            let lines: Vec<&str> = log.lines().rev().take(LINES).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
        };
        self.processes.iter().map(last).collect::<Vec<_>>().join(" || ")
    }
}

/// The reason of a problem.
fn reason(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["detail"].as_str().map_or_else(|| answer.text(), str::to_owned)
}
