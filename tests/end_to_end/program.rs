//! The services, and the program as a process of its own beside them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::http::{self, Answer};
use harness::{Process, free_port, kafka::Broker, postgres::Server, wait_for};
use serde_json::Value;
use tempfile::TempDir;
use vitrine::clock::wall_ms;

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A broker and a database server.
pub(crate) struct Services {
    pub(crate) kafka: Broker,
    pub(crate) postgres: Server,
    dir: TempDir,
}

impl Services {
    pub(crate) fn start() -> Services {
        let (kafka, postgres) = harness::start_services();
        let dir = TempDir::with_prefix("vitrine-config-").expect("a temporary directory");
        Services { kafka, postgres, dir }
    }

    /// The URL of the database that `generate` makes.
    pub(crate) fn database(&self) -> String {
        self.postgres.url_of("data-db")
    }

    /// A configuration on these services, with these topics of views.
    pub(crate) fn config(&self, name: &str, views: &[&str], port: u16) -> PathBuf {
        let (brokers, database) = (self.kafka.bootstrap(), self.database());
        // Programs that run at the same time follow the database's log each for itself.
        let slot = name.trim_end_matches(".toml").replace('-', "_");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [kafka]\nbrokers = \"{brokers}\"\nviews = {views:?}\ndiscovery_s = 1\n\
             [kafka.client]\n\"reconnect.backoff.max.ms\" = \"500\"\n\
             [postgres]\nurl = \"{database}\"\nrefresh_s = 1\nslot = \"{slot}\"\n"
        );
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the test's own file can be written");
        path
    }
}

/// The program with nothing of ours in its environment.
pub(crate) fn vitrine(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VITRINE")) {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// The program, started through another one that hands over to it.
pub(crate) fn through(starter: &[&str], program: &Command) -> Command {
    let mut command = Command::new(starter[0]);
    command.args(&starter[1..]).arg(program.get_program()).args(program.get_args());
    for (name, _) in program.get_envs().filter(|(_, value)| value.is_none()) {
        command.env_remove(name);
    }
    command
}

/// `vitrine serve`, running.
pub(crate) struct Serving {
    pub(crate) process: Process,
    url: String,
}

impl Serving {
    /// Starts it; it may take a while until it answers.
    pub(crate) fn start(config: impl FnOnce(u16) -> PathBuf) -> Serving {
        let port = free_port();
        Serving::again(&config(port), &format!("http://127.0.0.1:{port}"))
    }

    /// Starts it with a configuration that has it listen at `url`.
    pub(crate) fn again(config: &Path, url: &str) -> Serving {
        let config = config.to_str().expect("a temporary file has a plain name");
        let program = vitrine(&["serve", "--workers", "2", "--config", config]);
        // Whoever runs the tests may have started them with SIGHUP ignored.
        let process = Process::spawn("vitrine", through(&["env", "--default-signal=HUP"], &program));
        Serving { process, url: url.to_owned() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(&self.url(path))
    }

    /// Waits until it has read everything and shows it.
    #[track_caller]
    pub(crate) fn wait_ready(&mut self) {
        self.wait_readyz(SOON, 200, "");
        let now = wall_ms();
        wait_for(SOON, "a tick closes", || self.get("/v1/status").json()["as_of_ms"].as_u64().filter(|at| *at > now));
    }

    /// Waits until `/readyz` has that status and names these words.
    #[track_caller]
    pub(crate) fn wait_readyz(&mut self, deadline: Duration, status: u16, words: &str) -> String {
        wait_for(deadline, &format!("/readyz says {status} {words}"), || {
            let exited = self.process.exit_status();
            assert!(exited.is_none(), "vitrine has exited: {exited:?}, {}", self.process.stderr());
            let answer = http::try_request("GET", &self.url("/readyz"), &[], b"").ok()?;
            (answer.status == status && answer.text().contains(words)).then(|| answer.text())
        })
    }

    /// The products of a list.
    #[track_caller]
    pub(crate) fn products(&self, path: &str) -> Vec<String> {
        // Right after a start nothing has a time yet.
        let answer = wait_for(SOON, &format!("{path} has an answer"), || {
            let answer = self.get(path);
            (answer.status != 503 || !answer.text().contains(":starting")).then_some(answer)
        });
        let answer = answer.json();
        let products = answer["products"].as_array().unwrap_or_else(|| panic!("no products: {answer}"));
        products.iter().map(|product| product.as_str().expect("an id is text").to_owned()).collect()
    }

    /// When a list was complete, in milliseconds, and the sources it lacks.
    #[track_caller]
    pub(crate) fn age(&self, path: &str) -> (u64, Option<String>) {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let as_of = answer.json()["as_of"].as_str().expect("a time").to_owned();
        let as_of = chrono::DateTime::parse_from_rfc3339(&as_of).expect("a time").timestamp_millis();
        let missing = answer.header("vitrine-missing-sources").map(str::to_owned);
        (as_of.try_into().expect("a time after 1970"), missing)
    }

    /// Posts a view of the present and returns its token.
    #[track_caller]
    pub(crate) fn post_view(&self, user: &str, product: &str) -> String {
        let answer = http::post(&self.url("/v1/events"), "application/json", view(user, product));
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["token"].as_str().expect("a token").to_owned()
    }
}

/// A view without a time of its own.
pub(crate) fn view(user: &str, product: &str) -> String {
    let properties = Value::from_iter([("productid", product)]);
    serde_json::json!({"event": "ProductView", "userid": user, "properties": properties}).to_string()
}
