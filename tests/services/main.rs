//! The program beside a real Kafka, a real PostgreSQL, or servers that fail in their place.

mod client;
mod cluster;
mod end_to_end;
mod expected_lists;
#[path = "../support/local_cluster.rs"]
mod local_cluster;
mod replay;
#[path = "../support/rows_program.rs"]
mod rows_program;
mod sessions;
mod setup_commands;
mod shop_rows;

use std::process::Command;

/// The program with nothing of Vitrine's in its environment.
fn vitrine(args: &[&str]) -> Command {
    let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
    command.args(args);
    command
}
