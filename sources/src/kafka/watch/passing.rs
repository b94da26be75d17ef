//! Whether ticks wait for brokers that do not answer.
//!
//! They do where somebody was answered with what is to be read again: less than that must not show. Where nobody was, at a
//! first start, lists that are made of something else do not stand still for it.

use std::time::{Duration, Instant};

use super::{Upstream, Watch};

/// How long nothing may come until ticks go on: of brokers that never answered, and of those that did.
const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// How it has been.
#[derive(Default)]
pub(super) struct Passing {
    /// A look has succeeded, and there was something to read.
    answered: bool,
    /// Since when nothing can be read.
    since: Option<Instant>,
}

impl<U: Upstream> Watch<U> {
    /// Tells the feeds and the board; `fails`: nothing, or not everything, can be read for now.
    pub(super) fn pass_over(&mut self, fails: bool) {
        let passing = &mut self.passing;
        passing.answered |= !fails && !self.tracked.is_empty();
        let since = *passing.since.get_or_insert_with(Instant::now);
        if !fails {
            passing.since = None;
        }
        let answered = passing.answered;
        let passed_over = fails && since.elapsed() >= PATIENCE[usize::from(answered)] && !self.charge.awaited;
        self.charge.all_assignments.all().0.iter().for_each(|assignments| assignments.pass_over(passed_over));
        if passed_over {
            self.charge.status.pass_over();
        }
        if answered {
            self.charge.status.meet();
        }
    }
}
