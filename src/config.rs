//! Every setting of the product: defaults < one TOML file < environment `VITRINE__SECTION__KEY` < flags.
//!
//! ```text
//! file ──parse, ${VAR}──┐
//! environment ──────────┼─▶ layers ──check each value──▶ Values ──read──▶ Config
//! flags ────────────────┘     (unknown key: error)        (+ defaults)
//! ```
//! Each section stands in one file with its settings, their units, defaults and sentences beside the struct they
//! fill; the example file and the table of the documentation are printed from the same list.

mod check;
mod checkpoint;
mod client;
mod cluster;
mod dataflow;
mod environment;
mod expand;
mod file;
mod files;
mod kafka;
mod kind;
mod layers;
mod log;
mod nearest;
mod postgres;
mod problem;
mod raw;
mod reference;
mod rules;
mod secret;
mod server;
mod setting;
mod sinks;
mod values;

use std::path::PathBuf;

pub use self::checkpoint::Checkpoint;
pub use self::cluster::Cluster;
pub use self::dataflow::Dataflow;
pub use self::files::Files;
pub use self::kafka::Kafka;
pub use self::log::{Log, LogFormat};
pub use self::postgres::{Mode, OrderItemsTable, OrderTime, OrdersTable, Postgres, ProductsTable, Tables};
pub use self::problem::{Errors, Origin, Problem};
pub use self::reference::{example, reference_table};
pub use self::rules::{Missing, Rules};
pub use self::secret::Secret;
pub use self::server::Server;
pub use self::setting::{Section, Setting, sections};
pub use self::sinks::Sinks;

/// The exit code of a configuration that cannot be used (`EX_CONFIG` of `sysexits.h`).
pub const EXIT_CODE: u8 = 78;

/// Where settings come from, in rising precedence; what is not given keeps its default.
#[derive(Debug, Default, Clone)]
pub struct Request {
    /// The TOML file, if one was named.
    pub file: Option<PathBuf>,
    /// The environment, as names and values; it also serves `${VAR}` in the file.
    pub environment: Vec<(String, String)>,
    /// Settings given on the command line.
    pub flags: Vec<Flag>,
}

/// One setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as the user knows it, for messages: `--workers`.
    pub name: String,
    /// The setting it gives, in full: `dataflow.workers`.
    pub key: String,
    /// The value as text.
    pub value: String,
}

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[dataflow]`
    pub dataflow: Dataflow,
    /// `[kafka]`, where one is configured.
    pub kafka: Option<Kafka>,
    /// `[postgres]`, where one is configured.
    pub postgres: Option<Postgres>,
    /// `[files]`: the embedded source, where one is configured.
    pub files: Option<Files>,
    /// `[checkpoint]`, where checkpoints are wanted.
    pub checkpoint: Option<Checkpoint>,
    /// `[cluster]`
    pub cluster: Cluster,
    /// `[rules]`
    pub rules: Rules,
    /// `[sinks]`
    pub sinks: Sinks,
    /// `[log]`
    pub log: Log,
}

impl Config {
    /// Reads and checks all layers. Every problem found is reported, not the first one only.
    ///
    /// # Errors
    /// [`Errors`] lists each unknown key, wrong value, unreadable file and contradiction with its place.
    pub fn load(request: &Request) -> Result<Config, Errors> {
        let mut problems = Vec::new();
        let layers = layers::gather(request, &mut problems);
        let values = values::Values::check(&layers, &mut problems);
        if !problems.is_empty() {
            return Err(Errors(problems));
        }
        let config = Config::read(&values);
        check::together(&config, &layers, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(Errors(problems)) }
    }

    fn read(values: &values::Values) -> Config {
        Config {
            server: Server::read(values),
            dataflow: Dataflow::read(values),
            kafka: values.has_section("kafka").then(|| Kafka::read(values)),
            postgres: values.has_section("postgres").then(|| Postgres::read(values)),
            files: values.has_section("files").then(|| Files::read(values)),
            checkpoint: values.has_section("checkpoint").then(|| Checkpoint::read(values)),
            cluster: Cluster::read(values),
            rules: Rules::read(values),
            sinks: Sinks::read(values),
            log: Log::read(values),
        }
    }

    /// What `serve` and `check` need on top of a sound file: somewhere to read from.
    ///
    /// # Errors
    /// [`Errors`] with the ways to name a source, if there is none.
    pub fn require_source(&self) -> Result<(), Errors> {
        if self.kafka.is_some() || self.postgres.is_some() || self.files.is_some() {
            return Ok(());
        }
        Err(Errors(vec![Problem::NoSource]))
    }
}
