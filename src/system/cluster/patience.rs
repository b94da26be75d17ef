//! Waiting for peers, with a log message from time to time.

use std::time::{Duration, Instant};

/// The pause between two attempts.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// How often the same message is logged.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The pause between two attempts, and the last message.
pub(super) struct PeerWait(Instant);

impl PeerWait {
    pub(super) fn new() -> Self {
        PeerWait(Instant::now())
    }

    /// Logs the process that is missing, unless that was logged recently.
    pub(super) fn say(&mut self, missing: usize) {
        if self.0.elapsed() >= SAY_EVERY {
            tracing::info!(process = missing, "waiting for a process of the cluster");
            self.0 = Instant::now();
        }
    }

    /// Waits until the next attempt is due.
    pub(super) fn wait(&mut self, missing: usize) {
        self.say(missing);
        // No code unparks this thread; an unpark would only make the next attempt sooner.
        std::thread::park_timeout(AGAIN);
    }
}

/// Logs why peers are rejected: at once, and again only for another reason or after a while.
#[derive(Default)]
pub(super) struct Repeated(Option<(String, Instant)>);

impl Repeated {
    pub(super) fn warn(&mut self, error: &anyhow::Error) {
        let reason = format!("{error:#}");
        if self.0.as_ref().is_none_or(|(last, at)| *last != reason || at.elapsed() >= SAY_EVERY) {
            tracing::warn!(reason, "rejected a peer");
            self.0 = Some((reason, Instant::now()));
        }
    }
}
