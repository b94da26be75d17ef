//! The log of a restart states its starting point: the newest checkpoint, and PostgreSQL's log that the slot has kept.
//!
//! A start that reads everything from the beginning gives the same lists. So does a start that finds PostgreSQL's log
//! removed because it was acknowledged too early, and reads the tables again. Only the program's log distinguishes
//! these cases.

use std::fs;
use std::path::Path;

/// What is logged where a checkpoint is gone on from, with its tick.
pub(crate) const RESTORED: &str = "going on from a checkpoint";
/// What is logged where rows were there, and the tables had to be read again.
const TABLES_READ: &str = "the log does not hold the changes";

/// What a fault has left of what a start goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retained {
    /// All of it.
    Everything,
    /// An older checkpoint than the newest, of which the server's log may be gone.
    Older,
    /// Checkpoints, from which the log may not lead on.
    NoLog,
}

/// The tick of the newest checkpoint of one process in a directory, if one was written whole.
pub(crate) fn newest(dir: &Path) -> Option<u64> {
    let entries = fs::read_dir(dir).expect("the directory is there");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix("-part-0-of-1.manifest")?.parse().ok()).max()
}

/// How often it is told that the tables were read again, with the range that the log did not tell.
pub(crate) fn tables_read(log: &str) -> usize {
    log.lines().filter(|line| line.contains(TABLES_READ) && line.contains("from=") && line.contains("to=")).count()
}

/// What is wrong with where a program that logged this has gone on; `newest` is the checkpoint that was there.
pub(crate) fn differences(log: &str, newest: Option<u64>, kept: Retained) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(tick) = newest {
        let restored_line = log.lines().find(|line| line.contains(RESTORED));
        let ticks =
            restored_line.into_iter().flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix("as_of_ms="));
        let ticks: Vec<&str> = ticks.collect();
        if restored_line.is_none() || (kept != Retained::Older && ticks != [tick.to_string()]) {
            wrong.push(format!("the checkpoint of {tick} was there, and this was gone on from: {restored_line:?}"));
        }
    }
    if kept == Retained::Everything && tables_read(log) > 0 {
        wrong.push(format!("the tables were read again, though the slot was there: {log}"));
    }
    wrong
}
