//! The `vitrine` program: parses the command line and calls the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vitrine::commands::run(vitrine::cli::Cli::of_process())
}
