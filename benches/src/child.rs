//! Parts of this program that run as processes of their own, so that their costs can be measured separately.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use harness::Process;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs a part to its end and reads what it printed.
pub(crate) fn output<T: DeserializeOwned>(arguments: &[&str]) -> anyhow::Result<T> {
    output_of(&own()?, arguments)
}

/// Runs a part of another build's program to its end and reads what it printed.
pub(crate) fn output_of<T: DeserializeOwned>(program: &Path, arguments: &[&str]) -> anyhow::Result<T> {
    let output = command(program, arguments).stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "`{}` ended with {}", arguments.join(" "), output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("what `{}` printed", arguments.join(" ")))
}

/// Prints the result of a part, for [`output`].
pub(crate) fn print_result<T: Serialize>(result: &T) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(result)?);
    Ok(())
}

/// Starts a part that runs until it is dropped.
pub(crate) fn spawn(arguments: &[&str]) -> anyhow::Result<Process> {
    Ok(Process::spawn(arguments[0], command(&own()?, arguments)))
}

fn own() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
