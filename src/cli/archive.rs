//! `vitrine archive`.

use clap::{Args, Subcommand};

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine archive ls --config vitrine.toml
  vitrine archive ls --to /var/lib/vitrine/archive --files       one line per file
  vitrine archive verify --to s3://shop-events/vitrine            reads every file
  vitrine archive compact --config vitrine.toml                   merges small files of one partition and hour
  vitrine archive erase --config vitrine.toml                     removes the records of erased users

A server may write to the archive meanwhile. In a bucket run one compact at a time; in a directory a second one waits. Exit code of \
verify: 0 if all is well, 1 if not, with the place and the reason.";

/// Flags of `vitrine archive`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP, arg_required_else_help = true)]
pub struct ArchiveArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub action: ArchiveAction,
}

/// What to do with the archive.
#[derive(Debug, Clone, Subcommand)]
pub enum ArchiveAction {
    /// List the partitions with the offsets, files and bytes that the archive has of them
    Ls {
        /// List every file
        #[arg(long)]
        files: bool,
        /// Where it is.
        #[command(flatten)]
        place: ArchivePlace,
    },
    /// Read every file, and check that no offset is missing or there twice
    Verify {
        /// Where it is.
        #[command(flatten)]
        place: ArchivePlace,
    },
    /// Merge small files of one partition and hour, and remove what an interrupted merging has left
    Compact {
        /// Where it is.
        #[command(flatten)]
        place: ArchivePlace,
    },
    /// Remove the records of users who were erased, as the archived removals say, or all records of one user
    Erase {
        /// Id of the user
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// Where it is.
        #[command(flatten)]
        place: ArchivePlace,
    },
}

/// Where the archive is.
#[derive(Debug, Clone, Default, Args)]
pub struct ArchivePlace {
    /// Directory of the archive, or s3://BUCKET/PREFIX; by default the setting archive.to
    #[arg(short, long, value_name = "DIR|URL")]
    pub to: Option<String>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl ArchiveArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        let (ArchiveAction::Ls { place, .. }
        | ArchiveAction::Verify { place }
        | ArchiveAction::Compact { place }
        | ArchiveAction::Erase { place, .. }) = &self.action;
        place.settings.request(&[("--to", "archive.to", place.to.clone())])
    }
}
