//! `vitrine model`: lists and shows trained models, and chooses the version in use.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use checkpoints::RealDisk;
use chrono::DateTime;
use models::store::{Card, Entry, ModelStore};

use crate::cli::{ModelAction, ModelArgs};
use crate::config::Config;

/// Runs the subcommand; results go to stdout.
///
/// # Errors
/// The directory cannot be read or written, there is no such version, or its file is refused.
pub fn run(args: &ModelArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let dir = &config.als.dir;
    let store = ModelStore::new(dir, Arc::new(RealDisk));
    let out = &mut std::io::stdout().lock();
    match &args.action {
        ModelAction::Ls { .. } => ls(&store.list()?, out)?,
        ModelAction::Show { version: Some(version), .. } => show(&store.read(*version)?.card, out)?,
        ModelAction::Show { version: None, .. } => {
            let loaded = store.load(None)?;
            loaded.refused.iter().for_each(|refused| tracing::warn!("{refused}"));
            let none = || format!("{} has no model: `vitrine train` makes one", dir.display());
            show(&loaded.model.with_context(none)?.1.card, out)?;
        }
        ModelAction::Use { version, .. } => {
            store.put_into_use(*version, config.als.factors)?;
            writeln!(out, "model {version} is in use")?;
        }
        ModelAction::Rollback { .. } => writeln!(out, "model {} is in use", store.roll_back(config.als.factors)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn ls(entries: &[Entry], out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{:>7}  {:6}  {:>12}  {:10}  {:>9}  {:>8}  {:>9}",
        "version", "", "bytes", "until", "users", "products", "recall@10"
    )?;
    for entry in entries {
        let mark = if entry.is_current { "in use" } else { "" };
        write!(out, "{:>7}  {mark:6}  {:>12}  ", entry.version, entry.bytes)?;
        match &entry.card {
            Ok(card) => {
                let recall = card.metrics.get("recall@10").map_or("-".to_owned(), |recall| format!("{recall:.4}"));
                let until = day(card.data_until_ms);
                writeln!(out, "{until:10}  {:>9}  {:>8}  {recall:>9}", card.users, card.products)?;
            }
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    Ok(())
}

fn show(card: &Card, out: &mut impl Write) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", serde_json::to_string_pretty(card)?)?)
}

fn day(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| millis.to_string(), |time| time.format("%Y-%m-%d").to_string())
}
