//! SIGTERM and Ctrl-C, heard from the first moment: in a container nothing else ends the first process of all.

use std::convert::Infallible;
use std::process::exit;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Waits for either signal. One that comes while nobody waits is not lost.
pub(super) struct Signals {
    runtime: Runtime,
    heard: Heard,
}

struct Heard {
    terminate: Signal,
    interrupt: Signal,
}

impl Heard {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Signals {
    /// From now on neither signal ends the process by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn listen() -> anyhow::Result<Signals> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
        drop(inside);
        Ok(Signals { runtime, heard: Heard { terminate, interrupt } })
    }

    /// Runs `start`, which may wait for others without end. A signal that comes before it is over ends the process at
    /// once, with 0: nothing was answered yet, and what is on the disk is as good as after any crash.
    ///
    /// # Errors
    /// Those of `start`, or the system refuses a thread.
    pub(super) fn or_end<T>(&mut self, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (started, is_started) = oneshot::channel::<Infallible>();
        let Signals { runtime, heard } = self;
        std::thread::scope(|threads| {
            std::thread::Builder::new().name("signals".into()).spawn_scoped(threads, move || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = is_started => {}
                        () = heard.any() => {
                            tracing::info!("ending before the start was over");
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
        let Signals { runtime, heard } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = heard.any() => Ok(()),
                failed = work => failed.map(|never| match never {}),
            }
        })
    }
}
