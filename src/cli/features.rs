//! `vitrine features`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigArgs;
use super::replay::time;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine features export --config vitrine.toml --at 2026-11-20 --out features.parquet
  vitrine features join --config vitrine.toml --rows labels.parquet --out training.parquet
  vitrine features join --set files.dir=data --rows labels.jsonl --out training.jsonl --features user_product_views

Topics or files are read as `vitrine replay` reads them, in one pass. The end of a file's name says its format: .parquet or \
.jsonl.

export writes one row for each user: user_id, as_of, and the features as of --at, with all events up to this time. Features \
of products and categories are maps from ids to values.

join reads rows with the columns user_id, event_time and perhaps product_id, and writes the same rows in the same order and \
format, with all their columns and the features just before each row's time: no value comes from an event at that time or \
later. If the rows name products, features of products are those of the row's product; otherwise they are maps. Ids are texts \
or whole numbers, times RFC 3339 texts, milliseconds since the epoch or timestamps. The features of a million rows take about \
60 MB of memory, and the size of the result on the disk beside --out.

Orders and catalogue have no past: deleted and changed rows count as they are now.";

/// Flags of `vitrine features`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP, arg_required_else_help = true)]
pub struct FeaturesArgs {
    /// What to write.
    #[command(subcommand)]
    pub action: FeaturesAction,
}

/// What to write.
#[derive(Debug, Clone, Subcommand)]
pub enum FeaturesAction {
    /// Write the features of all users as of one time
    Export {
        /// The time: RFC 3339, a date (midnight UTC), or milliseconds since the epoch
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: u64,
        /// What is written.
        #[command(flatten)]
        output: FeaturesOutput,
    },
    /// Add to each row of a file the features just before its time
    Join {
        /// File of rows with user_id, event_time and perhaps product_id
        #[arg(long, value_name = "FILE")]
        rows: PathBuf,
        /// What is written.
        #[command(flatten)]
        output: FeaturesOutput,
    },
}

/// What is written, and where.
#[derive(Debug, Clone, Args)]
pub struct FeaturesOutput {
    /// File to write, whose name ends in .parquet or .jsonl
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Features to write, by default all
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub features: Vec<String>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl FeaturesArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        let (FeaturesAction::Export { output, .. } | FeaturesAction::Join { output, .. }) = &self.action;
        output.settings.request(&[])
    }
}
