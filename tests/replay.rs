//! `vitrine replay` as a program: on a real Kafka and a real PostgreSQL it writes what it writes on files, and what it
//! cannot do it says, with the exit code that fits, in bounded time.
//!
//! That a step holds what it should is the oracle's to say (`oracle/replay.rs`).

#[path = "replay/past.rs"]
mod past;
#[path = "replay/refusals.rs"]
mod refusals;
#[path = "replay/services.rs"]
mod services;
#[path = "replay/silence.rs"]
mod silence;
#[path = "replay/topics.rs"]
mod topics;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program with nothing of ours in its environment.
fn vitrine(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VITRINE")) {
        command.env_remove(name);
    }
    command.args(args).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The files of a directory by name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("the directory is there");
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("an entry");
        (entry.file_name().into_string().expect("a plain name"), fs::read(entry.path()).expect("a file"))
    };
    entries.map(file).collect()
}
