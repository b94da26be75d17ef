//! SIGTERM, SIGHUP and Ctrl-C, heard from the first moment: in a container nothing else ends the first process of all.
//!
//! SIGHUP, which comes when a terminal is closed, ends the process like the others, with a last checkpoint: no setting is
//! read again while it runs. Where whoever started the process had it ignore SIGHUP (`nohup`), it does.

use std::convert::Infallible;
use std::process::exit;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Where the system says which signals a process ignores.
const STATUS: &str = "/proc/self/status";

/// Waits for any of the signals. One that comes while nobody waits is not lost.
pub(super) struct Signals {
    runtime: Runtime,
    streams: SignalStreams,
}

struct SignalStreams {
    terminate: Signal,
    interrupt: Signal,
    /// None: it is ignored.
    hang_up: Option<Signal>,
}

impl SignalStreams {
    /// The name of the first one.
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
    /// When the system refuses.
    pub(super) fn listen() -> anyhow::Result<Signals> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
        // Looked for before it is listened to, which would undo it.
        let hang_up = if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())) };
        let hang_up = hang_up.transpose().context("cannot wait for SIGHUP")?;
        drop(inside);
        Ok(Signals { runtime, streams: SignalStreams { terminate, interrupt, hang_up } })
    }

    /// Runs `start`, which may wait for others without end. A signal that comes before it is over ends the process at
    /// once, with 0: nothing was answered yet, and what is on the disk is as good as after any crash.
    ///
    /// # Errors
    /// Those of `start`, or the system refuses a thread.
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
                            tracing::info!(signal, "ending before the start was over");
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

    /// Blocks until a signal, or until `work`, which goes on meanwhile, fails.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) fn or_fail(&mut self, work: impl Future<Output = anyhow::Result<Infallible>>) -> anyhow::Result<()> {
        let Signals { runtime, streams } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                signal = streams.any() => {
                    tracing::info!(signal, "asked to end");
                    Ok(())
                }
                failed = work => failed.map(|never| match never {}),
            }
        })
    }
}

/// Whether whoever started this process had it ignore SIGHUP.
fn ignores_hang_up() -> bool {
    std::fs::read_to_string(STATUS).is_ok_and(|status| has_hang_up(&status))
}

/// Whether SIGHUP, the first signal of all, is among those that are ignored.
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
