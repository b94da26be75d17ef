//! Commands for a program under test, and the text that it printed.

use std::ffi::OsStr;
use std::process::{Command, Output};

/// A command with none of Vitrine's variables in its environment.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VITRINE")) {
        command.env_remove(name);
    }
    command
}

/// The text on stdout of a program that has ended.
#[track_caller]
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

/// The text on stderr of a program that has ended.
#[track_caller]
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8")
}
