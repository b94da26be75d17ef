//! The product itself: its own program with a configuration file, as a shop would run it.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use harness::{Process, free_port, http};
use serde_json::Value;
use tempfile::TempDir;

use crate::context::Context;
use crate::machine::rest;

/// Longer than any backfill here takes.
const READY_MAX: Duration = Duration::from_secs(600);
/// Longer than a last checkpoint of everything takes.
const STOP_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running `vitrine serve`; killed on drop.
pub(crate) struct Product {
    process: Process,
    address: SocketAddr,
    /// The key of the API, if it needs one.
    key: Option<String>,
    started: Instant,
    _dir: TempDir,
}

impl Product {
    /// Starts it with this configuration.
    pub(crate) fn start(context: &Context, workers: usize, config: &str) -> anyhow::Result<Product> {
        let dir = TempDir::with_prefix("vitrine-bench-")?;
        let path = dir.path().join("vitrine.toml");
        fs::write(&path, config)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = std::process::Command::new(&context.vitrine);
        command.args(["serve", "--workers", &workers.to_string(), "--listen", &address.to_string(), "--config"]);
        command.arg(&path);
        let started = Instant::now();
        Ok(Product { process: Process::spawn("vitrine", command), address, key: None, started, _dir: dir })
    }

    /// Starts it on a topic of views.
    pub(crate) fn on_topic(context: &Context, workers: usize, topic: &str) -> anyhow::Result<Product> {
        Product::on_topic_with(context, workers, topic, "")
    }

    /// Starts it on a topic of views, with further sections of the configuration.
    pub(crate) fn on_topic_with(
        context: &Context,
        workers: usize,
        topic: &str,
        sections: &str,
    ) -> anyhow::Result<Product> {
        Product::on_topics(context, workers, &[topic], sections)
    }

    /// Starts it on several topics of views, with further sections of the configuration. The first one gives the topics of
    /// removals and dead letters their names.
    pub(crate) fn on_topics(
        context: &Context,
        workers: usize,
        topics: &[&str],
        sections: &str,
    ) -> anyhow::Result<Product> {
        Product::start(context, workers, &Product::config(context, topics, sections))
    }

    /// The configuration of a product on several topics, whose topics of removals and dead letters are created.
    pub(crate) fn config(context: &Context, topics: &[&str], sections: &str) -> String {
        let (broker, topic) = (context.broker(), topics[0]);
        let (removals, dead_letters) = (format!("{topic}-removals"), format!("{topic}-dead"));
        for topic in [&removals, &dead_letters] {
            if broker.partitions(topic) == 0 {
                broker.create_topic(topic, 1);
            }
        }
        let brokers = broker.bootstrap();
        format!(
            "[kafka]\nbrokers = \"{brokers}\"\nviews = {topics:?}\nremovals = \"{removals}\"\n\
             dead_letters = \"{dead_letters}\"\n\n[log]\nlevel = \"warn\"\n\n{sections}"
        )
    }

    /// The same product, asked with this key of the API.
    pub(crate) fn with_key(self, key: String) -> Product {
        Product { key: Some(key), ..self }
    }

    /// Waits until it is ready; returns the time since its start.
    pub(crate) fn wait_ready(&mut self) -> anyhow::Result<Duration> {
        self.wait(|product| Ok(product.get("/readyz")?.is_some()))
    }

    /// Waits until it is ready and has read `records` of the topic with none left; returns the time since its start.
    pub(crate) fn wait_read(&mut self, topic: &str, records: u64) -> anyhow::Result<Duration> {
        self.wait(|product| {
            if product.get("/readyz")?.is_none() {
                return Ok(false);
            }
            let status = product.status()?;
            let partitions = status["sources"].as_array().into_iter().flatten();
            let partitions = partitions.flat_map(|source| source["partitions"].as_array().into_iter().flatten());
            let (mut next, mut lag) = (0, 0);
            for partition in partitions.filter(|partition| partition["stream"] == topic) {
                next += partition["next"].as_u64().unwrap_or(0);
                lag += partition["lag"].as_u64().unwrap_or(0);
            }
            Ok(next >= records && lag == 0)
        })
    }

    /// The answer of `/v1/status`.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        let status = self.get("/v1/status")?.context("the status is not to be had")?;
        Ok(serde_json::from_slice(&status)?)
    }

    /// All events that it has accepted since its start.
    pub(crate) fn events(&self) -> anyhow::Result<f64> {
        Ok(self.status()?["events_total"].as_f64().unwrap_or(f64::NAN))
    }

    /// The body of an answer with status 200; none while no server listens, or with another status.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let url = format!("http://{}{path}", self.address);
        let key: Vec<_> = self.key.iter().map(|key| ("x-api-key", key.as_str())).collect();
        match http::try_request("GET", &url, &key, b"") {
            Ok(answer) => Ok((answer.status == 200).then_some(answer.body)),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(None),
            Err(error) => Err(error).with_context(|| format!("GET {path}")),
        }
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its output so far.
    pub(crate) fn words(&self) -> String {
        self.process.stderr()
    }

    /// Stops it in order.
    pub(crate) fn stop(mut self) {
        self.process.terminate();
        self.process.wait_exit(STOP_MAX);
    }

    fn wait(&mut self, reached: impl Fn(&Product) -> anyhow::Result<bool>) -> anyhow::Result<Duration> {
        while !reached(self)? {
            if !self.process.is_running() {
                bail!("vitrine has exited: {}", self.process.stderr());
            }
            if self.started.elapsed() > READY_MAX {
                bail!("vitrine is not ready after {READY_MAX:?}: {}", self.process.stderr());
            }
            rest(LOOK_EVERY);
        }
        Ok(self.started.elapsed())
    }
}
