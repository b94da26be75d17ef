//! The first k rows of every key, in the rows' own order, found by walking the trace.
//!
//! The rows are arranged in the order of the list, so the list is the first k present rows. A tick can only change the
//! first k + r rows that were present before it, where r is the number of its retractions: the cost does not depend on
//! the number of rows of a key.

use differential_dataflow::ExchangeData;
use differential_dataflow::consolidation::consolidate;
use differential_dataflow::operators::reduce::{ReduceTactic, reduce_with_tactic};
use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, cursor_list};
use timely::progress::Antichain;

use super::list::ListChanges;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ValBatch};

/// The first `size` rows of every key.
pub fn first<'s, K, V>(rows: ByKey<'s, K, V, Diff>, size: usize, name: &str) -> ByKey<'s, K, V, Diff>
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
{
    reduce_with_tactic(rows, name, First { size })
}

struct First {
    size: usize,
}

impl<K, V> ReduceTactic<ValBatch<K, V, Diff>, ValBatch<K, V, Diff>> for First
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
{
    fn retire(
        &mut self,
        source: Vec<ValBatch<K, V, Diff>>,
        _output: Vec<ValBatch<K, V, Diff>>,
        input: Vec<ValBatch<K, V, Diff>>,
        lower: &Antichain<Time>,
        upper: &Antichain<Time>,
        held: &Antichain<Time>,
    ) -> (Vec<(Time, ValBatch<K, V, Diff>)>, Antichain<Time>) {
        let Some(time) = held.as_option().filter(|_| input.iter().any(|batch| !batch.is_empty())) else {
            return (Vec::new(), Antichain::new());
        };
        let mut changes = ListChanges::new();
        // Rows before the tick, and the new updates, by time.
        let mut before: Vec<(V, Diff)> = Vec::new();
        let mut arrived: Vec<(Time, V, Diff)> = Vec::new();
        let (mut source_cursor, source) = cursor_list(source);
        let (mut cursor, storage) = cursor_list(input);
        while let Some(key) = cursor.get_key(&storage) {
            arrived.clear();
            while let Some(value) = cursor.get_val(&storage) {
                cursor.map_times(&storage, |at, diff| arrived.push((*at, *value, *diff)));
                cursor.step_val(&storage);
            }
            arrived.sort_unstable_by_key(|(at, ..)| *at);
            let retracted = arrived.iter().filter(|(_, _, diff)| *diff < 0).count();
            before.clear();
            source_cursor.seek_key(&source, key);
            if source_cursor.get_key(&source) == Some(key) {
                while let Some(value) = source_cursor.get_val(&source).filter(|_| before.len() < self.size + retracted)
                {
                    let mut copies: Diff = 0;
                    source_cursor.map_times(&source, |_, diff| copies += diff);
                    if copies > 0 {
                        before.push((*value, copies));
                    }
                    source_cursor.step_val(&source);
                }
            }
            let mut old = head(&before, self.size);
            for tick in arrived.chunk_by(|a, b| a.0 == b.0) {
                before.extend(tick.iter().map(|(_, value, diff)| (*value, *diff)));
                consolidate(&mut before);
                let new = head(&before, self.size);
                changes.replace(key, &old, &new, tick[0].0);
                old = new;
            }
            changes.end_key();
            cursor.step_key(&storage);
        }
        (vec![(*time, changes.done(lower, upper))], Antichain::new())
    }
}

/// The first `size` present values.
fn head<V: Copy>(rows: &[(V, Diff)], size: usize) -> Vec<V> {
    rows.iter().filter(|(_, copies)| *copies > 0).take(size).map(|(value, _)| *value).collect()
}
