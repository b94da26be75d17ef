//! [`Retaining`]: what an arrangement takes out some days after a user's latest events.
//!
//! ```text
//! updates ─▶ users, by the day on which their first rows leave
//!                └─▶ that day begins ─▶ users that are due ─▶ their rows are read with their next update, or soon ─▶ taken out
//! ```
//! A row leaves as a whole, at the beginning of a day in UTC, when its latest event was more than a number of days ago. Readers
//! see this by themselves, from the time of the latest event. So a row need not be taken out before there is another update of
//! it, and no tick has to do this for all users of a day. An update that is not later than those that were taken out must not be
//! given any more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use differential_dataflow::ExchangeData;
use foldhash::fast::RandomState;

use super::batch::ValBatch;
use super::batch::storable::Storable;
use super::erasing::{Updates, UserRows, add_to, read_users};
use crate::ids::UserKey;
use crate::rules::{DAY_MS, Day, day_of};
use crate::time::{Millis, Time};

/// Due users whose rows are read with a batch that has no updates of theirs.
const LOOKS_MAX: usize = 256;

/// How the rows of users leave an arrangement some days after their latest events.
pub struct RetainRule<R> {
    /// The number of whole days after that of the latest event for which a row stays.
    pub days: Day,
    /// Whether the rows of a key leave together, by the latest event of all of them.
    pub whole_keys: bool,
    /// The time of a row's latest event; none if it has no events.
    pub latest: fn(&R) -> Option<Millis>,
    /// The difference that takes all events up to the end of this day out of a row, given the difference of the row.
    pub taken_out: fn(&R, Day) -> R,
}

impl<R> Clone for RetainRule<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for RetainRule<R> {}

impl<R> RetainRule<R> {
    /// The first day without a row whose latest event was on this day.
    fn leaves_on(&self, day: Day) -> Day {
        day.saturating_add(self.days).saturating_add(1)
    }

    /// For each row of a key, the day of the event by which it stays; none for a row without events.
    fn days_of<T>(&self, rows: &[T], diff: impl Fn(&T) -> &R) -> Vec<Option<Day>> {
        let mut days: Vec<_> = rows.iter().map(|row| (self.latest)(diff(row)).map(day_of)).collect();
        if self.whole_keys {
            let last = days.iter().flatten().max().copied();
            days.iter_mut().flatten().for_each(|day| *day = last.unwrap_or(*day));
        }
        days
    }

    /// Calls `take` with the rows of a key that are there at a time. Some may still be stored that have left.
    pub(crate) fn present<T>(&self, rows: Vec<T>, diff: impl Fn(&T) -> &R, now: Time, mut take: impl FnMut(T)) {
        let days = self.days_of(&rows, diff);
        let present =
            rows.into_iter().zip(days).filter(|(_, day)| day.is_some_and(|day| self.leaves_on(day) > day_of(now)));
        present.for_each(|(row, _)| take(row));
    }
}

/// The users of whose rows some will leave.
pub(super) struct Retaining<K, R> {
    rule: RetainRule<R>,
    of_user: UserRows<K>,
    /// The day on which a user's first row may leave.
    day_of_user: HashMap<UserKey, Day, RandomState>,
    /// The users of each day. A user may also be under later days, where it counts no more.
    users_of_day: BTreeMap<Day, Vec<UserKey>>,
    /// The users whose day has begun.
    due: BTreeSet<UserKey>,
    /// The first day of the updates of each tick that are not in a batch yet.
    open: BTreeMap<Time, Day>,
    /// Where the last batch ended.
    end: Time,
}

impl<K: ExchangeData, R: ExchangeData + Storable> Retaining<K, R> {
    pub(super) fn new(rule: RetainRule<R>, of_user: UserRows<K>) -> Self {
        let (day_of_user, users_of_day) = (HashMap::default(), BTreeMap::new());
        Retaining { rule, of_user, day_of_user, users_of_day, due: BTreeSet::new(), open: BTreeMap::new(), end: 0 }
    }

