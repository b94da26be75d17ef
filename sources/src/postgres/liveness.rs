//! Signs of life of the server: a server that is frozen closes no connection and raises no error.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the reader began to wait for the server, if it does. Written by the reader, read by the feed.
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds from `start`, plus one; 0 while nothing is waited for.
    since: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Pulse { start: Instant::now(), since: AtomicU64::new(0) }
    }

    /// The server is asked now, or has just said something and is expected to go on.
    pub(super) fn ask(&self) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.since.store(elapsed + 1, Ordering::Relaxed);
    }

    /// Nothing is waited for.
    pub(super) fn rest(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// For how long the server has been silent.
    pub(super) fn silence(&self) -> Duration {
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
        let pulse = Pulse { start: Instant::now() - Duration::from_secs(60), since: AtomicU64::new(0) };
        assert_eq!(pulse.silence(), Duration::ZERO);
        pulse.since.store(1, Ordering::Relaxed);
        assert!(pulse.silence() >= Duration::from_secs(60));
        pulse.ask();
        assert!(pulse.silence() < Duration::from_secs(50));
        pulse.rest();
        assert_eq!(pulse.silence(), Duration::ZERO);
    }
}
