//! Every setting of the product: defaults < one TOML file < environment `VITRINE__SECTION__KEY` < flags.
//!
//! ```text
//! file ──parse, ${VAR}──┐
//! environment ──────────┼─▶ layers ──check each value──▶ CheckedValues ──read──▶ Config
//! flags ────────────────┘     (unknown key: error)        (+ defaults)
//! ```
//! A setting is declared once, as a field of the struct that uses it, with its unit, default, bounds and sentence
//! ([`settings::section!`]): `[server]` in `query-server`, `[rules]` and the ticks in `dataflow`, `[recommendations]` in
//! `recommend`, `[models.als]` and `[models.content]` in `models`, `[postgres]` in `sources`, `[archive]` in `archive`, `[store]`
//! in `store`, the others here. [`sections`] lists them; the example file and the table of the documentation are printed from it.

mod auth;
mod check;
mod client;
mod cluster;
mod environment;
mod expand;
mod file;
mod kafka;
mod kind;
mod layers;
mod log;
mod nearest;
mod paths;
mod problem;
mod raw;
mod reference;
mod sections;
mod setting;
mod shared;
mod values;

use std::path::PathBuf;

pub use self::auth::Auth;
pub use self::cluster::Cluster;
pub use self::kafka::Kafka;
pub use self::log::{Log, LogFormat};
pub use self::problem::{Errors, Origin, Problem};
pub use self::reference::{example, reference_table};
pub use self::sections::{Checkpoint, Dataflow, Files, Sinks};
pub use self::setting::sections;
pub use self::shared::SharedSettings;
pub use archive::Settings as Archive;
pub use dataflow::rules::Rules;
pub use models::als::AlsSettings;
pub use models::content::ContentSettings;
pub use query_server::Settings as Server;
use recommend::ModelsOn;
pub use recommend::{OnlineSettings, Settings as Recommendations, TestSettings};
pub use settings::Secret;
pub use sources::postgres::{OrderTime, Settings as Postgres};
pub use store::Settings as ShopStore;

/// The exit code of a configuration that cannot be used (`EX_CONFIG` of `sysexits.h`).
pub const EXIT_CODE: u8 = 78;

/// Where settings come from, in rising precedence; what is not given keeps its default.
#[derive(Debug, Default, Clone)]
pub struct Request {
    /// The TOML file, if a file was given.
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
    /// `[store]`, where Vitrine keeps the shop's rows.
    pub store: Option<ShopStore>,
    /// `[checkpoint]`, where checkpoints are wanted.
    pub checkpoint: Option<Checkpoint>,
    /// `[cluster]`
    pub cluster: Cluster,
    /// `[rules]`
    pub rules: Rules,
    /// `[recommendations]`
    pub recommendations: Recommendations,
    /// `[models.als]`
    pub als: AlsSettings,
    /// `[models.content]`
    pub content: ContentSettings,
    /// `[recommendations.test]`
    pub test: TestSettings,
    /// `[online]`
    pub online: OnlineSettings,
    /// `[auth]`
    pub auth: Auth,
    /// `[sinks]`
    pub sinks: Sinks,
    /// `[archive]`
    pub archive: Archive,
    /// `[log]`
    pub log: Log,
    /// Of all values: what must be the same in all processes of a cluster.
    pub shared: SharedSettings,
}

impl Config {
    /// Reads and checks all layers. Every problem is reported, not only the first.
    ///
    /// # Errors
    /// [`Errors`] lists each unknown key, wrong value, unreadable file and contradiction with its place.
    pub fn load(request: &Request) -> Result<Config, Errors> {
        let mut problems = Vec::new();
        let layers = layers::gather(request, &mut problems);
        let values = values::CheckedValues::check(&layers, &mut problems);
        if !problems.is_empty() {
            return Err(Errors(problems));
        }
        let config = Config::read(&values);
        check::together(&config, &layers, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(Errors(problems)) }
    }

    /// The settings of checkpoints, if any are written: files are read from their beginning at every start, which gives the
    /// same state without one.
    #[must_use]
    pub fn checkpoints_written(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref().filter(|_| self.files.is_none())
    }

    /// Which models are on.
    #[must_use]
    pub fn models_on(&self) -> ModelsOn {
        ModelsOn {
            co_views: self.rules.co_views.enabled,
            buy_again: self.rules.buy_again.enabled,
            als: self.als.enabled,
            content: self.content.enabled,
        }
    }

    fn read(values: &values::CheckedValues) -> Config {
        let given = &|setting: &settings::Setting| values.given(setting);
        let kafka = || Kafka { client: values.client(), ..Kafka::read(given) };
        Config {
            server: Server::read(given),
            dataflow: Dataflow::read(given),
            kafka: values.has_section("kafka").then(kafka),
            postgres: values.has_section("postgres").then(|| Postgres::read(given)),
            files: values.has_section("files").then(|| Files::read(given)),
            store: values.has_section("store").then(|| ShopStore::read(given)),
            checkpoint: values.has_section("checkpoint").then(|| Checkpoint::read(given)),
            cluster: Cluster::read(given),
            rules: Rules::read(given),
            recommendations: Recommendations::read(given),
            als: AlsSettings::read(given),
            content: ContentSettings::read(given),
            test: TestSettings::read(given),
            online: OnlineSettings::read(given),
            auth: Auth::read(given),
            sinks: Sinks::read(given),
            archive: Archive::read(given),
            log: Log::read(given),
            shared: SharedSettings::of(values),
        }
    }

    /// Checks that a source is configured, which `serve` and `check` need in addition to valid settings.
    ///
    /// # Errors
    /// [`Errors`] with the ways to configure a source, if none is configured.
    pub fn require_source(&self) -> Result<(), Errors> {
        if self.kafka.is_some() || self.postgres.is_some() || self.files.is_some() {
            return Ok(());
        }
        Err(Errors(vec![Problem::NoSource]))
    }
}
