//! `vitrine check`.

use clap::Args;

use super::ConfigArgs;

const HELP: &str = "\
Example:
  vitrine check --config vitrine.toml

Prints one line per check to stdout, and how to mend each problem: the SQL, the command or the setting. Changes \
nothing. Exit code 0 if all checks pass, 1 if not, 78 if the configuration itself cannot be used.";

/// Flags of `vitrine check`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = HELP)]
pub struct CheckArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}
