//! Waiting on a condition up to a deadline: the only place of the tests where a thread sleeps.

use std::time::{Duration, Instant};

const POLL_EVERY: Duration = Duration::from_millis(5);

/// Polls `condition` until it holds; panics with `what` once `deadline` has passed without it.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(deadline, what, || condition().then_some(()));
}

/// Polls `attempt` until it gives a value, and returns it; panics with `what` once `deadline` has passed.
#[track_caller]
pub fn wait_for<T>(deadline: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        // The condition is checked before the clock, so that a slow machine gets at least one attempt.
        if let Some(value) = attempt() {
            return value;
        }
        assert!(start.elapsed() < deadline, "still waiting after {deadline:?}: {what}");
        #[expect(clippy::disallowed_methods, reason = "polling is what this function is for")]
        std::thread::sleep(POLL_EVERY);
    }
}
