//! What changes in the rows of each key from the end of one period to the end of the next.
//!
//! ```text
//! (key -> rows), changes at every tick ──▶ compare ──▶ changes, at the ends of periods
//!        trace: the rows of a key before and after the period
//! ```
//! A period is a tick, or a time between two whole multiples of a number of milliseconds. A change of a period becomes
//! effective at the period's end. So the output at a time depends only on the rows as of the last end: not on the ticks
//! within a period, and not on the number of workers.

use std::collections::BTreeMap;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
use differential_dataflow::trace::cursor::{Cursor, Navigable};
use differential_dataflow::trace::{BatchReader, TraceReader};
use differential_dataflow::{AsCollection, Data, ExchangeData, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Antichain;

use super::runs::{add_row, add_up};
use crate::time::{Millis, Time};
use crate::trace::arranged::{ByKey, Storable, ValBatch, ValTrace};
use crate::trace::handle;

/// How many changes are combined at a time, so that the changes of a large period are not all in memory at once.
const COMBINED_MAX: usize = 1 << 20;

/// The ends of periods: whole multiples of `every_ms`, and the tick of a restart.
#[derive(Clone, Copy, Debug)]
pub struct Periods {
    every_ms: Millis,
    /// The number of ticks, from each whole multiple on, that are ends.
    end_ticks: Time,
    restored_at: Option<Time>,
}

impl Periods {
    /// Every tick is a period.
    pub const TICKS: Periods = Periods { every_ms: 1, end_ticks: 1, restored_at: None };

    /// Periods of `every_ms`. If the state was restored as of `restored_at`, a period also ends then, because nothing
    /// is known of the times before.
    #[must_use]
    pub fn new(every_ms: Millis, restored_at: Option<Time>) -> Self {
        Periods { every_ms, end_ticks: 1, restored_at }
    }

    /// Where a millisecond has `ticks` ticks, in which `every_ms` is given too: a period ends at each tick of the millisecond of
    /// its end, as rows may come in each of them.
    #[must_use]
    pub fn with_ticks(self, ticks: Time) -> Self {
        Periods { end_ticks: ticks, ..self }
    }

    /// The end of the period of `time`: the first end that is not before it.
    fn end(&self, time: Time) -> Time {
        let past = time % self.every_ms;
        let end = if past < self.end_ticks { time } else { (time - past).saturating_add(self.every_ms) };
        self.restored_at.filter(|restored| (time..end).contains(restored)).unwrap_or(end)
    }

    /// Whether the period that ends at `end` is over. A closed input reaches no further end, but it has closed each tick.
    fn is_over(&self, end: Time, frontier: Option<Time>) -> bool {
        frontier.map_or(self.every_ms == 1, |frontier| end < frontier)
    }

    /// The last end at or before `time`.
    fn last(&self, time: Time) -> Time {
        let past = time % self.every_ms;
        let last = time - past + past.min(self.end_ticks - 1);
        self.restored_at.filter(|restored| (last..=time).contains(restored)).unwrap_or(last)
    }
}

/// Calls `logic` for every key whose rows have changed in a period: with the key, its rows before the period and at its
/// end (both in order, with positive differences only), and a list to which it adds changes of the output.
pub fn compare<'s, K, V, R, D, S, L>(
    rows: ByKey<'s, K, V, R>,
    periods: Periods,
    name: &str,
    mut logic: L,
) -> VecCollection<'s, Time, D, S>
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
    R: ExchangeData + Monoid + Storable + Copy,
    D: Data,
    S: Data + Semigroup,
    L: FnMut(&K, &[(V, R)], &[(V, R)], &mut Vec<(D, S)>) + 'static,
{
    let mut trace = rows.trace;
    let stream = rows.stream.unary_frontier::<CapacityContainerBuilder<Vec<(D, Time, S)>>, _, _, _>(
        Pipeline,
        name,
        move |_, _| {
            let mut open: BTreeMap<Time, (Capability<Time>, Keys<K>)> = BTreeMap::new();
            let (mut before, mut after, mut combined) = (Vec::new(), Vec::new(), Combined { changes: Vec::new() });
            move |(input, frontier), output| {
                input.for_each(|capability, batches| {
                    for batch in batches.drain(..) {
                        keys_by_end(&batch, &periods, |end, key| {
                            let open = open.entry(end);
                            open.or_insert_with(|| (capability.delayed(&end, 0), Keys::default())).1.push(key);
                        });
                    }
                });
                let now = frontier.frontier().first().copied();
                while let Some(first) = open.first_entry().filter(|first| periods.is_over(*first.key(), now)) {
                    let (end, (capability, keys)) = first.remove_entry();
                    let mut rows = TwoTimes::new(handle::batches(&trace), periods.last(end.saturating_sub(1)), end);
                    let mut session = output.session(&capability);
                    for key in keys.sorted() {
                        rows.read(&key, &mut before, &mut after);
                        logic(&key, &before, &after, &mut combined.changes);
                        if combined.is_full() {
                            combined.drain().for_each(|(row, diff)| session.give((row, end, diff)));
                        }
                    }
                    combined.drain().for_each(|(row, diff)| session.give((row, end, diff)));
                }
                if now.is_none() {
                    open.clear();
                }
                release(&mut trace, now, &periods);
            }
        },
    );
    stream.as_collection()
}

