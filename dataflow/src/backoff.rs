//! Growing pauses between attempts, with jitter, so that the clients of one server do not all come back at the same
//! time.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pause before the next attempt.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses that double from `first` up to `max`.
    #[must_use]
    pub fn new(first: Duration, max: Duration) -> Self {
        let first = first.min(max);
        Backoff { first, max, next: first }
    }

    /// The last attempt succeeded: the next failure counts as the first.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// A random pause between half of the current step and the whole step; the next step is twice as long, up to the
    /// limit.
    pub fn pause(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.max);
        step / 2 + step / 2 * u32::try_from(random() % 1024).expect("less than 1024") / 1024
    }
}

/// A random number. It comes from the keys of the standard library's hasher, the only source of randomness there.
#[must_use]
pub fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again() {
        let (first, max) = (Duration::from_millis(250), Duration::from_secs(2));
        let mut backoff = Backoff::new(first, max);
        let mut step = first;
        for _ in 0..10 {
            let pause = backoff.pause();
            assert!((step / 2..=step).contains(&pause), "{pause:?} of {step:?}");
            step = (step * 2).min(max);
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
        assert!(Backoff::new(max, first).pause() <= first, "the limit is the least");
    }
}
