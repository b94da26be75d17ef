//! `vitrine checkpoint`: shows and verifies checkpoints, also while a server writes there. Changes nothing.

mod inspect;
mod ls;
mod verify;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use checkpoints::{Directory, RealDisk};
use chrono::{DateTime, SecondsFormat};

use crate::cli::{CheckpointAction, CheckpointArgs};
use crate::config::Config;

/// Runs the subcommand; results go to stdout.
///
/// # Errors
/// No directory is given, it cannot be read, or the checkpoint does not exist.
pub fn run(args: &CheckpointArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let settings = config.checkpoint.as_ref();
    let dir = &settings.context("no directory is named: give --dir DIR, or a --config file with [checkpoint]")?.dir;
    if !dir.is_dir() {
        bail!("{} is no directory", dir.display());
    }
    let read = || Directory::read(dir, Arc::new(RealDisk));
    let directory = read()?;
    match &args.action {
        CheckpointAction::Ls { .. } => ls::run(&directory, &mut std::io::stdout().lock())?,
        CheckpointAction::Inspect { id, .. } => inspect::run(&directory, newest_or(&directory, *id)?)?,
        CheckpointAction::Verify { all: true, .. } => return verify::all(&directory, read),
        CheckpointAction::Verify { id, .. } => return verify::one(&directory, newest_or(&directory, *id)?, read),
    }
    Ok(ExitCode::SUCCESS)
}

/// The checkpoint with the given id, or else the newest complete checkpoint.
fn newest_or(directory: &Directory, id: Option<u64>) -> anyhow::Result<u64> {
    match id {
        Some(id) if directory.checkpoint(id).is_none() => bail!("there is no checkpoint {id}; `ls` shows all"),
        Some(id) => Ok(id),
        None => {
            let mut whole = directory.checkpoints().rev().filter(|checkpoint| checkpoint.is_whole());
            whole
                .next()
                .map(|checkpoint| checkpoint.tick)
                .context("there is no whole checkpoint; `ls` shows what there is")
        }
    }
}

/// A tick as a readable time.
fn time(tick: u64) -> String {
    let time = i64::try_from(tick).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| format!("{tick} ms"), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