/// Lets the trace forget the times before the last end that is complete: the next period is compared with it.
fn release<K, V, R>(trace: &mut ValTrace<K, V, R>, frontier: Option<Time>, periods: &Periods)
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
    R: ExchangeData + Monoid + Storable + Copy,
{
    let since = frontier.map(|frontier| periods.last(frontier.saturating_sub(1)));
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    handle::compact(trace, &since.into_iter().collect(), &upper);
}

/// Calls `take` with the keys of a batch and the ends of the periods in which they change.
fn keys_by_end<K, V, R>(batch: &ValBatch<K, V, R>, periods: &Periods, mut take: impl FnMut(Time, K))
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
    R: ExchangeData + Monoid + Storable + Copy,
{
    let (first, last) = (batch.lower().as_option(), batch.upper().as_option());
    let only = first.zip(last).map(|(first, last)| [*first, *last - 1].map(|time| periods.end(time)));
    let only = only.filter(|[first, last]| first == last).map(|[end, _]| end);
    let mut cursor = batch.cursor();
    while let Some(key) = cursor.get_key(batch) {
        match only {
            Some(end) => take(end, *key),
            None => {
                while cursor.val_valid(batch) {
                    cursor.map_times(batch, |time, _| take(periods.end(*time), *key));
                    cursor.step_val(batch);
                }
            }
        }
        cursor.step_key(batch);
    }
}

/// The keys that change in a period.
struct Keys<K> {
    keys: Vec<K>,
    /// The number of keys at which they are sorted, so that a key that changes often is held once.
    sort_at: usize,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Keys { keys: Vec::new(), sort_at: 1 << 12 }
    }
}

impl<K: Ord> Keys<K> {
    fn push(&mut self, key: K) {
        if self.keys.last() == Some(&key) {
            return;
        }
        self.keys.push(key);
        if self.keys.len() >= self.sort_at {
            self.sort();
            self.sort_at = 2 * self.keys.len().max(1 << 11);
        }
    }

    fn sort(&mut self) {
        self.keys.sort_unstable();
        self.keys.dedup();
    }

    fn sorted(mut self) -> Vec<K> {
        self.sort();
        self.keys
    }
}

/// Changes that are added up before they are sent.
struct Combined<D, S> {
    changes: Vec<(D, S)>,
}

impl<D: Data, S: Semigroup + Data> Combined<D, S> {
    /// Whether the changes must be sent. They are kept while adding up makes them few.
    fn is_full(&mut self) -> bool {
        if self.changes.len() < COMBINED_MAX {
            return false;
        }
        consolidate(&mut self.changes);
        self.changes.len() > COMBINED_MAX / 2
    }

    /// All changes, added up.
    fn drain(&mut self) -> std::vec::Drain<'_, (D, S)> {
        consolidate(&mut self.changes);
        self.changes.drain(..)
    }
}

/// A batch and a cursor over it.
type Opened<B> = (<B as Navigable>::Cursor, B);

/// Reads the rows of keys as of two times. Keys come in ascending order, so cursors only move forward.
struct TwoTimes<K: ExchangeData, V: ExchangeData, R: ExchangeData + Monoid + Storable> {
    batches: Vec<Opened<ValBatch<K, V, R>>>,
    before: Time,
    after: Time,
    /// Values with what changed up to the first time, and what changed between both.
    rows: Vec<(V, Change<R>)>,
}

/// The difference of a value up to a time, and from then on up to a later time.
#[derive(Clone)]
struct Change<R> {
    before: R,
    since: R,
}

impl<R: Semigroup> IsZero for Change<R> {
    fn is_zero(&self) -> bool {
        self.before.is_zero() && self.since.is_zero()
    }
}

impl<R: Semigroup> Semigroup for Change<R> {
    fn plus_equals(&mut self, other: &Self) {
        self.before.plus_equals(&other.before);
        self.since.plus_equals(&other.since);
    }
}

