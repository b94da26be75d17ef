//! [`Forgetting`]: ends the rounds in which the dictionary forgets ids, by the rows of cuts.
//!
//! ```text
//! a cut, if a round is due and nothing puts it off ─▶ the ids of all its rows are marked ─▶ the others leave, in time
//! ```

use std::time::{Duration, Instant};

use dataflow::cut::Cut;
use dataflow::dictionary::Dictionary;
use dataflow::time::{Millis, Time};

/// When rounds end: so much time lies between two of them, both by the clock of the graph, which may be ahead while sources catch
/// up, and by that of the machine.
pub(crate) struct Forgetting {
    every: Millis,
    since: Instant,
    /// The first tick of which a cut may end the round; none before the first cut.
    due: Option<Time>,
}

impl Forgetting {
    pub(crate) fn new(every: Millis) -> Self {
        Forgetting { every, since: Instant::now(), due: None }
    }

    /// Ends the current round by a cut of all workers, if it is due. A round that is put off is due with the next cut.
    pub(crate) fn pass(&mut self, cut: &Cut, dictionary: &Dictionary) {
        let next = cut.tick.saturating_add(self.every);
        let is_early = cut.tick < *self.due.get_or_insert(next);
        if is_early || self.since.elapsed() < Duration::from_millis(self.every) {
            return;
        }
        let Some(mut round) = dictionary.end_round() else { return };
        cut.parts.iter().for_each(|part| round.mark(&part.base));
        round.end();
        (self.due, self.since) = (Some(next), Instant::now());
    }
}
