//! How long the server has been silent: a frozen server closes no connection and raises no error.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time at which the reader began to wait for the server, if it waits. Written by the reader, read by the feed.
pub(crate) struct Liveness {
    start: Instant,
    /// Milliseconds from `start`, plus one; 0 while the reader does not wait.
    since: AtomicU64,
}

impl Liveness {
    pub(crate) fn new() -> Self {
        Liveness { start: Instant::now(), since: AtomicU64::new(0) }
    }

    /// The reader waits for an answer, or for more of an answer.
    pub(crate) fn ask(&self) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.since.store(elapsed + 1, Ordering::Relaxed);
    }

    /// The reader does not wait for the server.
    pub(crate) fn rest(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// How long the server has been silent.
    pub(crate) fn silence(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self.start.elapsed().saturating_sub(Duration::from_millis(since - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_is_silence() {
        let liveness = Liveness { start: Instant::now() - Duration::from_secs(60), since: AtomicU64::new(0) };
        assert_eq!(liveness.silence(), Duration::ZERO);
        liveness.since.store(1, Ordering::Relaxed);
        assert!(liveness.silence() >= Duration::from_secs(60));
        liveness.ask();
        assert!(liveness.silence() < Duration::from_secs(50));
        liveness.rest();
        assert_eq!(liveness.silence(), Duration::ZERO);
    }
}
