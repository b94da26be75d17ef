//! The heaviest rows of every key: a part of an arrangement whose differences are weights, in the same form.
//!
//! ```text
//! (a -> b, weight) ──▶ heaviest ──▶ (a -> b, weight): the first `size` rows of a by weight, and up to `slack` more
//!    source trace        │ ▲ output trace: the rows before the tick
//! ```
//! The kept rows of a key are the first ones by weight: each row that is not kept ranks behind all that are. So a row
//! that is not kept and does not grow cannot enter, and a tick looks up only the rows that grew. Only if fewer than
//! `size` rows are left of a key that has more are all its rows read again; the slack makes this rare. At the end of a
//! period most products have a few changes, and mostly the same rows are kept: then only the changes are passed on.

use std::cmp::Reverse;

use differential_dataflow::ExchangeData;
use differential_dataflow::operators::reduce::{ReduceTactic, reduce_with_tactic};
use differential_dataflow::trace::cursor::{Cursor, Navigable, cursor_list};
use differential_dataflow::trace::{BatchReader, Builder, Description};
use timely::progress::Antichain;

use crate::ops::heaviest_rows::keep_heaviest;
use crate::ops::runs::{add_row, add_up};
use crate::time::Time;
use crate::trace::arranged::{ByKey, ValBatch, ValBuilder};

type Batch<K, V> = ValBatch<K, V, i32>;
type BatchCursor<K, V> = <Batch<K, V> as Navigable>::Cursor;
type Rows<V> = Vec<(V, i32)>;

/// The first `size` rows of every key by weight, ties by value, and up to `slack` more.
pub(super) fn heaviest<'s, K, V>(
    weights: ByKey<'s, K, V, i32>,
    size: usize,
    slack: usize,
    name: &str,
) -> ByKey<'s, K, V, i32>
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
{
    reduce_with_tactic(weights, name, Heaviest { size, most: size + slack })
}

struct Heaviest {
    size: usize,
    most: usize,
}

impl<K, V> ReduceTactic<Batch<K, V>, Batch<K, V>> for Heaviest
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
{
    fn retire(
        &mut self,
        source: Vec<Batch<K, V>>,
        output: Vec<Batch<K, V>>,
        input: Vec<Batch<K, V>>,
        lower: &Antichain<Time>,
        upper: &Antichain<Time>,
        held: &Antichain<Time>,
    ) -> (Vec<(Time, Batch<K, V>)>, Antichain<Time>) {
        let Some(time) = held.as_option().filter(|_| input.iter().any(|batch| !batch.is_empty())) else {
            return (Vec::new(), Antichain::new());
        };
        let mut builder = ValBuilder::<K, V, i32>::new();
        let mut state = State::new(source, output, self.size, self.most);
        let mut arrived: Vec<(Time, V, i32)> = Vec::new();
        let mut changes: Vec<((K, V), Time, i32)> = Vec::new();
        let (mut cursor, storage) = cursor_list(input);
        while let Some(key) = cursor.get_key(&storage).copied() {
            arrived.clear();
            while let Some(value) = cursor.get_val(&storage) {
                cursor.map_times(&storage, |at, weight| arrived.push((*at, *value, *weight)));
                cursor.step_val(&storage);
            }
            arrived.sort_unstable();
            state.seek(key);
            let mut start = 0;
            for tick in arrived.chunk_by(|one, next| one.0 == next.0) {
                state.apply(&arrived[..start], tick, |value, change| changes.push(((key, value), tick[0].0, change)));
                start += tick.len();
            }
            if !changes.is_empty() {
                changes.sort_unstable_by_key(|((_, value), at, _)| (*value, *at));
                builder.push(&mut changes);
                changes.clear();
            }
            cursor.step_key(&storage);
        }
        let since = Antichain::from_elem(Time::MIN);
        (vec![(*time, builder.done(Description::new(lower.clone(), upper.clone(), since)))], Antichain::new())
    }
}

