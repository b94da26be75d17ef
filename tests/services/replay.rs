//! `vitrine replay` as a program: on a real Kafka and a real PostgreSQL it writes the same output as on files. If it
//! cannot run, it prints the reason and ends with the right exit code in bounded time.
//!
//! The oracle checks the rows of each step (`tests/oracle/replay.rs`).

mod archive;
mod past;
mod refusals;
mod services;
mod silence;
mod topics;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

/// Runs the program to its end.
fn vitrine(args: &[&str]) -> Output {
    crate::vitrine(args).output().expect("the program starts")
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
