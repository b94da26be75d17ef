//! [`Repeats`]: the events that a worker has read lately, so that it recognises their repeats.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::ids::IdentityKey;
use crate::tables::identities::kept_until;
use crate::time::{Millis, Time};

/// The identities of events, with the time of the record that counted.
pub(super) struct Repeats {
    dedup_ms: Millis,
    known: HashMap<IdentityKey, Millis, RandomState>,
    /// The same, by the time until which each is kept.
    kept_until: BTreeMap<Millis, Vec<IdentityKey>>,
}

impl Repeats {
    /// Nothing is known yet. Repeats are recognised up to `dedup_ms` after the record that counted.
    pub(super) fn new(dedup_ms: Millis) -> Self {
        Repeats { dedup_ms, known: HashMap::default(), kept_until: BTreeMap::new() }
    }

    /// Whether an event that was read before has this identity, and a record of `at` is its repeat.
    pub(super) fn has(&self, identity: IdentityKey, at: Millis) -> bool {
        self.known.get(&identity).is_some_and(|first| at <= first.saturating_add(self.dedup_ms))
    }

    /// Remembers an event whose record is of `at`.
    pub(super) fn learn(&mut self, identity: IdentityKey, at: Millis) {
        let known = self.known.entry(identity).or_insert(at);
        *known = at.max(*known);
        self.kept_until.entry(kept_until(at, self.dedup_ms)).or_default().push(identity);
    }

    /// Forgets the events that are kept until `now` or an earlier time.
    pub(super) fn forget(&mut self, now: Time) {
        while let Some(first) = self.kept_until.first_entry().filter(|first| *first.key() <= now) {
            for identity in first.remove() {
                if self.known.get(&identity).is_some_and(|at| kept_until(*at, self.dedup_ms) <= now) {
                    self.known.remove(&identity);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    #[test]
    fn a_repeat_is_recognised_up_to_the_last_millisecond_and_then_forgotten() {
        let (mut repeats, ids) = (Repeats::new(600), Ids::new([0; 16]));
        let [one, other] = ["one", "other"].map(|id| ids.identity([id.as_bytes()]));
        repeats.learn(one, 1000);
        assert!(repeats.has(one, 1000) && repeats.has(one, 400) && repeats.has(one, 1600));
        assert!(!repeats.has(one, 1601) && !repeats.has(other, 1000));
        // It is a new event, which has repeats of its own.
        repeats.learn(one, 1601);
        assert!(repeats.has(one, 2201) && !repeats.has(one, 2202));
        repeats.forget(kept_until(1000, 600));
        assert!(repeats.has(one, 2201), "the later one is kept");
        repeats.forget(kept_until(1601, 600));
        assert!(!repeats.has(one, 2201) && repeats.known.is_empty() && repeats.kept_until.is_empty());
    }
}
