//! `vitrine serve`: the main job, for months.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::config::Config;
use crate::system::System;

/// Runs until SIGTERM or Ctrl-C, then stops in order.
///
/// # Errors
/// When it cannot start, or something given could not be written at the end.
pub fn run(config: Config) -> anyhow::Result<()> {
    end_with_any_thread();
    let system = System::start(&config)?;
    info!(address = %system.address(), workers = config.dataflow.workers, "serving");
    let ended = work_until_the_end(the_end_of_others(&system));
    info!("stopping");
    system.stop(patience(&config)).and(ended)
}

/// How often it is looked whether process 0 of the cluster has ended all.
const LOOK: Duration = Duration::from_millis(100);

/// Fails once process 0 of the cluster has ended all, which nobody asked of this process.
async fn the_end_of_others(system: &System) -> anyhow::Result<Infallible> {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        ensure!(!system.has_ended(), "process 0 of the cluster has ended");
    }
}

/// How long the end may take.
pub(super) fn patience(config: &Config) -> Duration {
    Duration::from_millis(config.server.shutdown_ms)
}

/// A thread that panics ends the process at once: a server that goes on answering from dead workers is worse than none.
pub(super) fn end_with_any_thread() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
}

/// Blocks until SIGTERM or Ctrl-C, or until `work`, which goes on meanwhile, fails.
pub(super) fn work_until_the_end(work: impl Future<Output = anyhow::Result<Infallible>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
        tokio::select! {
            biased;
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            failed = work => failed.map(|never| match never {}),
        }
    })
}
