//! `vitrine train`.

use std::path::PathBuf;

use clap::Args;

use super::ConfigArgs;
use super::replay::time;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine train --config vitrine.toml
  vitrine train --set files.dir=data --dir models
  vitrine train --config vitrine.toml --until 2026-11-20 --set models.als.factors=128

The histories of all users as of --until are read from the topics or files, as `vitrine replay` reads them, and the factor \
model is learned from them. The newest product of one in twenty users is held back to measure the model; the measures are on \
its card, which `vitrine model show` prints. The new version is put into use; the last models.als.keep versions stay. With too \
little to learn from, the error says how much is missing, and the model in use stays.

The same records, settings and seed give the same file, to the byte, with any number of threads. All threads run at the lowest \
priority.";

/// Flags of `vitrine train`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct TrainArgs {
    /// Time up to which records count: RFC 3339, a date (midnight UTC), or milliseconds since the epoch; by default now
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<u64>,
    /// Directory of the models; by default the setting models.als.dir
    #[arg(short, long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Threads of the training; by default the setting models.als.threads
    #[arg(short, long, value_name = "N")]
    pub threads: Option<u32>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl TrainArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        let dir = self.dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        let threads = self.threads.map(|threads| threads.to_string());
        self.settings.request(&[("--dir", "models.als.dir", dir), ("--threads", "models.als.threads", threads)])
    }
}
