//! Waiting for others, and saying so now and then.

use std::time::{Duration, Instant};

/// From one attempt to the next.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// How often the same is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Waits between two attempts.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn new() -> Self {
        Patience(Instant::now())
    }

    /// Says who is waited for, if that was not said lately.
    pub(super) fn say(&mut self, missing: usize) {
        if self.0.elapsed() >= SAY_EVERY {
            tracing::info!(process = missing, "waiting for a process of the cluster");
            self.0 = Instant::now();
        }
    }

    /// Waits until the next attempt is due.
    pub(super) fn wait(&mut self, missing: usize) {
        self.say(missing);
        // Nobody unparks this thread; should somebody, the next attempt is made sooner.
        std::thread::park_timeout(AGAIN);
    }
}

/// Why peers are refused: at once, and again only when it is something else or has not been said lately.
#[derive(Default)]
pub(super) struct Repeated(Option<(String, Instant)>);

impl Repeated {
    pub(super) fn warn(&mut self, error: &anyhow::Error) {
        let reason = format!("{error:#}");
        if self.0.as_ref().is_none_or(|(last, at)| *last != reason || at.elapsed() >= SAY_EVERY) {
            tracing::warn!(reason, "refused a peer");
            self.0 = Some((reason, Instant::now()));
        }
    }
}
