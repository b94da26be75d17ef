//! Handles SIGTERM, SIGHUP and Ctrl-C from the first moment: in a container, the first process ignores signals that it
//! does not handle.
//!
//! SIGHUP, which is sent when a terminal is closed, ends the process like the other signals, with a last checkpoint:
//! settings are not reloaded while it runs. A process that was started with SIGHUP ignored (`nohup`) keeps ignoring it.

use std::convert::Infallible;
use std::process::exit;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The file in which Linux lists the signals that a process ignores.
const STATUS: &str = "/proc/self/status";

/// Waits for any of the signals. A signal that arrives while no caller waits is not lost.
pub(super) struct Signals {
    runtime: Runtime,
    streams: SignalStreams,
}

struct SignalStreams {
    terminate: Signal,
    interrupt: Signal,
    /// `None` if SIGHUP is ignored.
    hang_up: Option<Signal>,
}

impl SignalStreams {
    /// Waits for the first signal and returns its name.
    async fn any(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hang_up => "SIGHUP",
        }
    }
}

impl Signals {
    /// From now on none of the signals ends the process by itself.
    ///
    /// # Errors
    /// A signal handler cannot be installed.
    pub(super) fn listen() -> anyhow::Result<Signals> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
        // Checked before a handler is installed, which would stop the process from ignoring SIGHUP.
        let hang_up = if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())) };
        let hang_up = hang_up.transpose().context("cannot wait for SIGHUP")?;
        drop(inside);
        Ok(Signals { runtime, streams: SignalStreams { terminate, interrupt, hang_up } })
    }

    /// Runs `start`, which may wait for services or peers without limit. A signal during the start ends the process at
    /// once with exit code 0: no request was answered yet, and the files on disk are as valid as after a crash.
    ///
    /// # Errors
    /// Errors of `start`, or a thread cannot be started.
    pub(super) fn or_end<T>(&mut self, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (started, is_started) = oneshot::channel::<Infallible>();
        let Signals { runtime, streams } = self;
        std::thread::scope(|threads| {
            std::thread::Builder::new().name("signals".into()).spawn_scoped(threads, move || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = is_started => {}
                        signal = streams.any() => {
                            tracing::info!(signal, "stopped during the start");
                            exit(0);
                        }
                    }
                });
            })?;
            let result = start();
            drop(started);
            result
        })
    }

    /// Blocks until a signal arrives, or until `work`, which runs meanwhile, fails.
    ///
    /// # Errors
    /// Errors of `work`.
    pub(super) fn or_fail(&mut self, work: impl Future<Output = anyhow::Result<Infallible>>) -> anyhow::Result<()> {
        let Signals { runtime, streams } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                signal = streams.any() => {
                    tracing::info!(signal, "stop requested");
                    Ok(())
                }
                failed = work => failed.map(|never| match never {}),
            }
        })
    }
}

/// Whether this process was started with SIGHUP ignored.
fn ignores_hang_up() -> bool {
    std::fs::read_to_string(STATUS).is_ok_and(|status| has_hang_up(&status))
}

/// Whether the mask of ignored signals contains SIGHUP, the signal with number 1.
fn has_hang_up(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_mask() {
        for (mask, ignored) in
            [("0000000000000001", true), ("0000000000001001", true), ("0000000000001000", false), ("", false)]
        {
            assert_eq!(has_hang_up(&format!("Name:\tvitrine\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n")), ignored);
        }
        assert!(!has_hang_up(""));
    }
}
