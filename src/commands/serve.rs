//! `vitrine serve`: the main job.

use crate::config::Config;

/// Runs until SIGTERM.
///
/// # Errors
/// Always, in this version.
pub fn run(_config: Config) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
