//! The erased users of a replay: what they did is left out of every step, also of those before the erasure.

use std::collections::HashMap;

use dataflow::ids::UserKey;
use dataflow::time::Millis;
use foldhash::fast::RandomState;

/// The time up to which each user is erased.
#[derive(Clone, Debug, Default)]
pub struct ReplayErasures(HashMap<UserKey, Millis, RandomState>);

impl ReplayErasures {
    /// Adds an erasure.
    pub fn add(&mut self, user: UserKey, until: Millis) {
        let known = self.0.entry(user).or_default();
        *known = until.max(*known);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an erasure covers what the user did at `at`.
    #[must_use]
    pub fn cover(&self, user: UserKey, at: Millis) -> bool {
        self.0.get(&user).is_some_and(|until| at <= *until)
    }
}
