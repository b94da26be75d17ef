//! How far answers may have gone: a durable mark ahead of `as_of`, so that no start answers with an older state.
//!
//! The mark is raised ahead of time, beside everything else, and the clock stops at it: what was answered with is
//! always below a mark that is durable. After a start nothing older than the mark is answered with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use checkpoints::{Mark, RealDisk};
use dataflow::time::{Millis, ServiceClock, Time};

use crate::clock::WallClock;
use crate::config::Config;

/// How far ahead of the clock the mark is raised.
const AHEAD_MS: Millis = 2_000;

/// How often it is raised.
const EVERY: Duration = Duration::from_millis(500);

/// The mark's file, beside the checkpoints.
const FILE: &str = "served";

/// A clock that stops where the mark stands.
pub(crate) struct LeasedClock {
    wall: WallClock,
    until: AtomicU64,
}

impl ServiceClock for LeasedClock {
    fn now(&self) -> Time {
        self.wall.now().min(self.until.load(Ordering::Acquire))
    }
}

/// The thread that raises the mark. Dropped, it ends.
pub(crate) struct Served {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    floor: Time,
}

impl Served {
    /// Reads the mark, and starts a clock at it or at the wall clock's time, whichever is later.
    ///
    /// # Errors
    /// When the mark cannot be read or raised.
    pub(crate) fn start(
        config: &Config,
        settings: &crate::config::Checkpoint,
    ) -> anyhow::Result<(Served, Arc<LeasedClock>)> {
        let forward_jump_max = Duration::from_millis(config.dataflow.forward_jump_max_ms);
        let place = || format!("cannot keep {FILE} in {}", settings.dir.display());
        let mut mark = Mark::open(&settings.dir, FILE, Arc::new(RealDisk)).with_context(place)?;
        let floor = mark.read().unwrap_or(0);
        let wall = WallClock::from(floor, forward_jump_max);
        let until = wall.now() + AHEAD_MS;
        mark.raise(until).with_context(place)?;
        let clock = Arc::new(LeasedClock { wall, until: AtomicU64::new(until) });
        let (stop, stopped) = channel();
        let leased = clock.clone();
        let thread = std::thread::Builder::new().name("served-mark".into()).spawn(move || {
            let mut failing = false;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let until = leased.wall.now() + AHEAD_MS;
                match mark.raise(until) {
                    Ok(()) => {
                        leased.until.store(until, Ordering::Release);
                        failing = false;
                    }
                    Err(error) if !failing => {
                        tracing::error!(%error, "what was answered cannot be noted: time stands still until it can");
                        failing = true;
                    }
                    Err(_) => {}
                }
            }
        })?;
        Ok((Served { stop: Some(stop), thread: Some(thread), floor }, clock))
    }

    /// No older state may be answered with.
    pub(crate) fn floor(&self) -> Time {
        self.floor
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It ends at once; if it had panicked the process would have ended.
            let _ = thread.join();
        }
    }
}