    /// Takes note of updates that are not in a batch yet.
    pub(super) fn note<V>(&mut self, updates: &Updates<K, V, R>) {
        for of_tick in updates.chunk_by(|one, other| one.1 == other.1) {
            let tick = of_tick[0].1;
            if let Some(day) = of_tick.iter().filter_map(|(_, _, diff)| self.day_after(tick, diff)).min() {
                let known = self.open.entry(tick).or_insert(day);
                *known = day.min(*known);
            }
        }
    }

    /// The day on which the row of an update is looked at. One that is older than rows last may be of a row with younger ones, or of
    /// one that has left: this is seen on the next day.
    fn day_after(&self, tick: Time, diff: &R) -> Option<Day> {
        (self.rule.latest)(diff).map(|at| self.rule.leaves_on(day_of(at)).max(day_of(tick) + 1))
    }

    fn look_at(&mut self, user: UserKey, day: Day) {
        let known = self.day_of_user.entry(user).or_insert(Day::MAX);
        if day < *known {
            *known = day;
            self.users_of_day.entry(day).or_default().push(user);
        }
    }

    /// When the next day begins on which rows may leave. A batch must end before it. Rows of due users may leave on any day.
    pub(super) fn next(&self) -> Option<Time> {
        let known = self.users_of_day.keys().next().into_iter().chain(self.open.values()).copied();
        let tomorrow = (!self.due.is_empty()).then(|| day_of(self.end) + 1);
        known.chain(tomorrow).min().map(|day| day.saturating_mul(DAY_MS))
    }

    /// The batch that ends before `end` is made. If a day begins there, its users are due.
    pub(super) fn pass(&mut self, end: Time) {
        self.end = self.end.max(end);
        self.open = self.open.split_off(&end);
        let Some(first) = self.users_of_day.first_entry().filter(|first| first.key().saturating_mul(DAY_MS) == end)
        else {
            return;
        };
        let (day, users) = first.remove_entry();
        for user in users {
            if self.day_of_user.get(&user) == Some(&day) {
                self.day_of_user.remove(&user);
                self.due.insert(user);
            }
        }
    }

    /// Adds to the updates of a batch, none of which is before `time`, those that take out what has left by then. `held` returns all
    /// batches before it. Returns whether there were such updates.
    pub(super) fn take_out<V: ExchangeData>(
        &mut self,
        time: Time,
        held: impl FnOnce() -> Vec<ValBatch<K, V, R>>,
        chain: &mut Vec<Updates<K, V, R>>,
    ) -> bool {
        let changes = if self.due.is_empty() { Vec::new() } else { self.changes(time, &held(), chain) };
        for ((key, _), tick, diff) in chain.iter().flatten() {
            if let Some(day) = self.day_after(*tick, diff) {
                self.look_at((self.of_user.user)(key), day);
            }
        }
        add_to(chain, changes)
    }

    /// The updates that take out what has left of the rows of due users.
    fn changes<V: ExchangeData>(
        &mut self,
        time: Time,
        held: &Vec<ValBatch<K, V, R>>,
        chain: &[Updates<K, V, R>],
    ) -> Updates<K, V, R> {
        let users = self.take_due(chain);
        let (mut rows, mut changes) = (Vec::new(), Vec::new());
        read_users(held, self.of_user, users.into_iter(), time, &mut |key, value, diff| {
            rows.push(((key.clone(), value.clone()), diff));
        });
        for of_key in rows.chunk_by(|one, other| one.0.0 == other.0.0) {
            for ((row, diff), day) in of_key.iter().zip(self.rule.days_of(of_key, |(_, diff)| diff)) {
                let Some(day) = day else { continue };
                let leaves_on = self.rule.leaves_on(day);
                if leaves_on <= day_of(time) {
                    changes.push((row.clone(), time, (self.rule.taken_out)(diff, day)));
                } else {
                    self.look_at((self.of_user.user)(&row.0), leaves_on);
                }
            }
        }
        changes
    }

    /// The due users who have updates in a batch, and some more.
    fn take_due<V>(&mut self, chain: &[Updates<K, V, R>]) -> BTreeSet<UserKey> {
        let mut users = BTreeSet::new();
        for ((key, _), ..) in chain.iter().flatten() {
            users.extend(self.due.take(&(self.of_user.user)(key)));
        }
        users.extend((0..LOOKS_MAX).map_while(|_| self.due.pop_first()));
        users
    }
}

#[cfg(test)]
mod tests;
