//! [`Erasing`]: what an arrangement leaves out of the rows of erased users, and what it takes out of those it holds.
//!
//! ```text
//! tick of an erasure:  rows held as of it ─▶ taken out in the same tick, by the rule
//! later ticks:         an update at or before the erasure's time ─▶ dropped;  a later one ─▶ kept
//! ```
//! Rows are compared with the erasures of earlier ticks only, and the rows held as of a tick with the erasures of this
//! tick. So the result does not depend on the order in which rows and erasures arrive within a tick, nor on the number of
//! workers.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use differential_dataflow::ExchangeData;
use differential_dataflow::consolidation::{consolidate, consolidate_updates};
use differential_dataflow::trace::cursor::Cursor;
use foldhash::fast::RandomState;

use super::batch::ValBatch;
use super::batch::storable::Storable;
use super::walk::{self, walk, walk_key};
use crate::erased_users::ErasedUsers;
use crate::ids::UserKey;
use crate::time::{Millis, Time};

/// An update of a (key, value) row.
pub(super) type Update<K, V, R> = ((K, V), Time, R);
pub(super) type Updates<K, V, R> = Vec<Update<K, V, R>>;

/// How the rows of an erased user leave an arrangement.
pub struct EraseRule<K, V, R> {
    /// The user whose row or update it is, and its time; none if no erasure concerns it.
    pub subject: fn(&K, &V, &R) -> Option<(UserKey, Millis)>,
    /// Where a user's rows are; none if any key may have rows of any user.
    pub by_user: Option<UserRows<K>>,
    /// The difference that takes a held row out; none if it stays.
    pub taken_out: fn(&R, HeldRow) -> Option<R>,
    /// Marks an update with the number of erasures of its user that were given before it.
    pub dated: fn(&mut R, u16),
    /// Whether a row with this difference is as good as none, because all of it was taken out.
    pub is_void: fn(&R) -> bool,
}

/// The rows of a user, under keys of which one follows the other.
pub struct UserRows<K> {
    /// A key that is not after any of the user's.
    pub first: fn(UserKey) -> K,
    /// The user whose key it is.
    pub user: fn(&K) -> UserKey,
}

impl UserRows<UserKey> {
    /// The user is the key.
    pub const KEYED: UserRows<UserKey> = UserRows { first: |user| user, user: |user| *user };
}

impl<K> Clone for UserRows<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for UserRows<K> {}

impl<K, V, R> Clone for EraseRule<K, V, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, R> Copy for EraseRule<K, V, R> {}

/// A row that is held at the tick of an erasure of its user.
#[derive(Clone, Copy, Debug)]
pub struct HeldRow {
    /// The row's time.
    pub at: Millis,
    /// The time up to which the user is erased.
    pub until: Millis,
    /// The number of erasures of the user in this process, this one included. Where it stops growing, nothing of the user
    /// counts any more until the next start.
    pub generation: u16,
}

/// The erasures of a user.
#[derive(Clone, Copy, Debug, Default)]
struct UserErasures {
    /// None: there is no erasure.
    until: Option<Millis>,
    generation: u16,
}

/// The erasures that an arrangement has received.
pub(super) struct Erasing<K, V, R> {
    rule: EraseRule<K, V, R>,
    /// Rows of this tick were restored as of it, together with their erasures: they need no comparison.
    restored_at: Option<Time>,
    /// Those of the ticks whose batches are made.
    settled: HashMap<UserKey, UserErasures, RandomState>,
    /// Told of each erasure before the batch of its tick is made.
    listener: Rc<ErasedUsers>,
    /// Those of later ticks.
    coming: BTreeMap<Time, HashMap<UserKey, Millis, RandomState>>,
}

impl<K: ExchangeData, V: ExchangeData, R: ExchangeData + Storable> Erasing<K, V, R> {
    pub(super) fn new(rule: EraseRule<K, V, R>, restored_at: Option<Time>, listener: Rc<ErasedUsers>) -> Self {
        Erasing { rule, restored_at, settled: HashMap::default(), listener, coming: BTreeMap::new() }
    }

    /// Takes an erasure that was given at `tick`.
    pub(super) fn hear(&mut self, user: UserKey, tick: Time, until: Millis) {
        let known = self.coming.entry(tick).or_default().entry(user).or_default();
        *known = until.max(*known);
    }

    /// The first tick with an erasure whose batch is not made.
    pub(super) fn next(&self) -> Option<Time> {
        self.coming.keys().next().copied()
    }

    /// Drops the updates that an erasure of an earlier tick covers. All erasures of the ticks before these updates must be
    /// heard.
    pub(super) fn leave_out(&self, updates: &mut Updates<K, V, R>) {
        if self.settled.is_empty() && self.coming.is_empty() {
            return;
        }
        updates.retain_mut(|((key, value), tick, diff)| {
            let Some((user, at)) = (self.rule.subject)(key, value, diff) else { return true };
            let erased = self.before(user, *tick);
            (self.rule.dated)(diff, erased.generation);
            Some(at) > erased.until && erased.generation < u16::MAX
        });
    }