/// The place of a row: heavier first, ties by value.
fn rank<V: Copy>(row: &(V, i32)) -> (Reverse<i32>, V) {
    (Reverse(row.1), row.0)
}

/// One key's kept rows, and the batches from which they are read. Keys come in ascending order, so cursors only move
/// forward.
struct State<K: ExchangeData + Copy, V: ExchangeData + Copy> {
    source: Vec<(BatchCursor<K, V>, Batch<K, V>)>,
    output: Vec<(BatchCursor<K, V>, Batch<K, V>)>,
    size: usize,
    most: usize,
    key: Option<K>,
    /// The source batches that have the key; `None` until they are needed.
    holders: Option<Vec<usize>>,
    /// The last row that was looked up in them.
    looked_up: Option<V>,
    /// The kept rows, ordered by value.
    kept: Rows<V>,
    /// The kept rows before the tick, if other rows are kept after it.
    old: Rows<V>,
    /// The places of kept rows that change, with their changes.
    changed: Vec<(usize, i32)>,
    /// Rows that enter, ordered by value.
    grown: Rows<V>,
    weights: Vec<i32>,
}

impl<K: ExchangeData + Copy, V: ExchangeData + Copy> State<K, V> {
    fn new(source: Vec<Batch<K, V>>, output: Vec<Batch<K, V>>, size: usize, most: usize) -> Self {
        let open = |batches: Vec<Batch<K, V>>| -> Vec<_> {
            let batches = batches.into_iter().filter(|batch| !batch.is_empty());
            batches.map(|batch| (batch.cursor(), batch)).collect()
        };
        let (source, output) = (open(source), open(output));
        State {
            source,
            output,
            size,
            most,
            key: None,
            holders: None,
            looked_up: None,
            kept: Vec::new(),
            old: Vec::new(),
            changed: Vec::new(),
            grown: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Reads the kept rows of `key` as they were before the tick.
    fn seek(&mut self, key: K) {
        (self.key, self.holders, self.looked_up) = (Some(key), None, None);
        self.kept.clear();
        let mut in_order = 0;
        for (cursor, batch) in &mut self.output {
            cursor.seek_key(batch, &key);
            if cursor.get_key(batch) == Some(&key) {
                cursor.each_value(batch, Time::MAX, |value, weight| add_row(&mut self.kept, in_order, *value, weight));
                if in_order == 0 {
                    in_order = self.kept.len();
                }
            }
        }
        if self.kept.len() > in_order {
            add_up(&mut self.kept);
        }
        self.kept.retain(|row| row.1 > 0);
    }

    /// Applies the changes of one tick, ordered by value, and calls `emit` with the changes of kept rows; `earlier` are the
    /// changes of earlier ticks of the same batch.
    fn apply(&mut self, earlier: &[(Time, V, i32)], tick: &[(Time, V, i32)], mut emit: impl FnMut(V, i32)) {
        // With fewer rows than asked for, all rows of the key are kept.
        let is_full = self.kept.len() >= self.size;
        let last = if is_full { self.kept.iter().map(rank).max() } else { None };
        // Rows that are not kept rank behind the last row as it was, but nothing is known beyond that.
        let stays = |row: &(V, i32)| row.1 > 0 && last.is_none_or(|last| rank(row) <= last);
        self.changed.clear();
        self.grown.clear();
        for &(_, value, change) in tick {
            match self.kept.binary_search_by_key(&value, |row| row.0) {
                Ok(place) => self.changed.push((place, change)),
                Err(_) if last.is_some() && change <= 0 => {}
                Err(_) => {
                    let before = if last.is_some() { self.weight_before(earlier, value) } else { 0 };
                    let row = (value, before + change);
                    self.grown.extend(Some(row).filter(stays));
                }
            }
        }
        let row_after = |(place, change): &(usize, i32)| (self.kept[*place].0, self.kept[*place].1 + change);
        let all_stay = self.changed.iter().map(row_after).all(|row| stays(&row));
        if all_stay && self.kept.len() + self.grown.len() <= self.most {
            for &(place, change) in &self.changed {
                self.kept[place].1 += change;
                emit(self.kept[place].0, change);
            }
            self.grown.iter().for_each(|(value, weight)| emit(*value, *weight));
            self.take_grown();
            return;
        }
        self.old.clone_from(&self.kept);
        self.changed.iter().for_each(|(place, change)| self.kept[*place].1 += change);
        self.kept.retain(stays);
        self.take_grown();
        if last.is_some() && self.kept.len() < self.size {
            self.read_all(earlier, tick);
        }
        keep_heaviest(&mut self.kept, self.most, &mut self.weights);
        differences(&self.old, &self.kept, emit);
    }

    /// Moves the rows that enter to the kept rows.
    fn take_grown(&mut self) {
        if !self.grown.is_empty() {
            self.kept.append(&mut self.grown);
            // A stable sort merges both runs.
            self.kept.sort_by_key(|row| row.0);
        }
    }

    /// The source batches that have the key, with their cursors at the key.
    fn find_holders(&mut self) -> Vec<usize> {
        self.holders.take().unwrap_or_else(|| {
            let mut holders = Vec::new();
            for (number, (cursor, batch)) in self.source.iter_mut().enumerate() {
                self.key.iter().for_each(|key| cursor.seek_key(batch, key));
                if cursor.get_key(batch) == self.key.as_ref() {
                    holders.push(number);
                }
            }
            holders
        })
    }

    /// The weight of a row that is not kept, before the tick.
    fn weight_before(&mut self, earlier: &[(Time, V, i32)], value: V) -> i32 {
        let mut weight: i32 = earlier.iter().filter(|(_, other, _)| *other == value).map(|(_, _, change)| change).sum();
        // Rows are looked up in ascending order within a tick, but from the first one again at the next tick.
        let again = self.looked_up.is_some_and(|before| before > value);
        self.looked_up = Some(value);
        let holders = self.find_holders();
        for &holder in &holders {
            let (cursor, batch) = &mut self.source[holder];
            if again {
                cursor.rewind_vals(batch);
            }
            cursor.seek_val(batch, &value);
            if cursor.get_val(batch) == Some(&value) {
                cursor.map_times(batch, |_, change| weight += *change);
            }
        }
        self.holders = Some(holders);
        weight
    }

    /// Reads all rows of the key.
    fn read_all(&mut self, earlier: &[(Time, V, i32)], tick: &[(Time, V, i32)]) {
        self.kept.clear();
        let holders = self.find_holders();
        for &holder in &holders {
            let (cursor, batch) = &self.source[holder];
            cursor.each_value(batch, Time::MAX, |value, weight| self.kept.push((*value, weight)));
        }
        self.holders = Some(holders);
        self.kept.extend(earlier.iter().chain(tick).map(|(_, value, change)| (*value, *change)));
        add_up(&mut self.kept);
        self.kept.retain(|row| row.1 > 0);
    }
}

/// Calls `change` with the difference of each row of two lists that are ordered by value.
fn differences<V: Ord + Copy>(old: &[(V, i32)], new: &[(V, i32)], mut change: impl FnMut(V, i32)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(gone), Some(come)) if gone.0 == come.0 => {
                if gone.1 != come.1 {
                    change(gone.0, come.1 - gone.1);
                }
                old.next();
                new.next();
            }
            (Some(gone), come) if come.is_none_or(|come| gone.0 < come.0) => {
                change(gone.0, -gone.1);
                old.next();
            }
            (_, Some(come)) => {
                change(come.0, come.1);
                new.next();
            }
            (_, None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::mpsc;

    use differential_dataflow::input::InputSession;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use timely::dataflow::operators::Inspect;
    use timely::dataflow::operators::probe::Probe;

    use super::*;
    use crate::trace::arranged::by_key;
    use crate::trace::handle;
    use crate::workers;

    const SIZE: usize = 4;
    const SLACK: usize = 2;
    const KEYS: u64 = 3;

    /// The weights of (key, value) pairs.
    type Weights = BTreeMap<(u64, u64), i32>;
    /// A change of a pair's weight, and its tick.
    type Change = ((u64, u64), Time, i32);
    /// A pair, and how its weight changes.
    type Wish = ((u64, u64), usize);

    fn add(weights: &mut Weights, pair: (u64, u64), change: i32) {
        *weights.entry(pair).or_default() += change;
        weights.retain(|_, weight| *weight != 0);
    }

    /// The changes of weights at each tick: rows grow, shrink, end, and are often equal.
    fn given(wishes: &[Vec<Wish>]) -> Vec<Change> {
        let (mut weights, mut given) = (Weights::new(), Vec::new());
        for (tick, wishes) in (0..).zip(wishes) {
            for &(pair, wish) in wishes {
                let weight = weights.get(&pair).copied().unwrap_or(0);
                let change = [1, 2, 5, -weight, -weight / 2][wish];
                add(&mut weights, pair, change);
                given.push((pair, tick, change));
            }
        }
        given
    }

    /// The changes of the kept rows. `at_once` ticks come in one batch.
    fn kept(given: Vec<Change>, ticks: Time, at_once: Time) -> Vec<Change> {
        let workers = timely::execute(workers::config(1, 1000), move |worker| {
            let (given_out, seen) = mpsc::channel();
            let mut input = InputSession::new();
            let ((mut weights, mut kept), probe) = worker.dataflow::<Time, _, _>(|scope| {
                let weights = by_key(input.to_collection(scope), "Weights", |key: &u64| *key);
                let kept = heaviest(weights.clone(), SIZE, SLACK, "Heaviest");
                let changes = kept.clone().as_collection(|key, value| (*key, *value)).inner;
                let probe = changes.inspect(move |change| given_out.send(*change).unwrap()).probe().0;
                ((weights.trace, kept.trace), probe)
            });
            for tick in 0..ticks {
                given.iter().filter(|change| change.1 == tick).for_each(|(pair, _, by)| input.update(*pair, *by));
                input.advance_to(tick + 1);
                if (tick + 1) % at_once == 0 || tick + 1 == ticks {
                    input.flush();
                    worker.step_while(|| probe.less_than(&(tick + 1)));
                    let upper = Antichain::from_elem(tick + 1);
                    handle::compact(&mut weights, &upper, &upper);
                    handle::compact(&mut kept, &upper, &upper);
                }
            }
            seen.try_iter().collect::<Vec<Change>>()
        });
        workers.unwrap().join().pop().unwrap().unwrap()
    }

    fn rows(weights: &Weights, key: u64) -> Vec<(u64, i32)> {
        let rows = weights.range((key, 0)..(key + 1, 0)).map(|((_, value), weight)| (*value, *weight));
        let mut rows: Vec<(u64, i32)> = rows.collect();
        rows.sort_by_key(rank);
        rows
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn at_every_tick_the_kept_rows_are_the_first_by_weight_and_at_least_as_many_as_asked_for(
            wishes in vec(vec(((0..KEYS, 0..12u64), 0..5usize), 0..9), 1..60),
            at_once in 1..9u64,
        ) {
            let given = given(&wishes);
            let changes = kept(given.clone(), wishes.len() as u64, at_once);
            let (mut all, mut kept) = (Weights::new(), Weights::new());
            for tick in 0..wishes.len() as u64 {
                given.iter().filter(|change| change.1 == tick).for_each(|(pair, _, by)| add(&mut all, *pair, *by));
                changes.iter().filter(|change| change.1 == tick).for_each(|(pair, _, by)| add(&mut kept, *pair, *by));
                for key in 0..KEYS {
                    let (all, kept) = (rows(&all, key), rows(&kept, key));
                    prop_assert!((all.len().min(SIZE)..=SIZE + SLACK).contains(&kept.len()), "tick {}: {:?}", tick, kept);
                    prop_assert_eq!(&kept[..], &all[..kept.len()], "tick {}", tick);
                }
            }
        }
    }
}
