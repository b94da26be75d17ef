//! `vitrine model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine model ls --config vitrine.toml
  vitrine model show --dir models                the model in use, as JSON
  vitrine model show --dir models 7              version 7
  vitrine model use --dir models 7               puts version 7 into use
  vitrine model rollback --dir models            puts the version before the one in use into use

A file that is torn, of a later format or with vectors of another length than models.als.factors is refused by name, and the \
version before it is used.";

/// Flags of `vitrine model`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP, arg_required_else_help = true)]
pub struct ModelArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub action: ModelAction,
}

/// What to do with models.
#[derive(Debug, Clone, Subcommand)]
pub enum ModelAction {
    /// List the models of a directory, oldest first
    Ls {
        /// Where they are.
        #[command(flatten)]
        place: ModelPlace,
    },
    /// Show the card of a model as JSON: data range, parameters, measures, seed
    Show {
        /// Version, the first column of ls; by default the model in use
        #[arg(value_name = "VERSION")]
        version: Option<u64>,
        /// Where it is.
        #[command(flatten)]
        place: ModelPlace,
    },
    /// Put a version into use, after reading all of it
    Use {
        /// Version, the first column of ls
        #[arg(value_name = "VERSION")]
        version: u64,
        /// Where it is.
        #[command(flatten)]
        place: ModelPlace,
    },
    /// Put the version before the one in use into use
    Rollback {
        /// Where they are.
        #[command(flatten)]
        place: ModelPlace,
    },
}

/// Where models are.
#[derive(Debug, Clone, Default, Args)]
pub struct ModelPlace {
    /// Directory of the models; by default the setting models.als.dir
    #[arg(short, long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl ModelArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        let (ModelAction::Ls { place }
        | ModelAction::Show { place, .. }
        | ModelAction::Use { place, .. }
        | ModelAction::Rollback { place }) = &self.action;
        let dir = place.dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        place.settings.request(&[("--dir", "models.als.dir", dir)])
    }
}
