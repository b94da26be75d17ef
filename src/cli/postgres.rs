//! `vitrine postgres`.

use clap::{Args, Subcommand};

use super::ConfigArgs;

const HELP: &str = "\
Example, after a restore or pg_upgrade:
  vitrine postgres adopt --config vitrine.toml

A running Vitrine that keeps checkpoints does not read the tables of another server than before, and reports that in \
/readyz. This command accepts the server that answers at postgres.url: Vitrine reads its tables again and applies the \
difference; histories, checkpoints and positions in Kafka stay. Nothing is changed on the server. A promoted standby \
needs no command.";

/// Flags of `vitrine postgres`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP, arg_required_else_help = true)]
pub struct PostgresArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: PostgresAction,
}

/// What to do with the database.
#[derive(Debug, Clone, Subcommand)]
pub enum PostgresAction {
    /// Accept the database server that answers now in the place of the server that the rows came from
    Adopt {
        /// Accept the server only if it has this system identifier, which /readyz names
        #[arg(long, value_name = "NUMBER")]
        system: Option<u64>,
        /// Where settings come from.
        #[command(flatten)]
        settings: ConfigArgs,
    },
}
