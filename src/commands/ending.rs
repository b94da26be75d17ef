//! Stops the system within a bounded time. Each part of the system bounds its own stop. A part that still hangs, for
//! example in a disk call that never returns, is named, and the process ends without it.

use std::convert::Infallible;
use std::process::exit;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::system::System;

/// How much longer than configured the stop may take.
const SPARE: Duration = Duration::from_secs(5);

/// Stops the system. If that takes much longer than `patience`, the process ends with status 1.
///
/// # Errors
/// Errors of [`System::stop`], or a thread cannot be started.
pub(super) fn stop(system: System, patience: Duration) -> anyhow::Result<()> {
    let stage = system.stage();
    let (ended, end) = channel::<Infallible>();
    thread::Builder::new().name("end".into()).spawn(move || {
        if end.recv_timeout(patience + SPARE) == Err(RecvTimeoutError::Timeout) {
            let waits_for = stage.waits_for().unwrap_or("its begin");
            tracing::error!(waits_for, "the stop takes longer than server.shutdown_ms: ending the process");
            eprintln!("vitrine: the stop still waits for {waits_for}; ending the process without it");
            exit(1);
        }
    })?;
    let stopped = system.stop(patience);
    drop(ended);
    stopped
}
