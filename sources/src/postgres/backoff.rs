//! Growing pauses between attempts, with jitter, so that many clients of one server do not come back at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);

/// The pause before the next attempt.
pub(super) struct Backoff {
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(max: Duration) -> Self {
        Backoff { max, next: FIRST.min(max) }
    }

    /// The last attempt was good.
    pub(super) fn reset(&mut self) {
        self.next = FIRST.min(self.max);
    }

    /// Half of the step to all of it, by chance; the next step is twice as long, up to the limit.
    pub(super) fn pause(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.max);
        step / 2 + step / 2 * u32::try_from(chance() % 1024).expect("less than 1024") / 1024
    }
}

/// Any number. The standard library's hasher keys are its only source of chance.
pub(super) fn chance() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_limit() {
        let max = Duration::from_secs(2);
        let mut backoff = Backoff::new(max);
        let mut step = FIRST;
        for _ in 0..10 {
            let pause = backoff.pause();
            assert!((step / 2..=step).contains(&pause), "{pause:?} of {step:?}");
            step = (step * 2).min(max);
        }
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
