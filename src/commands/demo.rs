//! `vitrine demo`: the main job on an invented shop.

use crate::cli::DemoArgs;
use crate::config::Config;

/// Runs until Ctrl-C.
///
/// # Errors
/// Always, in this version.
pub fn run(_args: DemoArgs, _config: Config) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
