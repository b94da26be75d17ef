//! A worker's rows as of a tick, read from the batches its arrangements shared.

use crate::dictionary::Round;
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

    /// Marks the ids of every row that is stored and holds something: also of rows that have left the cut by their age, because a
    /// list may still change when they are taken out.
    pub(crate) fn mark(&self, round: &mut Round<'_>) {
        self.batches.map_ref(&mut Mark { tick: self.tick, round });
    }
}

struct Mark<'m, 'd> {
    tick: Time,
    round: &'m mut Round<'d>,
}

impl tables::MapRef<Batches, Nothing> for Mark<'_, '_> {
    fn map<T: Table>(&mut self, batches: &Vec<ValBatch<T::Key, T::Value, T::Diff>>) {
        if T::REFERS {
            walk(batches, self.tick, |key, value, diff| {
                if T::in_cut(diff).is_none() {
                    return;
                }
                let user = T::subject(key, value, &diff).map(|(user, _)| user);
                user.into_iter().for_each(|user| self.round.mark_user(user));
                let products = T::products(key, value, &diff).into_iter().flatten();
                products.for_each(|product| self.round.mark_product(product));
            });
        }
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
