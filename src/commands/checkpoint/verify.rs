//! `vitrine checkpoint verify`: reads every byte and every row that a restart would read.

use std::collections::BTreeSet;
use std::process::ExitCode;

use checkpoints::{CheckpointState, Damage, Directory, Error};

use crate::commands::progress;

/// Verifies one checkpoint; exit code 1 if it is damaged.
///
/// # Errors
/// The files cannot be read, or another version of Vitrine wrote them.
pub(super) fn one(
    directory: &Directory,
    id: u64,
    read: impl Fn() -> Result<Directory, Error>,
) -> anyhow::Result<ExitCode> {
    Ok(if check(directory, id, &read)? == CheckResult::Wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Verifies all checkpoints; exit code 1 if a checkpoint is damaged.
///
/// # Errors
/// The files cannot be read, or another version of Vitrine wrote them.
pub(super) fn all(directory: &Directory, read: impl Fn() -> Result<Directory, Error>) -> anyhow::Result<ExitCode> {
    let mut sound = BTreeSet::new();
    let mut wrong = false;
    for checkpoint in directory.checkpoints().rev() {
        if sound.contains(&checkpoint.tick) {
            println!("{}: sound, as a newer one is on it", checkpoint.tick);
            continue;
        }
        match check(directory, checkpoint.tick, &read)? {
            CheckResult::Sound => sound.extend(directory.chain(checkpoint.tick).map(|on| on.tick)),
            CheckResult::Wrong => wrong = true,
            CheckResult::NotThere => {}
        }
    }
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[derive(PartialEq, Eq)]
enum CheckResult {
    Sound,
    Wrong,
    /// Not all of it was written yet, or it was removed meanwhile.
    NotThere,
}

fn check(directory: &Directory, id: u64, read: &impl Fn() -> Result<Directory, Error>) -> anyhow::Result<CheckResult> {
    if let Some(CheckpointState::Broken(findings)) = directory.checkpoint(id).map(|checkpoint| &checkpoint.state) {
        if findings.iter().all(|finding| matches!(finding.damage, Damage::Parts { .. })) {
            findings.iter().for_each(|finding| println!("{id}: unfinished: {}", finding.damage));
            return Ok(CheckResult::NotThere);
        }
        findings.iter().for_each(|finding| println!("{id}: wrong: {finding}"));
        return Ok(CheckResult::Wrong);
    }
    match rows(directory, id) {
        Ok(rows) => {
            println!("{id}: sound, {rows} rows");
            Ok(CheckResult::Sound)
        }
        // A server that writes here may have removed it since the directory was read.
        Err(Error::Corrupt(_)) if read()?.checkpoint(id).is_none() => {
            println!("{id}: removed meanwhile");
            Ok(CheckResult::NotThere)
        }
        Err(Error::Corrupt(finding)) => {
            println!("{id}: wrong: {finding}");
            Ok(CheckResult::Wrong)
        }
        Err(refused) => Err(refused.into()),
    }
}

/// The number of rows in the checkpoint and in those that it builds on. Reads each row.
fn rows(directory: &Directory, id: u64) -> Result<u64, Error> {
    let restorable = directory.open(id)?;
    restorable.verify_all()?;
    let frames = restorable.frames();
    let bar = progress::bytes("verify", Some(frames.iter().map(|frame| frame.bytes() as u64).sum()));
    let mut rows = 0;
    for frame in &frames {
        rows += frame.check_rows()? as u64;
        bar.inc(frame.bytes() as u64);
    }
    bar.finish_and_clear();
    Ok(rows)
}
