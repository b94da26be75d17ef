//! [`Assembly`]: a batch while it is made, value by value and key by key, each in its order.

use std::ops::Range;

use differential_dataflow::trace::Description;

use super::keep::{Keep, KeepFirst};
use super::storable::{DiffColumn as _, Storable};
use super::{Contents, ValBatch};
use crate::time::Time;

/// A batch that is being made.
pub(super) struct Assembly<K, V, R: Storable> {
    contents: Contents<K, V, R>,
    /// Updates before this time get it.
    since: Time,
    /// The updates of the value that comes next.
    gathered: Vec<(Time, R)>,
    /// Whether no batch is older than this one.
    is_oldest: bool,
}

impl<K, V, R: Storable> Assembly<K, V, R> {
    /// Nothing yet, with space for this many keys, values and updates. Times are compacted up to the description's.
    pub(super) fn new(keys: usize, values: usize, updates: usize, description: Description<Time>) -> Self {
        // Nobody reads a batch whose frontier is empty, so its times may stay as they are.
        let since = description.since().as_option().copied().unwrap_or(Time::MIN);
        let is_oldest = description.lower().as_option() == Some(&Time::MIN);
        let contents = Contents::with_capacity(keys, values, updates, description);
        Assembly { contents, since, gathered: Vec::new(), is_oldest }
    }

    /// Drops rows by these rules when a key ends; `has_void` says whether some rows may be as good as none.
    pub(super) fn keeping(mut self, keep: Keep<V, R>, has_void: bool) -> Self {
        (self.contents.keep, self.contents.has_void) = (keep, has_void);
        self
    }

    /// Whether each key must be looked at when it ends.
    pub(super) fn has_rule(&self) -> bool {
        self.first().is_some() || self.drops_void()
    }

    /// The rule by which the first rows of each key are kept, if it applies to this batch.
    fn first(&self) -> Option<KeepFirst<V, R>> {
        self.contents.keep.first.filter(|first| first.applies(self.is_oldest))
    }

    /// Whether rows that are as good as none are dropped.
    fn drops_void(&self) -> bool {
        self.is_oldest && self.contents.has_void
    }

    /// The batch.
    pub(super) fn done(mut self) -> ValBatch<K, V, R> {
        let upper = self.contents.description.upper().as_option();
        if self.is_oldest && upper.is_some_and(|upper| *upper <= self.since.saturating_add(1)) {
            // All times have been compacted, so no row that is as good as none is left.
            self.contents.has_void = false;
        }
        self.contents.into_batch()
    }

    /// The batch, described after it was made.
    pub(super) fn done_as(mut self, description: Description<Time>) -> ValBatch<K, V, R> {
        self.contents.description = description;
        self.done()
    }
}

