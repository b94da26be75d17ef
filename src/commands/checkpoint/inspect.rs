//! `vitrine checkpoint inspect`: one checkpoint as JSON.

use anyhow::Context as _;
use checkpoints::{CheckpointKind, CheckpointState, Directory, Manifest};
use serde::Serialize;

use super::{ls, time};

#[derive(Serialize)]
struct CheckpointJson<'a> {
    id: u64,
    taken: String,
    kind: Option<CheckpointKind>,
    /// The ids of the checkpoints that a restart reads, newest first.
    chain: Vec<u64>,
    state: String,
    findings: Vec<String>,
    parts: &'a [Manifest],
}

/// Prints the checkpoint.
pub(super) fn run(directory: &Directory, id: u64) -> anyhow::Result<()> {
    let checkpoint = directory.checkpoint(id).context("it was looked up before")?;
    let findings = match &checkpoint.state {
        CheckpointState::Broken(findings) => findings.iter().map(ToString::to_string).collect(),
        CheckpointState::Whole | CheckpointState::OtherFormat { .. } => Vec::new(),
    };
    let json = CheckpointJson {
        id,
        taken: time(id),
        kind: checkpoint.kind(),
        chain: directory.chain(id).map(|checkpoint| checkpoint.tick).collect(),
        state: ls::state(&checkpoint.state),
        findings,
        parts: &checkpoint.manifests,
    };
    println!("{}", serde_json::to_string_pretty(&json)?);
    Ok(())
}
