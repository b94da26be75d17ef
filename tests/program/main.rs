//! Tests of the program, and of the whole system in the test's own process, that need no services.

mod access;
mod archive_kills;
mod checkpoint_commands;
mod cluster_start;
mod erased_restart;
mod hostile;
#[path = "../support/local_cluster.rs"]
mod local_cluster;
mod models;
mod page;
mod places;
#[path = "../support/rows_program.rs"]
mod rows_program;
mod scenarios;
mod settings;
mod shop;
mod shop_rows;
mod test_data;

use std::process::Output;

/// Runs the program to its end, with nothing of Vitrine's in its environment.
fn vitrine(args: &[&str]) -> Output {
    harness::clean(env!("CARGO_BIN_EXE_vitrine")).args(args).output().expect("the program starts")
}
