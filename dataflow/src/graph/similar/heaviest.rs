//! The heaviest rows of every key: a part of an arrangement whose differences are weights, in the same form.
//!
//! ```text
//! (a -> b, weight) ──▶ heaviest ──▶ (a -> b, weight): the first `size` rows of a by weight, and up to `slack` more
//!    source trace        │ ▲ output trace: the rows before the tick
//! ```
//! The kept rows of a key are the first ones by weight: each row that is not kept ranks behind all that are. So a row
//! that is not kept and does not grow cannot enter, and a tick looks up only the rows that grew. Only if fewer than
//! `size` rows are left of a key that has more are all its rows read again; the slack makes this rare.

use std::cmp::Reverse;

use differential_dataflow::ExchangeData;
use differential_dataflow::operators::reduce::{ReduceTactic, reduce_with_tactic};
use differential_dataflow::trace::cursor::{Cursor, Navigable, cursor_list};
use differential_dataflow::trace::{BatchReader, Builder, Description};
use timely::progress::Antichain;

use crate::ops::runs::add_up;
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
        let mut old: Rows<V> = Vec::new();
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
                old.clone_from(&state.kept);
                state.apply(&arrived[..start], tick);
                differences(&old, &state.kept, |value, change| changes.push(((key, value), tick[0].0, change)));
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
    /// The kept rows, ordered by value.
    kept: Rows<V>,
    grown: Rows<V>,
}

impl<K: ExchangeData + Copy, V: ExchangeData + Copy> State<K, V> {
    fn new(source: Vec<Batch<K, V>>, output: Vec<Batch<K, V>>, size: usize, most: usize) -> Self {
        let open = |batches: Vec<Batch<K, V>>| -> Vec<_> {
            let batches = batches.into_iter().filter(|batch| !batch.is_empty());
            batches.map(|batch| (batch.cursor(), batch)).collect()
        };
        let (source, output) = (open(source), open(output));
        State { source, output, size, most, key: None, kept: Vec::new(), grown: Vec::new() }
    }

    /// Reads the kept rows of `key` as they were before the tick.
    fn seek(&mut self, key: K) {
        self.key = Some(key);
        self.kept.clear();
        for (cursor, batch) in &mut self.output {
            cursor.seek_key(batch, &key);
            if cursor.get_key(batch) == Some(&key) {
                take_rows(cursor, batch, &mut self.kept);
            }
        }
        add_up(&mut self.kept);
    }

    /// Applies the changes of one tick, ordered by value; `earlier` are the changes of earlier ticks of the same batch.
    fn apply(&mut self, earlier: &[(Time, V, i32)], tick: &[(Time, V, i32)]) {
        // With fewer rows than asked for, all rows of the key are kept.
        let last = self.kept.iter().map(rank).max().filter(|_| self.kept.len() >= self.size);
        self.grown.clear();
        for &(_, value, change) in tick {
            match self.kept.binary_search_by_key(&value, |row| row.0) {
                Ok(place) => self.kept[place].1 += change,
                Err(_) if last.is_none() => self.grown.push((value, change)),
                Err(_) if change > 0 => {
                    let weight = change + self.weight_before(earlier, value);
                    self.grown.push((value, weight));
                }
                Err(_) => {}
            }
        }
        self.kept.append(&mut self.grown);
        // Rows that are not kept rank behind the last row as it was, but nothing is known beyond that.
        self.kept.retain(|row| row.1 > 0 && last.is_none_or(|last| rank(row) <= last));
        if last.is_some() && self.kept.len() < self.size {
            self.read_all(earlier, tick);
        }
        if self.kept.len() > self.most {
            self.kept.select_nth_unstable_by_key(self.most - 1, rank);
            self.kept.truncate(self.most);
        }
        self.kept.sort_unstable_by_key(|row| row.0);
    }

    /// The weight of a row that is not kept, before the tick.
    fn weight_before(&mut self, earlier: &[(Time, V, i32)], value: V) -> i32 {
        let key = self.key.as_ref();
        let mut weight: i32 = earlier.iter().filter(|(_, other, _)| *other == value).map(|(_, _, change)| change).sum();
        for (cursor, batch) in &mut self.source {
            if let Some(key) = key {
                cursor.seek_key(batch, key);
            }
            if cursor.get_key(batch) == key {
                // Rows are looked up in ascending order within a tick, but from the first one again at the next tick.
                if cursor.get_val(batch).is_none_or(|at| *at > value) {
                    cursor.rewind_vals(batch);
                }
                cursor.seek_val(batch, &value);
                if cursor.get_val(batch) == Some(&value) {
                    cursor.map_times(batch, |_, change| weight += *change);
                }
            }
        }
        weight
    }

    /// Reads all rows of the key.
    fn read_all(&mut self, earlier: &[(Time, V, i32)], tick: &[(Time, V, i32)]) {
        let key = self.key.as_ref();
        self.kept.clear();
        for (cursor, batch) in &mut self.source {
            if let Some(key) = key {
                cursor.seek_key(batch, key);
            }
            if cursor.get_key(batch) == key {
                cursor.rewind_vals(batch);
                take_rows(cursor, batch, &mut self.kept);
                cursor.rewind_vals(batch);
            }
        }
        self.kept.extend(earlier.iter().chain(tick).map(|(_, value, change)| (*value, *change)));
        add_up(&mut self.kept);
        self.kept.retain(|row| row.1 > 0);
    }
}

/// Adds the rows of the cursor's key.
fn take_rows<K, V>(cursor: &mut BatchCursor<K, V>, batch: &Batch<K, V>, rows: &mut Rows<V>)
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
{
    while let Some(value) = cursor.get_val(batch) {
        let mut weight = 0;
        cursor.map_times(batch, |_, change| weight += *change);
        rows.push((*value, weight));
        cursor.step_val(batch);
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