impl<K, V, R> Assembly<K, V, R>
where
    K: Ord + Clone,
    V: Ord + Clone,
    R: Storable,
{
    /// Adds an update of the value that comes next.
    #[inline]
    pub(super) fn gather(&mut self, time: Time, diff: R) {
        self.gathered.push((time.max(self.since), diff));
    }

    /// Adds all updates of another batch's value.
    #[inline]
    pub(super) fn gather_from(&mut self, source: &Contents<K, V, R>, value: usize) {
        for update in source.value_ends.list(value) {
            self.gather(*source.times.get(update), source.diffs.with(update, R::clone));
        }
    }

    /// Adds a value with the updates that were gathered for it, unless their sum is zero at all times.
    #[inline]
    pub(super) fn end_value(&mut self, value: &V) {
        if self.gathered.len() > 1 {
            self.consolidate();
        }
        let Contents { values, value_ends, times, diffs, .. } = &mut self.contents;
        let before = diffs.count();
        for (time, diff) in self.gathered.drain(..).filter(|(_, diff)| !diff.is_zero()) {
            times.push(time);
            diffs.push(diff);
        }
        if diffs.count() > before {
            values.push(value.clone());
            value_ends.push(diffs.count());
        }
    }

    /// Adds up the gathered updates of equal times.
    fn consolidate(&mut self) {
        if !self.gathered.is_sorted_by_key(|(time, _)| *time) {
            self.gathered.sort_by_key(|(time, _)| *time);
        }
        self.gathered.dedup_by(|next, sum| {
            let is_same = next.0 == sum.0;
            if is_same {
                sum.1.plus_equals(&next.1);
            }
            is_same
        });
    }

    /// Adds values of another batch with their updates.
    #[inline]
    pub(super) fn copy_values(&mut self, source: &Contents<K, V, R>, range: Range<usize>) {
        let updates = source.updates_of(range.clone());
        if updates.len() > range.len() {
            for value in range {
                self.gather_from(source, value);
                self.end_value(&source.values[value]);
            }
            return;
        }
        let since = self.since;
        self.contents.value_ends.push_ones(range.len());
        self.contents.values.extend_from_slice(&source.values[range]);
        self.contents.times.extend(&source.times, updates.clone(), |time| (*time).max(since));
        self.contents.diffs.extend(&source.diffs, updates);
    }

    /// Adds keys of another batch with all their values, of which each has one update.
    #[inline]
    pub(super) fn copy_keys(&mut self, source: &Contents<K, V, R>, keys: Range<usize>, values: Range<usize>) {
        self.copy_values(source, values);
        self.contents.key_ends.extend(&source.key_ends, keys.clone());
        self.contents.keys.extend_from_slice(&source.keys[keys]);
    }

    /// Ends a key, whose values were added since the last one ended. A key without values is left out.
    #[inline]
    pub(super) fn end_key(&mut self, key: &K) {
        let start = self.contents.key_ends.end();
        let are_many = self.first().is_some_and(|first| self.contents.values.len() - start > first.rows());
        if are_many || self.drops_void() || self.have_some_ended(start) {
            self.forget(start);
        }
        let values = self.contents.values.len();
        if values > start {
            self.contents.keys.push(key.clone());
            self.contents.key_ends.push(values);
        }
    }

    /// Whether some of the values from `start` on have ended, and no older batch has updates of them.
    fn have_some_ended(&self, start: usize) -> bool {
        let first = self.contents.keep.first.filter(|first| self.is_oldest && first.has_end());
        let Some(first) = first else { return false };
        let Contents { values, value_ends, times, diffs, .. } = &self.contents;
        let has_ended = |update: usize| {
            diffs.with(update, |diff| first.has_ended(diff, self.since)) && *times.get(update) <= self.since
        };
        (start..values.len()).any(|value| has_ended(value_ends.start(value)))
    }

    /// Drops the updates before `since` of the values from `start` on that the rules do not keep.
    fn forget(&mut self, start: usize) {
        let (first, is_void) = (self.first(), self.contents.keep.is_void);
        let (has_void, drops_void) = (self.contents.has_void, self.drops_void());
        let Contents { values, value_ends, times, diffs, .. } = &mut self.contents;
        let first_update = |value: usize| value_ends.start(value);
        let mut compacted: Vec<usize> =
            (start..values.len()).filter(|value| *times.get(first_update(*value)) <= self.since).collect();
        let mut dropped: Vec<usize> = Vec::new();
        if let Some(first) = first.filter(|_| self.is_oldest) {
            let since = self.since;
            let has_ended = |value: &mut usize| diffs.with(first_update(*value), |diff| first.has_ended(diff, since));
            dropped.extend(compacted.extract_if(.., has_ended));
        }
        if let Some(is_void) = is_void.filter(|_| has_void) {
            // They hide updates of older batches, so only a merge with the oldest batch drops them, and they are not counted
            // among the first rows.
            let void = compacted.extract_if(.., |value| diffs.with(first_update(*value), is_void));
            dropped.extend(void.filter(|_| drops_void));
        }
        if let Some(first) = first.filter(|first| compacted.len() > first.rows()) {
            let order = |one: &usize, other: &usize| {
                diffs.with(first_update(*one), |diff| {
                    let row = (&values[*one], diff);
                    diffs.with(first_update(*other), |diff| first.order(row, (&values[*other], diff)))
                })
            };
            dropped.extend(first.others(&mut compacted, order).iter());
        }
        if dropped.is_empty() {
            return;
        }
        dropped.sort_unstable();
        let mut dropped = dropped.iter().peekable();
        let mut kept: Vec<(V, Time, R)> = Vec::new();
        for (value, place) in values[start..].iter().zip(start..) {
            let skipped = usize::from(dropped.next_if_eq(&&place).is_some());
            for update in value_ends.list(place).skip(skipped) {
                kept.push((value.clone(), *times.get(update), diffs.with(update, R::clone)));
            }
        }
        let updates = value_ends.start(start);
        times.truncate(updates);
        diffs.truncate(updates);
        value_ends.truncate(start);
        values.truncate(start);
        for updates in kept.chunk_by(|one, other| one.0 == other.0) {
            updates.iter().for_each(|(_, time, diff)| self.gather(*time, diff.clone()));
            self.end_value(&updates[0].0);
        }
    }
}
