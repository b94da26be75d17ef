//! `vitrine checkpoint ls`: one line per checkpoint.

use std::io::{self, Write};

use checkpoints::{Checkpoint, CheckpointKind, CheckpointState, Damage, Directory, Manifest};

use super::time;

const TITLES: [&str; 8] = ["ID", "TAKEN", "KIND", "PARTS", "FILES", "BYTES", "ROWS", "STATE"];

/// Columns of numbers, which are aligned to the right.
const NUMBERS: std::ops::RangeInclusive<usize> = 3..=6;

/// Prints the table.
pub(super) fn run(directory: &Directory, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(directory.checkpoints().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if NUMBERS.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn row(checkpoint: &Checkpoint) -> [String; 8] {
    let sum = |of: fn(&Manifest) -> u64| checkpoint.manifests.iter().map(of).sum::<u64>().to_string();
    [
        checkpoint.tick.to_string(),
        time(checkpoint.tick),
        match checkpoint.kind() {
            Some(CheckpointKind::Full) => "full".into(),
            Some(CheckpointKind::Delta { on }) => format!("delta on {on}"),
            None => "?".into(),
        },
        format!("{}/{}", checkpoint.manifests.len(), checkpoint.parts()),
        sum(|manifest| manifest.files.len() as u64),
        sum(Manifest::bytes),
        sum(Manifest::rows),
        state(&checkpoint.state),
    ]
}

/// The state in a few words; the first of several findings.
pub(super) fn state(state: &CheckpointState) -> String {
    match state {
        CheckpointState::Whole => "whole".into(),
        CheckpointState::OtherFormat { format, .. } => format!("of format {format}, which this version cannot read"),
        CheckpointState::Broken(findings) => match findings.first() {
            Some(finding) if matches!(finding.damage, Damage::Parts { .. }) => {
                format!("unfinished: {}", finding.damage)
            }
            Some(finding) => format!("broken: {finding}"),
            None => "broken".into(),
        },
    }
}
