//! `vitrine serve`: the main command, which runs for months.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::ensure;
use tracing::{info, warn};

use super::ending;
use super::signals::Signals;
use crate::config::Config;
use crate::system::{System, descriptors};

/// Runs until SIGTERM, SIGHUP or Ctrl-C, then stops in order. During the start, a signal ends the process at once.
///
/// # Errors
/// The system cannot start, or accepted data could not be written at the end.
pub fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    end_with_any_thread();
    open_many_files(&config);
    let system = signals.or_end(|| System::start(&config))?;
    info!(address = %system.address(), workers = config.dataflow.workers, "serving");
    let ended = signals.or_fail(the_end_of_others(&system));
    info!("stopping");
    ending::stop(system, patience(&config)).and(ended)
}

/// How often to check whether process 0 of the cluster has ended all processes.
const LOOK: Duration = Duration::from_millis(100);

/// Fails once process 0 of the cluster has ended all processes without a signal to this process.
async fn the_end_of_others(system: &System) -> anyhow::Result<Infallible> {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        ensure!(!system.has_ended(), "process 0 of the cluster has ended");
    }
}

/// Lets the process open as many files and connections as the system allows, and logs if that is not enough.
pub(super) fn open_many_files(config: &Config) {
    if let Some(shortage) = descriptors::shortage(config.server.connections_max, descriptors::raise()) {
        warn!("{shortage}");
    }
}

/// How long the stop may take.
pub(super) fn patience(config: &Config) -> Duration {
    Duration::from_millis(config.server.shutdown_ms)
}

/// A thread that panics ends the process at once: a server that answers while its workers are dead is worse than no
/// server.
pub(super) fn end_with_any_thread() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
}
