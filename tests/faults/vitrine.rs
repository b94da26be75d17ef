//! `vitrine serve` as a process of its own, to be killed and started again at the same address.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::http::{self, Answer};
use harness::{Process, free_port};
use serde_json::Value;

use crate::services::clean;

/// How the program is started.
#[derive(Clone)]
pub(crate) struct Start {
    config: PathBuf,
    port: u16,
    /// Variables of its environment.
    pub(crate) environment: Vec<(String, String)>,
}

/// A running `vitrine serve`.
pub(crate) struct Vitrine {
    pub(crate) process: Process,
    pub(crate) workers: usize,
}

impl Start {
    /// Writes the configuration into the directory; `settings` are its sections but for the server's.
    pub(crate) fn new(dir: &Path, settings: &str) -> Start {
        let (port, config) = (free_port(), dir.join("vitrine.toml"));
        let text = format!("[server]\nlisten = \"127.0.0.1:{port}\"\n{settings}");
        std::fs::write(&config, text).expect("the test's own file can be written");
        Start { config, port, environment: Vec::new() }
    }

    /// Starts the program, which takes a while until it answers.
    pub(crate) fn start(&self, workers: usize) -> Vitrine {
        let config = self.config.to_str().expect("a temporary file has a plain name");
        let mut command = clean(env!("CARGO_BIN_EXE_vitrine"));
        command.args(["serve", "--workers", &workers.to_string(), "--config", config]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Vitrine { process: Process::spawn("vitrine", command), workers }
    }

    /// The URL of a path, whichever process answers there.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Asks whoever answers there.
    pub(crate) fn get(&self, path: &str) -> io::Result<Answer> {
        http::try_request("GET", &self.url(path), &[], b"")
    }

    /// The status object, if there is an answer.
    pub(crate) fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.get("/v1/status").ok()?.body).ok()
    }
}

impl Vitrine {
    /// Waits until `/readyz` says 200, and returns what it said last before that; else why it did not.
    pub(crate) fn wait_ready(&mut self, start: &Start, deadline: Duration) -> Result<String, String> {
        let begun = Instant::now();
        let mut said = String::from("no answer");
        loop {
            if let Some(status) = self.process.exit_status() {
                return Err(format!("vitrine has exited by itself: {status}; {}", self.last_lines()));
            }
            match start.get("/readyz") {
                Ok(answer) if answer.status == 200 => return Ok(said),
                Ok(answer) => said = reason(&answer),
                Err(_) => {}
            }
            if begun.elapsed() > deadline {
                return Err(format!("not ready within {deadline:?}: {said}; {}", self.last_lines()));
            }
            crate::load::pause(Duration::from_millis(10));
        }
    }

    /// What it logged last, for a difference's text.
    pub(crate) fn last_lines(&self) -> String {
        let log = self.process.stderr();
        let lines: Vec<&str> = log.lines().rev().take(6).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

/// The reason of a problem.
fn reason(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["detail"].as_str().map_or_else(|| answer.text(), str::to_owned)
}
