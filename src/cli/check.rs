//! `vitrine check`.

use clap::Args;

use super::ConfigArgs;

const HELP: &str = "\
Example:
  vitrine check --config vitrine.toml

Prints one line for each thing checked, on stdout, and how to mend what is wrong: the SQL, the command or the setting.
Nothing is changed anywhere. Exit code 0 if all is well, 1 if not, 78 if the configuration itself cannot be used.";

/// Flags of `vitrine check`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = HELP)]
pub struct CheckArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}
