//! Whether ticks wait for brokers that do not answer.
//!
//! They do if an answer was given that depended on records which are to be read again: an older state must not be shown. If
//! none was, at a first start, lists that come from other sources must not stand still.

use std::time::{Duration, Instant};

use super::{Upstream, Watcher};

/// After how long without records ticks go on: if brokers never answered, and if they did.
const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// The absence of brokers so far.
#[derive(Default)]
pub(super) struct Absence {
    /// A look has succeeded, and there was a partition to read.
    answered: bool,
    /// Since when nothing can be read.
    since: Option<Instant>,
}

impl<U: Upstream> Watcher<U> {
    /// Tells the feeds and the status whether ticks wait; `fails`: some partition cannot be read for now.
    pub(super) fn note_absence(&mut self, fails: bool) {
        let absence = &mut self.absence;
        absence.answered |= !fails && !self.tracked.is_empty();
        let since = *absence.since.get_or_insert_with(Instant::now);
        if !fails {
            absence.since = None;
        }
        let answered = absence.answered;
        let passed_over = fails && since.elapsed() >= PATIENCE[usize::from(answered)] && !self.parts.awaited;
        self.parts.all_assignments.all().0.iter().for_each(|assignments| {
            assignments.set_passed_over(passed_over);
            assignments.set_away(fails);
        });
        if passed_over {
            self.parts.status.pass_over();
        }
        if answered {
            self.parts.status.meet();
        }
    }
}
