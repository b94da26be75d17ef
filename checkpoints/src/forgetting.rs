//! [`Forgetting`]: ends the rounds in which the dictionary forgets ids, by the rows of cuts.
//!
//! ```text
//! a cut, if a round is due and nothing puts it off ─▶ the users of all its rows ─▶ the ids of the others leave, in time
//! ```

use dataflow::cut::Cut;
use dataflow::dictionary::Dictionary;
use dataflow::time::{Millis, Time};

/// When rounds end.
pub(crate) struct Forgetting {
    every: Millis,
    /// The first tick of which a cut may end the round; none before the first cut.
    due: Option<Time>,
}

impl Forgetting {
    pub(crate) fn new(every: Millis) -> Self {
        Forgetting { every, due: None }
    }

    /// Ends the current round by a cut of all workers, if it is due. A round that is put off is due with the next cut.
    pub(crate) fn pass(&mut self, cut: &Cut, dictionary: &Dictionary) {
        let next = cut.tick.saturating_add(self.every);
        if cut.tick < *self.due.get_or_insert(next) {
            return;
        }
        let Some(round) = dictionary.end_round() else { return };
        cut.parts.iter().for_each(|part| part.base.users(|user| round.mark(user)));
        round.end();
        self.due = Some(next);
    }
}
