//! Forgetting ids: [`Round`]s, in which those leave that nothing has used for some rounds, and [`Hold`]s, which put rounds off.
//!
//! ```text
//! period of a round:  an id is seen ─▶ in use      at its end, by a cut: an id of a row ─▶ in use
//! the round ends:     not in use in this round and the three before ─▶ forgotten
//! ```
//! A key is a hash of its id: it does not change when an id is forgotten and comes back. So the only harm would be an id that is
//! missing. Who has keys outside of the tables holds the rounds: a [`Hold`] is taken before the ids are seen, and given back when
//! the rows are in the inputs, or when the ids were read. No round ends while there is a hold from before the previous one. So
//! a use is at most one round old when a key is handed on, and a key may be handed on three times:
//!
//! 1. from a source to the tables, where the next round sees its row;
//! 2. from a table to a change of a list, which may be reported when the row has left;
//! 3. from what waits for a sink to the sink, which reads the id.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Dictionary;
use crate::ids::UserKey;

/// The number of a round. At one round an hour there are enough of them for 490,000 years.
pub(super) type RoundNumber = u32;

/// For how many rounds after its last use an id stays.
const KEPT: RoundNumber = 3;

/// The rounds of a dictionary.
#[derive(Default)]
pub(super) struct Rounds {
    /// The number of the round that has not ended yet.
    current: AtomicU32,
    /// The number of holds by the round in which they were taken. The round does not change while this is locked.
    holds: Mutex<BTreeMap<RoundNumber, usize>>,
    forgotten: AtomicU64,
}

impl Rounds {
    /// The round that has not ended yet.
    pub(super) fn current(&self) -> RoundNumber {
        self.current.load(Ordering::Acquire)
    }

    /// How many ids were forgotten since the start.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    pub(super) fn hold(self: &Arc<Self>) -> Hold {
        let mut holds = self.holds();
        let round = self.current();
        *holds.entry(round).or_default() += 1;
        drop(holds);
        Hold { rounds: self.clone(), round }
    }

    /// The current round, if there is no hold from before the previous one ended.
    fn free(&self) -> Option<RoundNumber> {
        let holds = self.holds();
        let round = self.current();
        holds.keys().all(|held| *held == round).then_some(round)
    }

    fn holds(&self) -> MutexGuard<'_, BTreeMap<RoundNumber, usize>> {
        self.holds.lock().expect("no holder of this lock can panic")
    }
}

/// Someone has keys outside of the tables, and needs the ids behind them.
pub struct Hold {
    rounds: Arc<Rounds>,
    round: RoundNumber,
}

impl Hold {
    /// Whether no round has ended since the hold was taken.
    #[must_use]
    pub fn is_of_current_round(&self) -> bool {
        self.round == self.rounds.current()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.rounds.holds();
        if let Some(count) = holds.get_mut(&self.round) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&self.round);
            }
        }
    }
}

/// A round that ends. All rows of a cut are marked, then [`Round::end`] is called. One thread at a time may do this.
///
/// The cut must have been asked for after the previous round ended, and hold the rows of all workers that use the dictionary.
pub struct Round<'d> {
    dictionary: &'d Dictionary,
    number: RoundNumber,
}

impl<'d> Round<'d> {
    /// Begins to end the current round; `None` if it must go on because of a [`Hold`].
    pub(super) fn begin(dictionary: &'d Dictionary) -> Option<Self> {
        dictionary.rounds.free().map(|number| Round { dictionary, number })
    }

    /// A row refers to this user.
    pub fn mark(&self, user: UserKey) {
        if let Some(users) = &self.dictionary.users {
            users.mark(user, self.number);
        }
    }

    /// Forgets what was not in use, and begins the next round; returns how many ids are forgotten.
    pub fn end(self) -> u64 {
        let Dictionary { users, rounds, .. } = self.dictionary;
        let forgotten = users.as_ref().map_or(0, |users| users.forget(self.number.saturating_sub(KEPT)));
        rounds.forgotten.fetch_add(forgotten, Ordering::Relaxed);
        let _holds = rounds.holds();
        rounds.current.store(self.number + 1, Ordering::Release);
        forgotten
    }
}
