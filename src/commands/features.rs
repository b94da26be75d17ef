//! `vitrine features`: the features of users in files, from the records that are there.
//!
//! ```text
//! records, as a replay reads them ─┬▶ export: the features of all users as of one time ─▶ one row a user
//!                                  └▶ join: the features just before the time of each row of a file ─▶ the same rows
//! ```
//! The graph is the one that `serve` runs, with features on.

mod export;
mod join;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use checkpoints::RealDisk;
use dataflow::features::{FEATURES, Feature, find};
use dataflow::rules::{BuyAgain, CoViews, Rules};
use dataflow::source_status::SourceRegistry;
use sinks::feature_file::Format;

use super::replay::dir::{OutFile, whole_file};
use super::serve::end_with_any_thread;
use crate::cli::{FeaturesAction, FeaturesArgs};
use crate::config::Config;

pub use export::Export;
pub use join::Join;

/// Writes the file that the flags describe; prints a summary to stdout.
///
/// # Errors
/// A feature is unknown, a service or a file cannot be read, a row cannot be used, or the file cannot be written.
pub fn run(args: &FeaturesArgs, config: Config) -> anyhow::Result<ExitCode> {
    let summary = match &args.action {
        FeaturesAction::Export { at, output } => {
            let features = chosen(&output.features)?;
            end_with_any_thread();
            Export { at: *at, out: output.out.clone(), features, workers: config.dataflow.workers }.run(config)?
        }
        FeaturesAction::Join { rows, output } => {
            let features = chosen(&output.features)?;
            end_with_any_thread();
            Join { rows: rows.clone(), out: output.out.clone(), features, ..Join::default() }.run(config)?
        }
    };
    print!("{summary}");
    Ok(ExitCode::SUCCESS)
}

/// The features with these names, each once; all if there are none.
fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Feature>> {
    if names.is_empty() {
        return Ok(FEATURES.iter().collect());
    }
    let mut features: Vec<&Feature> = Vec::new();
    for name in names {
        let Some(feature) = find(name) else {
            let all = FEATURES.iter().map(|feature| feature.name).collect::<Vec<_>>().join(", ");
            bail!("there is no feature {name:?}: --features takes {all}, with commas between them");
        };
        if !features.iter().any(|known| known.name == feature.name) {
            features.push(feature);
        }
    }
    Ok(features)
}

/// The rules with features on, and without the models, which no feature is made from.
fn rules(config: &Config) -> Rules {
    let mut rules = config.rules.without_shadow();
    rules.features.enabled = true;
    Rules { co_views: CoViews::OFF, buy_again: BuyAgain::OFF, ..rules }
}

/// The format of a file to write.
fn format(out: &Path) -> anyhow::Result<Format> {
    Format::of(out).with_context(|| format!("{}: the name must end in .parquet or .jsonl", out.display()))
}

/// The directory of a file to write.
fn dir(out: &Path) -> &Path {
    out.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file that is whole or not there.
fn write(out: &Path, write: impl FnOnce(&mut OutFile) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let name = out.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} is no name of a file", out.display()))?;
    whole_file(&RealDisk, (dir(out), name), write)
}

/// What was read of each source, as lines of text.
fn summary(registry: &SourceRegistry) -> String {
    let mut text = String::new();
    for source in registry.snapshot() {
        text += &format!("{}: {} records used\n", source.name, source.accepted);
        for (reason, count) in &source.rejected {
            text += &format!("  refused: {count} {reason}\n");
        }
    }
    text
}
