//! The newest products of every user: a ranked list maintained from stamps, without a second arrangement of them.
//!
//! ```text
//! (user -> product, Stamp) ──▶ newest ──▶ (user -> Viewed), at most k a user
//!        source trace           │  ▲ output trace: the list before the tick
//! ```
//! A stamp only grows. So if no listed product is hidden, the new list is the best k of the old list and the changes of
//! the tick, and the cost does not depend on how many products the user ever viewed. Only if a removal takes a product
//! out of a full list is the user's whole history read again, to find the product after the k-th.

use differential_dataflow::difference::Semigroup;
use differential_dataflow::operators::reduce::{ReduceTactic, reduce_with_tactic};
use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, Navigable, cursor_list};
use timely::progress::Antichain;

use super::Viewed;
use crate::ids::{ProductKey, UserKey};
use crate::ops::list::ListChanges;
use crate::stamp::Stamp;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ValBatch};

type StampBatch = ValBatch<UserKey, ProductKey, Stamp>;
type ListBatch = ValBatch<UserKey, Viewed, Diff>;
type StampCursor = <StampBatch as Navigable>::Cursor;
type ListCursor = <ListBatch as Navigable>::Cursor;

/// The `size` newest visible products of every user.
pub(super) fn newest<'s>(
    stamps: ByKey<'s, UserKey, ProductKey, Stamp>,
    size: usize,
    name: &str,
) -> ByKey<'s, UserKey, Viewed, Diff> {
    reduce_with_tactic(stamps, name, Newest { size })
}

struct Newest {
    size: usize,
}

impl ReduceTactic<StampBatch, ListBatch> for Newest {
    fn retire(
        &mut self,
        source: Vec<StampBatch>,
        output: Vec<ListBatch>,
        input: Vec<StampBatch>,
        lower: &Antichain<Time>,
        upper: &Antichain<Time>,
        held: &Antichain<Time>,
    ) -> (Vec<(Time, ListBatch)>, Antichain<Time>) {
        let Some(time) = held.as_option().filter(|_| input.iter().any(|batch| !batch.is_empty())) else {
            return (Vec::new(), Antichain::new());
        };
        let mut changes = ListChanges::new();
        let mut state = NewestState::new(source, output, self.size);
        let mut arrived: Vec<(Time, ProductKey, Stamp)> = Vec::new();
        let (mut cursor, storage) = cursor_list(input);
        while let Some(user) = cursor.get_key(&storage) {
            arrived.clear();
            while let Some(product) = cursor.get_val(&storage) {
                cursor.map_times(&storage, |at, stamp| arrived.push((*at, *product, *stamp)));
                cursor.step_val(&storage);
            }
            arrived.sort_unstable_by_key(|(at, ..)| *at);
            state.seek(user);
            for end in tick_ends(&arrived) {
                let tick = arrived[end - 1].0;
                let start = arrived[..end].partition_point(|(at, ..)| *at < tick);
                let old = state.list.clone();
                state.apply(&arrived[..end], start);
                changes.replace(user, &old, &state.list, tick);
            }
            changes.end_key();
            cursor.step_key(&storage);
        }
        (vec![(*time, changes.done(lower, upper))], Antichain::new())
    }
}

/// The end of each run of equal ticks.
fn tick_ends(arrived: &[(Time, ProductKey, Stamp)]) -> impl Iterator<Item = usize> {
    (1..=arrived.len()).filter(|&end| end == arrived.len() || arrived[end].0 != arrived[end - 1].0)
}

/// One user's list, and the batches from which it is read. Users come in ascending order, so cursors only move forward.
struct NewestState {
    source: Vec<(StampCursor, StampBatch)>,
    output: Vec<(ListCursor, ListBatch)>,
    size: usize,
    user: UserKey,
    /// The user's list, best first.
    list: Vec<Viewed>,
}

impl NewestState {
    fn new(source: Vec<StampBatch>, output: Vec<ListBatch>, size: usize) -> Self {
        NewestState {
            source: source.into_iter().map(|batch| (batch.cursor(), batch)).collect(),
            output: output.into_iter().map(|batch| (batch.cursor(), batch)).collect(),
            size,
            user: UserKey::default(),
            list: Vec::new(),
        }
    }

