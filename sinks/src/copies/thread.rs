//! The thread of a copier.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::copier::{Copier, Turn};
use super::destination::Destination;
use super::shown::ShownLists;
use super::status::SharedCopyStatus;

/// How often a copier looks whether the lists are ready.
const EARLY_REST: Duration = Duration::from_millis(100);

/// A running copier.
pub struct CopyThread {
    name: &'static str,
    status: SharedCopyStatus,
    is_over: Arc<AtomicBool>,
    /// Closed when the thread ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl CopyThread {
    /// Starts a copier, which rests for `interval` after it has copied everything. `begin` is called first in the thread;
    /// `name` has at most 15 bytes.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub fn start<D: Destination + 'static, L: ShownLists + 'static>(
        name: &'static str,
        copier: Copier<D, L>,
        interval: Duration,
        status: SharedCopyStatus,
        begin: impl FnOnce() + Send + 'static,
    ) -> io::Result<CopyThread> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (end, ended) = channel::<()>();
        let over = is_over.clone();
        let run = move || {
            begin();
            // Dropped at the end of the thread, also by a panic.
            let _end = end;
            run(name, copier, interval, &over);
        };
        let thread = thread::Builder::new().name(name.into()).spawn(run)?;
        Ok(CopyThread { name, status, is_over, ended, thread })
    }

    /// The state, for readiness, metrics and the status page.
    #[must_use]
    pub fn status(&self) -> &SharedCopyStatus {
        &self.status
    }

    /// Ends the thread after what it is writing now.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.thread.thread().unpark();
    }

    /// Waits for the end of the thread, but no longer than until `deadline`: the next start writes what is missing.
    pub fn finish(self, deadline: Instant) {
        self.end();
        let left = deadline.saturating_duration_since(Instant::now());
        if self.ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("{}: the last lists were not written in time: the next start writes them", self.name);
        }
    }
}

fn run(name: &str, mut copier: Copier<impl Destination, impl ShownLists>, interval: Duration, is_over: &AtomicBool) {
    let start = Instant::now();
    let mut backoff = crate::backoff();
    let mut is_failing = false;
    while !is_over.load(Ordering::Acquire) {
        let rest = match copier.turn(start.elapsed()) {
            Ok(Turn::Early) => EARLY_REST,
            Ok(turn) => {
                if std::mem::take(&mut is_failing) {
                    tracing::info!("{name}: lists are copied again");
                }
                backoff.reset();
                if turn == Turn::More { Duration::ZERO } else { interval }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!("{name}: lists cannot be copied, which is tried again: {}", error.advice());
                }
                backoff.pause()
            }
        };
        if rest > Duration::ZERO {
            thread::park_timeout(rest);
        }
    }
}
