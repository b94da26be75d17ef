//! The archiver on its own thread.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::archiver::{Archiver, Share};
use crate::log::Log;
use crate::now::Now;
use crate::settings::Settings;
use crate::status::SharedStatus;
use crate::store::Store;

/// The running archiver.
pub struct Running {
    status: SharedStatus,
    /// The time by which the thread has to end, once it has to.
    deadline: Arc<Mutex<Option<Instant>>>,
    /// Closed when the thread ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Starts to archive `log`. `begin` is called first in the thread.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub fn start(
        settings: Settings,
        share: Share,
        store: Arc<dyn Store>,
        log: impl Log + Send + 'static,
        begin: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Running> {
        let (status, deadline) = (SharedStatus::default(), Arc::new(Mutex::new(None)));
        let (end, ended) = channel::<()>();
        let (shared, ends) = (status.clone(), deadline.clone());
        let run = move || {
            begin();
            // Dropped at the end of the thread, also by a panic.
            let _end = end;
            run(Archiver::new(settings, share, store, log, shared), &ends);
        };
        let thread = thread::Builder::new().name("archive".into()).spawn(run)?;
        Ok(Running { status, deadline, ended, thread })
    }

    /// The state, for readiness, metrics and the status page.
    #[must_use]
    pub fn status(&self) -> &SharedStatus {
        &self.status
    }

    /// Reads nothing more, writes what was read, and ends the thread.
    pub fn end_by(&self, deadline: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        self.thread.thread().unpark();
    }

    /// Waits for the end of the thread, but not beyond the deadline of [`Running::end_by`]: what is not durable by then, the
    /// next start reads again.
    pub fn finish(self) {
        let deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now);
        if self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout)
        {
            tracing::warn!("archive: the last records were not written in time: the next start reads them again");
        }
    }
}

fn run(mut archiver: Archiver<impl Log>, deadline: &Mutex<Option<Instant>>) {
    let start = Instant::now();
    let deadline = || *deadline.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(deadline) = deadline() {
            archiver.flush(|| Instant::now() < deadline);
            return;
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let rest = archiver.turn(Now { since_start: start.elapsed(), wall_ms });
        if rest > Duration::ZERO {
            thread::park_timeout(rest);
        }
    }
}
