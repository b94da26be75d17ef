//! `vitrine checkpoint`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine checkpoint ls --config vitrine.toml
  vitrine checkpoint inspect --dir checkpoints                  the newest checkpoint, as JSON
  vitrine checkpoint verify --dir checkpoints                   reads every byte that a restart would read
  vitrine checkpoint verify --dir checkpoints 1795169700000     the checkpoint with that id

Changes nothing, and a server may write to the directory meanwhile. Exit code of verify: 0 if all is well, 1 if not, \
with the place and the reason.";

/// Flags of `vitrine checkpoint`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP, arg_required_else_help = true)]
pub struct CheckpointArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub action: CheckpointAction,
}

/// What to do with checkpoints.
#[derive(Debug, Clone, Subcommand)]
pub enum CheckpointAction {
    /// List the checkpoints of a directory, oldest first
    Ls {
        /// Where they are.
        #[command(flatten)]
        place: CheckpointPlace,
    },
    /// Show a checkpoint as JSON: positions of the sources, tables, files
    Inspect {
        /// Id of the checkpoint, the first column of ls; by default the newest complete checkpoint
        #[arg(value_name = "ID")]
        id: Option<u64>,
        /// Where it is.
        #[command(flatten)]
        place: CheckpointPlace,
    },
    /// Read every byte and row of a checkpoint and of those it builds on, and compare the checksums
    Verify {
        /// Id of the checkpoint, the first column of ls; by default the newest complete checkpoint
        #[arg(value_name = "ID")]
        id: Option<u64>,
        /// Verify all checkpoints
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Where they are.
        #[command(flatten)]
        place: CheckpointPlace,
    },
}

/// Where checkpoints are.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckpointPlace {
    /// Directory of the checkpoints; by default the setting checkpoint.dir
    #[arg(short, long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl CheckpointArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        let (CheckpointAction::Ls { place }
        | CheckpointAction::Inspect { place, .. }
        | CheckpointAction::Verify { place, .. }) = &self.action;
        let dir = place.dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        place.settings.request(&[("--dir", "checkpoint.dir", dir)])
    }
}
