//! The command line: types and help texts, without logic.

mod archive;
mod check;
mod checkpoint;
mod common;
mod demo;
mod evaluate;
mod features;
mod generate;
mod import;
mod key;
mod model;
mod postgres;
mod produce;
mod replay;
mod serve;
mod train;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub use self::archive::{ArchiveAction, ArchiveArgs, ArchivePlace};
pub use self::check::CheckArgs;
pub use self::checkpoint::{CheckpointAction, CheckpointArgs, CheckpointPlace};
pub use self::common::ConfigArgs;
pub use self::demo::DemoArgs;
pub use self::evaluate::EvaluateArgs;
pub use self::features::{FeaturesAction, FeaturesArgs, FeaturesOutput};
pub use self::generate::{GenerateArgs, Target};
pub use self::import::{ExportArgs, Format, ImportArgs, Mode};
pub use self::key::{KeyAction, KeyArgs, KeyPlace};
pub use self::model::{ModelAction, ModelArgs, ModelPlace};
pub use self::postgres::{PostgresAction, PostgresArgs};
pub use self::produce::ProduceArgs;
pub use self::replay::ReplayArgs;
pub use self::serve::ServeArgs;
pub use self::train::TrainArgs;

const LONG_ABOUT: &str = "\
Vitrine keeps the lists on the pages of an online shop right, within milliseconds.

It reads view events from Kafka and orders from PostgreSQL (or both from files), keeps every user's last viewed products, \
the best sellers of each category and each user's recommendations up to date as events come in, and answers the shop's \
pages over HTTP.";

const EXAMPLES: &str = "\
A demonstration that needs no services:
  vitrine demo                                        then open http://127.0.0.1:8080/

With files of test data:
  vitrine generate --to files --dir data
  vitrine serve --set files.dir=data
  curl http://127.0.0.1:8080/v1/users/user-120/history

With Kafka and PostgreSQL (vitrine.toml names both):
  vitrine generate --to services --config vitrine.toml
  vitrine check --config vitrine.toml
  vitrine serve --config vitrine.toml
  vitrine produce --config vitrine.toml --file product-views.json --rate 100
  vitrine replay --config vitrine.toml --from 2026-11-01 --until 2026-11-20

Settings: defaults < --config FILE < environment VITRINE__SECTION__KEY < flags. vitrine.toml shows them all.

Results go to stdout, logs to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "vitrine", version, about = "A real-time shelf engine for online shops", long_about = LONG_ABOUT,
    after_help = EXAMPLES, arg_required_else_help = true, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read views and orders, keep the lists up to date, and answer the shop's requests until SIGTERM: the main command
    Serve(ServeArgs),
    /// Show everything at work on a simulated shop, with a web page; needs no services
    Demo(DemoArgs),
    /// Send view events from a JSON-lines file to Kafka, stamped with the current time
    Produce(ProduceArgs),
    /// Create test data from a seed, in files or in Kafka and PostgreSQL
    Generate(GenerateArgs),
    /// Read a CSV or JSON-lines file into the store, all of it or nothing
    Import(ImportArgs),
    /// Write the rows of the store as CSV or JSON lines
    Export(ExportArgs),
    /// Write the lists as they were at past times, from the records that still exist
    Replay(ReplayArgs),
    /// Tell how good the lists are, from what happened next
    Evaluate(EvaluateArgs),
    /// Write features to files: of all users as of a time, or beside rows of labels as of the time of each
    Features(FeaturesArgs),
    /// Learn the factor model from the histories of all users
    Train(TrainArgs),
    /// List and show trained models, and choose the one in use
    Model(ModelArgs),
    /// Check the configuration and every service once, and print how to mend each problem
    Check(CheckArgs),
    /// List, show and verify checkpoints
    Checkpoint(CheckpointArgs),
    /// Make, list and revoke keys of the API
    Key(KeyArgs),
    /// List, verify and merge the files of the archive, or erase a user from it
    Archive(ArchiveArgs),
    /// Accept another database server, after a restore or pg_upgrade
    Postgres(PostgresArgs),
}

impl Cli {
    /// The command line of this process. A wrong one ends the process with status 2.
    pub fn of_process() -> Cli {
        let cli = Cli::parse();
        match cli.check() {
            Ok(()) => cli,
            Err(error) => error.exit(),
        }
    }

    /// Flags that are right alone and contradict each other.
    fn check(&self) -> Result<(), clap::Error> {
        let (name, contradiction) = match &self.command {
            Command::Generate(args) => ("generate", args.contradiction()),
            _ => return Ok(()),
        };
        let Some(contradiction) = contradiction else { return Ok(()) };
        let mut command = Cli::command();
        // Gives subcommands their whole name, for the usage in the message.
        command.build();
        let command = command.find_subcommand_mut(name).expect("it was parsed");
        Err(command.error(ErrorKind::ArgumentConflict, contradiction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_sound_and_every_command_teaches_by_example() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands_mut() {
            let help = sub.render_long_help().to_string();
            let example = format!("vitrine {}", sub.get_name());
            assert!(help.contains(&example), "the help of `{}` has no example", sub.get_name());
        }
    }
}
