//! The program as a process of its own beside the services.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::{Process, Services, free_port, http, wait_for};
use serde_json::Value;
use vitrine::clock::wall_ms;

use crate::client::{self, Client};
use crate::vitrine;

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(180);

/// Writes a configuration on these services, with these topics of views.
pub(crate) fn config_file(services: &Services, name: &str, views: &[&str], port: u16) -> PathBuf {
    let (brokers, database) = (services.kafka.bootstrap(), services.database());
    // Programs that run at the same time follow the database's log each for itself.
    let slot = name.trim_end_matches(".toml").replace('-', "_");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\nwait_ms_max = 60000\nheader_timeout_ms = 60000\n\
         intake_timeout_ms = 30000\n\
         [kafka]\nbrokers = \"{brokers}\"\nviews = {views:?}\ndiscovery_s = 1\n\
         [kafka.client]\n\"reconnect.backoff.max.ms\" = \"500\"\n\
         [postgres]\nurl = \"{database}\"\nrefresh_s = 1\nslot = \"{slot}\"\n"
    );
    services.write(name, &text)
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
pub(crate) struct ServeProcess {
    pub(crate) process: Process,
    client: Client,
}

impl Deref for ServeProcess {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl ServeProcess {
    /// Starts it; it may take a while until it answers.
    pub(crate) fn start(config: impl FnOnce(u16) -> PathBuf) -> ServeProcess {
        let port = free_port();
        ServeProcess::again(&config(port), &format!("http://127.0.0.1:{port}"))
    }

    /// Starts it with a configuration that has it listen at `url`.
    pub(crate) fn again(config: &Path, url: &str) -> ServeProcess {
        let config = config.to_str().expect("a temporary file has a plain name");
        let program = vitrine(&["serve", "--workers", "2", "--config", config]);
        // Whoever runs the tests may have started them with SIGHUP ignored.
        let process = Process::spawn("vitrine", through(&["env", "--default-signal=HUP"], &program));
        ServeProcess { process, client: Client::new(url) }
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

    /// The products of a list, as soon as there is a state to answer from.
    #[track_caller]
    pub(crate) fn products(&self, path: &str) -> Vec<String> {
        // Right after a start nothing has a time yet.
        let answer = wait_for(SOON, &format!("{path} has an answer"), || {
            let answer = self.get(path);
            (answer.status != 503 || !answer.text().contains(":starting")).then_some(answer)
        });
        client::products(path, &answer)
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