    /// Reads the list of `user` as it was before the tick.
    fn seek(&mut self, user: &UserKey) {
        self.user = *user;
        let mut rows: Vec<(Viewed, Diff)> = Vec::new();
        for (cursor, batch) in &mut self.output {
            cursor.seek_key(batch, user);
            if cursor.get_key(batch) != Some(user) {
                continue;
            }
            while let Some(viewed) = cursor.get_val(batch) {
                cursor.map_times(batch, |_, diff| rows.push((*viewed, *diff)));
                cursor.step_val(batch);
            }
        }
        differential_dataflow::consolidation::consolidate(&mut rows);
        self.list.clear();
        self.list.extend(rows.into_iter().filter(|(_, copies)| *copies > 0).map(|(viewed, _)| viewed));
    }

    /// Applies the stamps from `start` on to the list; earlier stamps were applied at earlier ticks of this batch.
    fn apply(&mut self, arrived: &[(Time, ProductKey, Stamp)], start: usize) {
        // A stamp that does not rank above the last row of a full list cannot enter it or move in it, unless a removal
        // makes room.
        let mut bar = self.list.get(self.size.wrapping_sub(1)).copied();
        let mut hidden = false;
        for &(_, product, stamp) in &arrived[start..] {
            let viewed = stamp.viewed_at().map(|at| Viewed::new(at, product));
            if bar.zip(viewed).is_some_and(|(bar, viewed)| viewed >= bar) {
                continue;
            }
            let listed = self.list.iter().position(|viewed| viewed.product == product);
            match (listed, viewed) {
                (Some(place), Some(viewed)) if viewed < self.list[place] => self.list[place] = viewed,
                (Some(place), None) if stamp > Stamp::view(self.list[place].at()) => {
                    self.list.remove(place);
                    hidden = true;
                }
                (None, Some(viewed)) => {
                    let mut latest = stamp;
                    self.stamp_before(product, &mut latest, &arrived[..start]);
                    if latest == stamp {
                        self.list.push(viewed);
                    }
                }
                _ => {}
            }
            // A tick may bring a million products of one user, for example at a restart; the list must not grow with
            // them.
            if self.list.len() > 2 * self.size {
                self.keep_best();
                bar = self.list.last().copied();
            }
        }
        if bar.is_some() && hidden {
            self.read_all(arrived);
        }
        self.keep_best();
    }

    fn keep_best(&mut self) {
        self.list.sort_unstable();
        self.list.truncate(self.size);
    }

    /// Adds to `latest` the stamps of a product before this tick.
    fn stamp_before(&mut self, product: ProductKey, latest: &mut Stamp, earlier: &[(Time, ProductKey, Stamp)]) {
        for (cursor, batch) in &mut self.source {
            cursor.seek_key(batch, &self.user);
            if cursor.get_key(batch) != Some(&self.user) {
                continue;
            }
            // Within one user, products are searched in any order, so each search starts at the user's first product.
            cursor.rewind_vals(batch);
            cursor.seek_val(batch, &product);
            if cursor.get_val(batch) == Some(&product) {
                cursor.map_times(batch, |_, stamp| latest.plus_equals(stamp));
            }
        }
        for (_, _, stamp) in earlier.iter().filter(|(_, other, _)| *other == product) {
            latest.plus_equals(stamp);
        }
    }

    /// Reads the user's whole history: a product from below the list must move up.
    fn read_all(&mut self, arrived: &[(Time, ProductKey, Stamp)]) {
        let mut stamps: Vec<(ProductKey, Stamp)> =
            arrived.iter().map(|(_, product, stamp)| (*product, *stamp)).collect();
        for (cursor, batch) in &mut self.source {
            cursor.seek_key(batch, &self.user);
            if cursor.get_key(batch) != Some(&self.user) {
                continue;
            }
            cursor.rewind_vals(batch);
            while let Some(product) = cursor.get_val(batch) {
                cursor.map_times(batch, |_, stamp| stamps.push((*product, *stamp)));
                cursor.step_val(batch);
            }
        }
        differential_dataflow::consolidation::consolidate(&mut stamps);
        let visible = |(product, stamp): (ProductKey, Stamp)| stamp.viewed_at().map(|at| Viewed::new(at, product));
        self.list.clear();
        self.list.extend(stamps.into_iter().filter_map(visible));
        if self.list.len() > self.size {
            self.list.select_nth_unstable(self.size);
            self.list.truncate(self.size);
        }
    }
}
