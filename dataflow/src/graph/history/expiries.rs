//! [`Expiries`]: when to look at each user's oldest place, which is the next one to expire.
//!
//! ```text
//! slots to come:  slot ─▶ users         16 bytes a user
//! slots begun:    time ─▶ user          only the users whose oldest place expires within the slot
//! ```
//! A user is looked at no later than its oldest place expires. New events only make the oldest place younger, so in most cases
//! nothing is noted for an event: the user is looked at too early, and then noted again.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::UserKey;
use crate::time::{Millis, Time};

/// Users are noted by slots of this length until the slot begins, so that each takes no more than its key. All users of a slot
/// are looked at in the tick in which it begins: a shorter slot makes that tick cheaper.
const SLOT_MS: Millis = 5 * 60 * 1000;

/// Users of a slot from which on they are sorted before they take more space.
const SORTED_MIN: usize = 256;

/// The users whose places will expire.
#[derive(Default)]
pub(super) struct Expiries {
    /// By the number of the slot. A slot may have a user several times for a while.
    to_come: BTreeMap<u64, Vec<UserKey>>,
    /// The users of the slots that have begun.
    begun: BTreeSet<(Time, UserKey)>,
    /// The first slot that has not begun.
    next_slot: u64,
}

impl Expiries {
    /// Looks at a user at this time; [`Time::MAX`] is never.
    pub(super) fn note(&mut self, user: UserKey, at: Time) {
        if at == Time::MAX {
            return;
        }
        let slot = at / SLOT_MS;
        if slot < self.next_slot {
            self.begun.insert((at, user));
        } else {
            push_once(self.to_come.entry(slot).or_default(), user);
        }
    }

    /// The users to look at before the time `upper`, in ascending order, each once. Each must be noted again, unless it has no
    /// places any more.
    pub(super) fn take_before(&mut self, upper: Time) -> Vec<UserKey> {
        let mut users = Vec::new();
        while let Some(first) = self.begun.first().copied().filter(|(at, _)| *at < upper) {
            self.begun.pop_first();
            users.push(first.1);
        }
        let slots = upper.div_ceil(SLOT_MS);
        while let Some(slot) = self.to_come.first_entry().filter(|slot| *slot.key() < slots) {
            users.append(&mut slot.remove());
        }
        self.next_slot = self.next_slot.max(slots);
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Whether no user has to be looked at any more.
    pub(super) fn are_none(&self) -> bool {
        self.begun.is_empty() && self.to_come.is_empty()
    }
}

/// Adds a user. Where many are repetitions, they do not take more space than the users.
fn push_once(users: &mut Vec<UserKey>, user: UserKey) {
    if users.len() == users.capacity() && users.len() >= SORTED_MIN {
        users.sort_unstable();
        users.dedup();
        users.reserve_exact(users.len() / 2);
    }
    users.push(user);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    #[test]
    fn a_user_is_looked_at_when_its_slot_begins_and_then_in_the_very_millisecond() {
        let (ids, mut expiries) = (Ids::new([1; 16]), Expiries::default());
        let [ada, ben] = ["ada", "ben"].map(|user| ids.user(user));
        let (first, at) = (5 * SLOT_MS, 5 * SLOT_MS + 7);
        let notes = [(ada, at), (ada, at + 1), (ben, 9 * SLOT_MS), (ben, Time::MAX)];
        notes.into_iter().for_each(|(user, at)| expiries.note(user, at));
        assert_eq!(expiries.take_before(first), []);
        assert_eq!(expiries.take_before(first + 1), [ada], "once");
        expiries.note(ada, at);
        assert_eq!((expiries.take_before(at), expiries.take_before(at + 1)), (Vec::new(), vec![ada]));
        assert!(!expiries.are_none());
        assert_eq!(expiries.take_before(9 * SLOT_MS), []);
        assert_eq!((expiries.take_before(Time::MAX), expiries.are_none()), (vec![ben], true));
    }

    #[test]
    fn a_user_who_is_noted_a_thousand_times_takes_little_space() {
        let (ids, mut expiries) = (Ids::new([1; 16]), Expiries::default());
        let users: Vec<UserKey> = (0..300).map(|user: u32| ids.user(&user.to_string())).collect();
        (0..1000).for_each(|_| users.iter().for_each(|user| expiries.note(*user, SLOT_MS)));
        assert!(expiries.to_come[&1].capacity() <= 4 * users.len());
        assert_eq!(expiries.take_before(Time::MAX - 1).len(), users.len());
    }
}
