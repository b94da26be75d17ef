//! One real Kafka broker (KRaft, one node) on loopback, its data in a temporary directory.
//!
//! Topics are created in `kafka/topics.rs`, records written and read in `kafka/records.rs`.

mod records;
mod topics;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use crate::{Process, free_port, installed, wait_until};

pub use records::Record;

/// Several times what a broker takes to boot on two busy cores.
const BOOT_DEADLINE: Duration = Duration::from_secs(180);
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_secs(1);

/// A running broker; killed and its data removed on drop.
///
/// Kafka's defaults apply unless a test needs other settings. They include the automatic creation of topics, which
/// reveals a client that asks for a missing topic by mistake.
#[derive(Debug)]
pub struct Broker {
    process: Option<Process>,
    bootstrap: String,
    // Declared after the process: fields drop in order, and a running broker would write into a removed directory.
    dir: TempDir,
}

impl Broker {
    /// Formats fresh storage, starts the broker on free ports and waits until it answers.
    #[track_caller]
    pub fn start() -> Broker {
        let dir = TempDir::with_prefix("vitrine-kafka-").expect("a temporary directory");
        let port = free_port();
        write_properties(dir.path(), port, free_port());
        let mut format = java();
        // The format step runs for a second, in which the optimising compiler would only cost time.
        format.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", &class_path()]);
        // Any 22 characters of base64 do as the id of a cluster that nothing else joins.
        format.args(["kafka.tools.StorageTool", "format", "-t", "dml0cmluZS1oYXJuZXNzMQ", "-c"]);
        format.arg(properties(dir.path()));
        Process::run_in("format", format, dir.path(), BOOT_DEADLINE);
        let mut broker = Broker { process: None, bootstrap: format!("127.0.0.1:{port}"), dir };
        broker.restart();
        broker
    }

    /// `HOST:PORT`, as `bootstrap.servers` wants it.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Kills the broker at once (SIGKILL). Its data stay for [`Broker::restart`].
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Shuts the broker down in order (SIGTERM) and waits for it. Its data stay for [`Broker::restart`].
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate();
            process.wait_exit(STOP_DEADLINE);
        }
    }

    /// Starts the broker again on the same ports and data, after killing it if it still runs, and waits until it answers.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill9();
        let mut server = java();
        server.args(["-Xmx1g", "-cp", &class_path(), "kafka.Kafka"]);
        server.arg(properties(self.dir.path()));
        let process = Process::spawn_in("kafka", server, self.dir.path(), "KILL");
        self.process = Some(process);
        self.wait_ready();
    }

    /// Freezes the broker (SIGSTOP): connections stay open, nothing answers.
    pub fn freeze(&mut self) {
        self.running().freeze();
    }

    /// Lets a frozen broker continue.
    pub fn thaw(&mut self) {
        self.running().thaw();
    }

    /// A client configuration with the broker's address and quick reconnects.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200");
        config
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("the broker was stopped by the test")
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = self.client_config();
        config.set("group.id", "harness").set("enable.auto.commit", "false");
        config.create().expect("these settings are valid")
    }

    fn wait_ready(&mut self) {
        let consumer = self.consumer();
        wait_until(BOOT_DEADLINE, "Kafka answers a metadata request", || {
            let process = self.running();
            assert!(process.is_running(), "Kafka has exited. {}", process.last_words());
            let metadata = consumer.fetch_metadata(None, POLL);
            metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
        });
    }
}

fn java() -> Command {
    Command::new(installed::program("java"))
}

fn class_path() -> String {
    format!("{}/*", installed::kafka_libs().display())
}

fn properties(dir: &Path) -> std::path::PathBuf {
    dir.join("server.properties")
}

fn write_properties(dir: &Path, port: u16, controller_port: u16) {
    let data = dir.join("data");
    // The controller accepts a killed broker again only after its session has expired, so the session timeout is short.
    // Records are kept whatever their dates are: tests write records of fixed days, which Kafka would delete by itself
    // once they are a week old.
    let text = format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.retention.ms=-1
",
        data.display()
    );
    fs::write(properties(dir), text).expect("the temporary directory can be written to");
}
