//! [`Expiries`]: when to look at each user's oldest place, which is the next one to expire.
//!
//! ```text
//! hours to come:  hour ─▶ users         16 bytes a user
//! hours begun:    time ─▶ user          only the users whose oldest place expires within the hour
//! ```
//! A user is looked at no later than its oldest place expires. New events only make the oldest place younger, so in most cases
//! nothing is noted for an event: the user is looked at too early, and then noted again.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::UserKey;
use crate::time::{Millis, Time};

/// Users are noted by the hour until it begins, so that each takes no more than its key.
const HOUR_MS: Millis = 60 * 60 * 1000;

/// Users of an hour from which on they are sorted before they take more space.
const SORTED_MIN: usize = 256;

/// The users whose places will expire.
#[derive(Default)]
pub(super) struct Expiries {
    /// By the number of the hour. An hour may have a user several times for a while.
    to_come: BTreeMap<u64, Vec<UserKey>>,
    /// The users of the hours that have begun.
    begun: BTreeSet<(Time, UserKey)>,
    /// The first hour that has not begun.
    next_hour: u64,
}

impl Expiries {
    /// Looks at a user at this time; [`Time::MAX`] is never.
    pub(super) fn note(&mut self, user: UserKey, at: Time) {
        if at == Time::MAX {
            return;
        }
        let hour = at / HOUR_MS;
        if hour < self.next_hour {
            self.begun.insert((at, user));
        } else {
            push_once(self.to_come.entry(hour).or_default(), user);
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
        let hours = upper.div_ceil(HOUR_MS);
        while let Some(hour) = self.to_come.first_entry().filter(|hour| *hour.key() < hours) {
            users.append(&mut hour.remove());
        }
        self.next_hour = self.next_hour.max(hours);
        users.sort_unstable();
        users.dedup();
        users
    }

    /// The next time at which a user may have to be looked at.
    pub(super) fn next(&self) -> Option<Time> {
        let begun = self.begun.first().map(|(at, _)| *at);
        let to_come = self.to_come.keys().next().map(|hour| hour * HOUR_MS);
        begun.into_iter().chain(to_come).min()
    }
}

/// Adds a user. Where many are repetitions, they do not take more space than the users.
fn push_once(users: &mut Vec<UserKey>, user: UserKey) {
    if users.len() == users.capacity() && users.len() >= SORTED_MIN {
        users.sort_unstable();
        users.dedup();
        users.reserve_exact(users.len());
    }
    users.push(user);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    #[test]
    fn a_user_is_looked_at_when_the_hour_begins_and_then_in_the_very_millisecond() {
        let (ids, mut expiries) = (Ids::new([1; 16]), Expiries::default());
        let [ada, ben] = ["ada", "ben"].map(|user| ids.user(user));
        let (first, at) = (5 * HOUR_MS, 5 * HOUR_MS + 7);
        let notes = [(ada, at), (ada, at + 1), (ben, 9 * HOUR_MS), (ben, Time::MAX)];
        notes.into_iter().for_each(|(user, at)| expiries.note(user, at));
        assert_eq!(expiries.next(), Some(first));
        assert_eq!(expiries.take_before(first), []);
        assert_eq!(expiries.take_before(first + 1), [ada], "once");
        expiries.note(ada, at);
        assert_eq!(expiries.next(), Some(at));
        assert_eq!((expiries.take_before(at), expiries.take_before(at + 1)), (Vec::new(), vec![ada]));
        assert_eq!((expiries.next(), expiries.take_before(Time::MAX)), (Some(9 * HOUR_MS), vec![ben]));
        assert_eq!(expiries.next(), None);
    }

    #[test]
    fn a_user_who_is_noted_a_thousand_times_takes_little_space() {
        let (ids, mut expiries) = (Ids::new([1; 16]), Expiries::default());
        let users: Vec<UserKey> = (0..300).map(|user: u32| ids.user(&user.to_string())).collect();
        (0..1000).for_each(|_| users.iter().for_each(|user| expiries.note(*user, HOUR_MS)));
        assert!(expiries.to_come[&1].capacity() <= 4 * users.len());
        assert_eq!(expiries.take_before(Time::MAX - 1).len(), users.len());
    }
}
