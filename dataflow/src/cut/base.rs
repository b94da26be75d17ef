//! A worker's rows as of a tick, read from the batches its arrangements shared.

use crate::ids::UserKey;
use crate::rules::Rules;
use crate::tables::{self, Batches, Nothing, Table, Tables, Traces};
use crate::time::Time;
use crate::trace::arranged::{ValBatch, ValTrace};
use crate::trace::handle;
use crate::trace::walk::walk;

/// A worker's rows as of a tick. It shares the batches and keeps them until it is dropped.
pub struct Base {
    tick: Time,
    rules: Rules,
    batches: Tables<Batches>,
}

impl Base {
    /// Shares the batches of the base tables, for reading as of `tick`.
    pub(crate) fn of(traces: &Tables<Traces>, tick: Time, rules: &Rules) -> Self {
        Base { tick, rules: *rules, batches: traces.map_ref(&mut Share) }
    }

    /// No rows.
    #[must_use]
    pub fn empty() -> Self {
        Base { tick: 0, rules: Rules::default(), batches: Tables::make(&mut Share) }
    }

    /// Every row of a table with its difference, in ascending order.
    pub fn rows<T: Table>(&self, mut take: impl FnMut(T::Row, T::Diff)) {
        let mut give = |key: &T::Key, value: &T::Value, diff: T::Diff| {
            if let Some(diff) = T::in_cut(diff) {
                take(T::Row::from((*key, *value)), diff);
            }
        };
        let Some(rule) = T::retention(&self.rules) else {
            return walk(self.batches.get::<T>(), self.tick, give);
        };
        // The rows of one key.
        let mut rows: Vec<(T::Key, T::Value, T::Diff)> = Vec::new();
        let mut give_present = |rows: &mut Vec<_>| {
            let rows: Vec<(T::Key, T::Value, T::Diff)> = std::mem::take(rows);
            rule.present(rows, |(.., diff)| diff, self.tick, |(key, value, diff)| give(&key, &value, diff));
        };
        walk(self.batches.get::<T>(), self.tick, |key, value, diff| {
            if rows.last().is_some_and(|(last, ..)| last != key) {
                give_present(&mut rows);
            }
            rows.push((*key, *value, diff));
        });
        give_present(&mut rows);
    }

    /// The user of every row that is stored, each at least once: also of rows that are not in the cut any more, because a list
    /// may still change when they are taken out.
    pub fn users(&self, take: impl FnMut(UserKey)) {
        self.batches.map_ref(&mut EachUser { tick: self.tick, last: None, take });
    }
}

struct EachUser<F> {
    tick: Time,
    last: Option<UserKey>,
    take: F,
}

impl<F: FnMut(UserKey)> tables::MapRef<Batches, Nothing> for EachUser<F> {
    fn map<T: Table>(&mut self, batches: &Vec<ValBatch<T::Key, T::Value, T::Diff>>) {
        if !T::has_subjects() {
            return;
        }
        walk(batches, self.tick, |key, value, diff| {
            let user = T::subject(key, value, &diff).map(|(user, _)| user);
            if let Some(user) = user.filter(|user| self.last != Some(*user)) {
                self.last = Some(user);
                (self.take)(user);
            }
        });
    }
}

struct Share;

impl tables::MapRef<Traces, Batches> for Share {
    fn map<T: Table>(
        &mut self,
        trace: &ValTrace<T::Key, T::Value, T::Diff>,
    ) -> Vec<ValBatch<T::Key, T::Value, T::Diff>> {
        handle::batches(trace)
    }
}

impl tables::Make<Batches> for Share {
    fn make<T: Table>(&mut self) -> Vec<ValBatch<T::Key, T::Value, T::Diff>> {
        Vec::new()
    }
}
