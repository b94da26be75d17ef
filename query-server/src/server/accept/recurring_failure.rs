//! A failure that recurs: when to try again, and when to log it.

use std::time::{Duration, Instant};

/// The first pause after a failure. Each further failure doubles it, up to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(640);

/// After this time without a failure it is over. Where file descriptors are scarce, each one that becomes free lets one
/// attempt succeed before the next one fails: that is one long failure, not many.
const QUIET: Duration = Duration::from_secs(10);

/// A failure that recurs, if there is one.
#[derive(Debug, Default)]
pub(super) struct RecurringFailure(Option<Failing>);

#[derive(Debug)]
struct Failing {
    last: Instant,
    pause: Duration,
}

impl RecurringFailure {
    /// Notes a failure. Returns how long to wait before the next attempt, and whether to log it.
    pub(super) fn occurs(&mut self, now: Instant) -> (Duration, bool) {
        let before = self.0.take().filter(|failing| now.duration_since(failing.last) < QUIET);
        let pause = before.as_ref().map_or(PAUSE, |failing| (failing.pause * 2).min(PAUSE_MAX));
        self.0 = Some(Failing { last: now, pause });
        (pause, before.is_none())
    }

    /// Whether the failure has occurred and is not over.
    pub(super) fn is_going_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes a success. Returns whether to log that the failure is over.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let Some(failing) = &mut self.0 else { return false };
        failing.pause = PAUSE;
        let over = now.duration_since(failing.last) >= QUIET;
        if over {
            self.0 = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_logged_once_when_it_begins_and_once_when_it_is_over() {
        let (start, mut failure) = (Instant::now(), RecurringFailure::default());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!failure.is_over(at(0)) && !failure.is_going_on());
        let logged = (0..1000).filter(|nth| {
            let (_, is_new) = failure.occurs(at(nth * 20));
            is_new | failure.is_over(at(nth * 20 + 10))
        });
        assert_eq!(logged.collect::<Vec<_>>(), [0]);
        assert!(!failure.is_over(at(29_000)) && failure.is_going_on(), "it may recur");
        assert!(failure.is_over(at(30_000)) && !failure.is_over(at(30_001)), "once");
        assert!(failure.occurs(at(31_000)).1, "another one");
        assert!(failure.occurs(at(42_000)).1, "no attempt was made meanwhile");
    }

    #[test]
    fn attempts_become_rarer_until_one_succeeds() {
        let (now, mut failure) = (Instant::now(), RecurringFailure::default());
        let pauses: Vec<u128> = (0..8).map(|_| failure.occurs(now).0.as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 640, 640]);
        assert!(!failure.is_over(now));
        assert_eq!(failure.occurs(now).0.as_millis(), 40);
    }
}