impl<K, V, R> TwoTimes<K, V, R>
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
    R: ExchangeData + Monoid + Storable + Copy,
{
    fn new(batches: Vec<ValBatch<K, V, R>>, before: Time, after: Time) -> Self {
        let batches = batches.into_iter().map(|batch| (batch.cursor(), batch)).collect();
        TwoTimes { batches, before, after, rows: Vec::new() }
    }

    /// Reads the present rows of `key` as of both times, in order.
    fn read(&mut self, key: &K, before: &mut Vec<(V, R)>, after: &mut Vec<(V, R)>) {
        self.rows.clear();
        let mut in_order = 0;
        for (cursor, batch) in &mut self.batches {
            cursor.seek_key(batch, key);
            if cursor.get_key(batch) != Some(key) {
                continue;
            }
            let rows = &mut self.rows;
            if cursor.is_as_of(batch, self.before) {
                cursor.each_value(batch, self.before, |value, before| {
                    add_row(rows, in_order, *value, Change { before, since: R::zero() });
                });
            } else {
                while let Some(value) = cursor.get_val(batch) {
                    let mut change = Change { before: R::zero(), since: R::zero() };
                    cursor.map_times(batch, |time, diff| {
                        if *time <= self.before {
                            change.before.plus_equals(diff);
                        } else if *time <= self.after {
                            change.since.plus_equals(diff);
                        }
                    });
                    add_row(rows, in_order, *value, change);
                    cursor.step_val(batch);
                }
            }
            if in_order == 0 {
                in_order = rows.len();
            }
        }
        if self.rows.len() > in_order {
            add_up(&mut self.rows);
        }
        before.clear();
        after.clear();
        for (value, Change { before: old, since }) in &self.rows {
            let mut new = *old;
            new.plus_equals(since);
            if *old > R::zero() {
                before.push((*value, *old));
            }
            if new > R::zero() {
                after.push((*value, new));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::input::InputSession;
    use timely::dataflow::operators::Inspect;

    use super::*;
    use crate::ids::ProductKey;
    use crate::time::Diff;
    use crate::trace::arranged::by_key;
    use crate::workers;

    /// The times at which `compare` gives changes, if the input is closed before any worker has made a step.
    fn changes_after_close(periods: Periods) -> Vec<Time> {
        let workers = timely::execute(workers::config(1, 1000), move |worker| {
            let (given, seen) = std::sync::mpsc::channel();
            let mut input = InputSession::new();
            worker.dataflow::<Time, _, _>(|scope| {
                let rows = by_key(input.to_collection(scope), "Rows", |product: &ProductKey| product.route());
                let changes = compare(rows, periods, "Changes", |_, before: &[(u64, Diff)], after, changes| {
                    changes.push((after.len(), Diff::try_from(before.len()).unwrap() + 1));
                });
                changes.inner.inspect(move |(_, time, _)| given.send(*time).unwrap());
            });
            for time in [3, 5] {
                input.advance_to(time);
                input.insert((ProductKey::default(), time));
            }
            input.close();
            while worker.has_dataflows() {
                worker.step();
            }
            seen.try_iter().collect()
        });
        workers.unwrap().join().pop().unwrap().unwrap()
    }

    #[test]
    fn a_closed_input_ends_ticks_but_no_longer_period() {
        assert_eq!(changes_after_close(Periods::TICKS), [3, 5]);
        assert_eq!(changes_after_close(Periods::new(10, None)), Vec::<Time>::new());
    }

    #[test]
    fn a_period_ends_at_the_next_whole_multiple_and_at_the_restored_tick() {
        let periods = Periods::new(10, Some(25));
        assert_eq!([1, 10, 11, 20, 21, 25, 26].map(|time| periods.end(time)), [10, 10, 20, 20, 25, 25, 30]);
        assert_eq!([9, 10, 19, 24, 25, 29, 30].map(|time| periods.last(time)), [0, 10, 10, 20, 25, 25, 30]);
        assert_eq!([Periods::TICKS.end(7), Periods::TICKS.last(7)], [7, 7]);
    }

    #[test]
    fn each_tick_of_the_last_millisecond_is_an_end() {
        let periods = Periods::new(40, None).with_ticks(4);
        assert_eq!([39, 40, 41, 43, 44, 80].map(|time| periods.end(time)), [40, 40, 41, 43, 80, 80]);
        assert_eq!([39, 40, 41, 43, 44, 79].map(|time| periods.last(time)), [3, 40, 41, 43, 43, 43]);
    }
}
