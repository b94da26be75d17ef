//! The end in its time, whatever hangs: each part of the system bounds its own end, and what still hangs then, in a call to
//! a disk that never returns, is named and left.

use std::convert::Infallible;
use std::process::exit;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::system::System;

/// How much longer than it should the end may take.
const SPARE: Duration = Duration::from_secs(5);

/// Stops the system. Where that takes much longer than `patience`, the process ends with status 1.
///
/// # Errors
/// Those of [`System::stop`], or the operating system refuses a thread.
pub(super) fn stop(system: System, patience: Duration) -> anyhow::Result<()> {
    let stage = system.stage();
    let (ended, end) = channel::<Infallible>();
    thread::Builder::new().name("end".into()).spawn(move || {
        if end.recv_timeout(patience + SPARE) == Err(RecvTimeoutError::Timeout) {
            let waits_for = stage.waits_for().unwrap_or("its begin");
            tracing::error!(waits_for, "the end takes longer than server.shutdown_ms: the process is ended");
            eprintln!("vitrine: the end still waits for {waits_for}; it is left as it is");
            exit(1);
        }
    })?;
    let stopped = system.stop(patience);
    drop(ended);
    stopped
}