    /// The erasures of a user at the ticks before this one.
    fn before(&self, user: UserKey, tick: Time) -> UserErasures {
        if self.restored_at == Some(tick) {
            return UserErasures::default();
        }
        let mut erased = self.settled.get(&user).copied().unwrap_or_default();
        for (heard_at, users) in self.coming.range(..tick) {
            erased = users.get(&user).map_or(erased, |until| erased.and(*until, Some(*heard_at) == self.restored_at));
        }
        erased
    }

    /// Adds to the updates of a batch that ends with `tick` those that take out what the erasures of this tick cover.
    /// `held` has all batches before it. Returns whether there were such updates.
    pub(super) fn take_out(
        &mut self,
        tick: Time,
        held: &Vec<ValBatch<K, V, R>>,
        chain: &mut Vec<Updates<K, V, R>>,
    ) -> bool {
        let users = self.coming.remove(&tick).unwrap_or_default();
        let is_restored = self.restored_at == Some(tick);
        let mut grown: BTreeMap<UserKey, UserErasures> = BTreeMap::new();
        for (user, until) in users {
            let known = self.settled.entry(user).or_default();
            let erased = known.and(until, is_restored);
            if erased.until > known.until && !is_restored {
                grown.insert(user, erased);
            }
            *known = erased;
            self.listener.hear(user, until, (!is_restored).then_some(tick));
        }
        let changes = self.changes(&grown, tick, held, chain);
        add_to(chain, changes)
    }

    /// The updates that take out what the users have.
    fn changes(
        &self,
        grown: &BTreeMap<UserKey, UserErasures>,
        tick: Time,
        held: &Vec<ValBatch<K, V, R>>,
        chain: &[Updates<K, V, R>],
    ) -> Updates<K, V, R> {
        if grown.is_empty() {
            return Vec::new();
        }
        let concerned = |key: &K, value: &V, diff: &R| {
            (self.rule.subject)(key, value, diff).is_some_and(|(user, _)| grown.contains_key(&user))
        };
        let mut rows: Vec<((K, V), R)> = Vec::new();
        let mut take = |key: &K, value: &V, diff: R| {
            if concerned(key, value, &diff) {
                rows.push(((key.clone(), value.clone()), diff));
            }
        };
        match self.rule.by_user {
            Some(of_user) => read_users(held, of_user, grown.keys().copied(), tick, &mut take),
            None => walk(held, tick, &mut take),
        }
        chain.iter().flatten().for_each(|((key, value), _, diff)| take(key, value, diff.clone()));
        consolidate(&mut rows);
        let taken_out = |((key, value), diff): ((K, V), R)| {
            let (user, at) = (self.rule.subject)(&key, &value, &diff)?;
            let UserErasures { until, generation } = *grown.get(&user)?;
            let change = (self.rule.taken_out)(&diff, HeldRow { at, until: until?, generation })?;
            Some(((key, value), tick, change))
        };
        rows.into_iter().filter_map(taken_out).collect()
    }
}

impl UserErasures {
    /// With one more erasure, unless it is not later than the known ones.
    fn and(self, until: Millis, is_restored: bool) -> UserErasures {
        let until = Some(until);
        match until > self.until {
            true if is_restored => UserErasures { until, ..self },
            true => UserErasures { until, generation: self.generation.saturating_add(1) },
            false => self,
        }
    }
}

/// Adds changes to the updates of a batch; returns whether there were any.
pub(super) fn add_to<K: Ord, V: Ord, R: Storable>(
    chain: &mut Vec<Updates<K, V, R>>,
    changes: Updates<K, V, R>,
) -> bool {
    let is_changed = !changes.is_empty();
    if is_changed {
        let mut updates: Updates<K, V, R> = chain.drain(..).flatten().chain(changes).collect();
        consolidate_updates(&mut updates);
        chain.push(updates);
    }
    is_changed
}

/// Calls `take` with every row of these users, who are in ascending order, as of `tick`.
pub(super) fn read_users<K, V, R>(
    batches: &Vec<ValBatch<K, V, R>>,
    of_user: UserRows<K>,
    users: impl Iterator<Item = UserKey>,
    tick: Time,
    take: &mut impl FnMut(&K, &V, R),
) where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Storable,
{
    let mut cursor = walk::cursor(batches);
    for user in users {
        cursor.seek_key(batches, &(of_user.first)(user));
        while let Some(key) = cursor.get_key(batches).filter(|key| (of_user.user)(key) == user) {
            walk_key(&mut cursor, batches, key, tick, take);
            cursor.step_key(batches);
        }
    }
}

#[cfg(test)]
mod tests;
