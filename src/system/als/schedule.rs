//! When a training is due: at whole multiples of an interval, and once at first if there is no model.

use std::time::Duration;

use dataflow::time::{Millis, Time};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing is due yet, or the sources have not caught up.
    Wait,
    /// A training is due.
    Train,
    /// A training is due, and the one before is still running.
    Skip,
}

/// The time of the next training.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    every_ms: Millis,
    /// `None`: never.
    due: Option<Time>,
}

impl Schedule {
    /// A training every so often; never if `every` is zero. Without a model, the first one is due now.
    pub(super) fn new(every: Duration, now: Time, has_model: bool) -> Schedule {
        let every_ms = Millis::try_from(every.as_millis()).unwrap_or(Millis::MAX);
        let due = if has_model { next(every_ms, now) } else { Some(now).filter(|_| every_ms > 0) };
        Schedule { every_ms, due }
    }

    /// What to do at `now`. A training that is due while the sources catch up waits for them: a model of a part of the
    /// histories is worse than the model before.
    pub(super) fn decide(&mut self, now: Time, is_training: bool, has_caught_up: bool) -> Decision {
        if self.due.is_none_or(|due| now < due) {
            return Decision::Wait;
        }
        if is_training {
            self.due = next(self.every_ms, now);
            return Decision::Skip;
        }
        if !has_caught_up {
            return Decision::Wait;
        }
        self.due = next(self.every_ms, now);
        Decision::Train
    }
}

/// The first whole multiple of the interval after `now`.
fn next(every_ms: Millis, now: Time) -> Option<Time> {
    let past = now.checked_rem(every_ms)?;
    (now - past).checked_add(every_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(every_ms: u64, now: Time, has_model: bool) -> Schedule {
        Schedule::new(Duration::from_millis(every_ms), now, has_model)
    }

    #[test]
    fn trainings_are_due_at_whole_multiples() {
        let mut daily = schedule(100, 250, true);
        let decisions: Vec<Decision> =
            [250, 299, 300, 301, 399, 750, 799, 800].map(|now| daily.decide(now, false, true)).into();
        let (wait, train) = (Decision::Wait, Decision::Train);
        assert_eq!(decisions, [wait, wait, train, wait, wait, train, wait, train], "missed ones are made up for once");
    }

    #[test]
    fn the_first_is_due_at_once_without_a_model_and_waits_for_the_sources() {
        let mut first = schedule(100, 250, false);
        assert_eq!(first.decide(250, false, false), Decision::Wait);
        assert_eq!(first.decide(320, false, false), Decision::Wait);
        assert_eq!(first.decide(330, false, true), Decision::Train);
        assert_eq!(first.decide(399, false, true), Decision::Wait);
        assert_eq!(first.decide(400, false, true), Decision::Train);
    }

    #[test]
    fn a_training_that_overlaps_the_next_one_lets_it_out() {
        let mut slow = schedule(100, 100, false);
        assert_eq!(slow.decide(100, false, true), Decision::Train);
        assert_eq!(slow.decide(199, true, true), Decision::Wait);
        assert_eq!(slow.decide(200, true, true), Decision::Skip);
        assert_eq!(slow.decide(201, true, true), Decision::Wait, "it is counted once");
        assert_eq!(slow.decide(299, false, true), Decision::Wait, "the skipped one is not made up for");
        assert_eq!(slow.decide(300, false, true), Decision::Train);
    }

    #[test]
    fn never_is_never() {
        for has_model in [false, true] {
            let mut never = schedule(0, 250, has_model);
            assert_eq!(never.decide(1_000_000, false, true), Decision::Wait);
        }
    }
}
