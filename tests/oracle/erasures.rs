//! Erasures, as they are given and as they are defined.

use std::collections::BTreeMap;

use dataflow::ids::UserKey;
use dataflow::time::{Millis, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::{Handed, History, Update};

/// The erasures of all users: by user, the times that they state in each tick, by the tick's number.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlainErasures(BTreeMap<UserKey, Vec<(usize, Millis)>>);

impl PlainErasures {
    /// Takes an erasure that was given in a tick.
    pub(crate) fn add(&mut self, user: UserKey, tick: usize, at: Millis) {
        self.0.entry(user).or_default().push((tick, at));
    }

    /// The time up to which nothing of the user counts that has a time.
    pub(crate) fn until(&self, user: UserKey) -> Option<Millis> {
        self.0.get(&user).into_iter().flatten().map(|(_, at)| *at).max()
    }

    /// Whether a count of this tick and time is left: no erasure of this tick or a later one says more than the earlier ones
    /// did, and it is later than all of those.
    pub(crate) fn count(&self, user: UserKey, (tick, at): (usize, Millis)) -> bool {
        let all = || self.0.get(&user).into_iter().flatten();
        let before = all().filter(|erasure| erasure.0 < tick).map(|erasure| erasure.1).max();
        Some(at) > before && all().filter(|erasure| erasure.0 >= tick).all(|erasure| Some(erasure.1) <= before)
    }
}

/// The histories with erasures in some of their ticks: of times before, around and after those of events.
pub(crate) fn with_erasures(histories: impl Strategy<Value = History>) -> impl Strategy<Value = History> {
    let erasure = (any::<Index>(), any::<u8>(), any::<Index>(), 0..60u64);
    let few = prop_oneof![1 => vec(erasure.clone(), 0..1), 3 => vec(erasure, 1..8)];
    (histories, few).prop_map(|(mut history, erasures)| {
        let ends: Vec<Time> = history.ticks.iter().map(|tick| tick.as_of()).collect();
        for (tick, hand, user, ago) in erasures {
            let tick = tick.index(ends.len());
            let (user, at) = (user.index(history.domain.users), (ends[tick] + 10).saturating_sub(ago));
            history.ticks[tick].given.push(Handed { hand: usize::from(hand), update: Update::Erasure { user, at } });
        }
        history
    })
}
