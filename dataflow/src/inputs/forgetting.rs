//! [`Forgetting`]: up to which time the identities of events are forgotten.
//!
//! ```text
//! tick ────────────────────────┐
//! records that are still to be ├▶ the earliest; without the last, at most an hour before the tick
//! read by a source behind ─────┤
//! tick before a jump ──────────┘
//! ```
//! A repeat is told by the times of records, which may be read long after they were written. So while a source is behind, time
//! stands at the record that it has reached. A source that stands still for longer than an hour holds nothing any more: otherwise
//! one dead partition would let the memory grow for ever.
//!
//! When sources have caught up, the tick may jump from the past to the present. What was read in the tick before the jump is kept
//! as long after it as what is read after it.

use crate::time::{Millis, Time};

/// The longest time for which sources that are behind hold identities.
const BEHIND_MS_MAX: Millis = 3_600_000;

/// Decides up to which time identities are forgotten.
pub(super) struct Forgetting {
    /// How long the identity of an event is kept that is read as soon as it is recorded. A tick that comes so much later than the
    /// tick before it is a jump.
    kept_ms: Millis,
    /// The time that the sources of the worker have reached which are behind; none if no source is.
    behind: Option<Time>,
    /// Up to which time identities have been forgotten.
    until: Time,
    /// The last tick.
    last: Time,
    /// The tick before the last jump, and until when it holds.
    jump: (Time, Time),
}

impl Forgetting {
    pub(super) fn new(kept_ms: Millis) -> Self {
        Forgetting { kept_ms, behind: None, until: 0, last: 0, jump: (0, 0) }
    }

    /// The time that the sources have reached which are behind; none if no source is.
    pub(super) fn hold(&mut self, behind: Option<Time>) {
        self.behind = behind;
    }

    /// The tick `now` has closed: identities are forgotten that are kept until the returned time.
    pub(super) fn close(&mut self, now: Time) -> Time {
        if now > self.last.saturating_add(self.kept_ms) {
            self.jump = (self.last, now.saturating_add(self.kept_ms));
        }
        self.last = now;
        let reached = self.behind.map_or(now, |behind| behind.min(now)).max(now.saturating_sub(BEHIND_MS_MAX));
        let (before, end) = self.jump;
        self.until = self.until.max(if now < end { reached.min(before) } else { reached });
        self.until
    }

    /// Up to which time identities have been forgotten.
    pub(super) fn until(&self) -> Time {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT_MS: Millis = 100;
    const DAY_MS: Millis = 86_400_000;

    /// In step with time since `now`.
    fn live(now: Time) -> Forgetting {
        Forgetting { until: now, last: now, ..Forgetting::new(KEPT_MS) }
    }

    #[test]
    fn it_goes_with_the_ticks_while_no_source_is_behind() {
        let mut forgetting = live(DAY_MS);
        assert_eq!([50, 150, 151].map(|after| forgetting.close(DAY_MS + after) - DAY_MS), [50, 150, 151]);
    }

    #[test]
    fn a_source_that_is_behind_holds_what_its_records_may_repeat_for_an_hour() {
        let mut forgetting = live(DAY_MS);
        forgetting.hold(Some(DAY_MS + 20));
        assert_eq!([30, 70, 110].map(|after| forgetting.close(DAY_MS + after) - DAY_MS), [20, 20, 20]);
        forgetting.hold(Some(0));
        assert_eq!(forgetting.close(DAY_MS + 115), DAY_MS + 20, "what is forgotten does not come back");
        let ends = (115..=BEHIND_MS_MAX + 60).step_by(KEPT_MS as usize).map(|after| forgetting.close(DAY_MS + after));
        assert_eq!(ends.last(), Some(DAY_MS + 20));
        assert_eq!(forgetting.close(DAY_MS + 60 + BEHIND_MS_MAX), DAY_MS + 60, "an hour is over");
        forgetting.hold(None);
        assert_eq!(forgetting.close(DAY_MS + 61 + BEHIND_MS_MAX), DAY_MS + 61 + BEHIND_MS_MAX);
    }

    #[test]
    fn what_was_read_before_a_jump_is_kept_for_a_while_after_it() {
        let mut forgetting = Forgetting::new(KEPT_MS);
        assert_eq!([1, 2, 3].map(|now| forgetting.close(now)), [1, 2, 3]);
        assert_eq!([0, 50, 99].map(|after| forgetting.close(DAY_MS + after)), [3; 3]);
        assert_eq!([100, 101].map(|after| forgetting.close(DAY_MS + after) - DAY_MS), [100, 101]);
        // In a past that is read in long steps, the last step but one is forgotten.
        assert_eq!([2, 3, 4].map(|day| forgetting.close(day * DAY_MS) / DAY_MS), [1, 2, 3]);
    }
}
