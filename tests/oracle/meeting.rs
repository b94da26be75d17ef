//! A barrier for the workers of a test, which fail together: a worker that panics must not leave the others waiting.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use timely::worker::Worker;

/// Longer than any wait of a healthy run.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where workers wait for each other.
pub(crate) struct Meeting {
    peers: usize,
    arrived: AtomicUsize,
    failed: AtomicBool,
}

impl Meeting {
    pub(crate) fn new(peers: usize) -> Self {
        Meeting { peers, arrived: AtomicUsize::new(0), failed: AtomicBool::new(false) }
    }

    /// Raises the alarm if the holder's thread panics.
    pub(crate) fn alarm(&self) -> Alarm<'_> {
        Alarm(self)
    }

    /// Steps until `done`; panics when it takes too long or another worker has failed.
    pub(crate) fn step_until(&self, worker: &mut Worker, what: &str, mut done: impl FnMut(&mut Worker) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(worker) {
            assert!(!self.failed.load(Ordering::SeqCst), "another worker failed");
            assert!(Instant::now() < deadline, "gave up waiting: {what}");
            worker.step_or_park(Some(Duration::from_micros(100)));
        }
    }

    /// Steps until all workers have come here, for the `times`-th time.
    pub(crate) fn meet(&self, worker: &mut Worker, times: &mut usize) {
        *times += 1;
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let all = *times * self.peers;
        self.step_until(worker, "for the other workers", |_| self.arrived.load(Ordering::SeqCst) >= all);
    }
}

/// See [`Meeting::alarm`].
pub(crate) struct Alarm<'a>(&'a Meeting);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::SeqCst);
        }
    }
}
