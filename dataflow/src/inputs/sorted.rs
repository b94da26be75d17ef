//! [`SortedSession`]: the input of one table, which gives its rows in sorted runs.
//!
//! ```text
//! update, update, … ─▶ a run of up to RUN_MAX rows ─▶ sorted, equal rows combined ─▶ InputSession ─▶ the graph
//! ```
//! An arrangement sorts its updates in pieces of a few hundred and then merges the pieces, each update once for each doubling.
//! Runs that are sorted already pass all of that unchanged: one sort of the run costs less than half of the merges. A row that
//! changes several times in a run becomes one update.
//!
//! Long runs are first distributed by the highest bits of their keys, which are hashes: each piece then fits into a
//! core's own cache while it is sorted.

use differential_dataflow::VecCollection;
use differential_dataflow::difference::{IsZero as _, Semigroup as _};
use differential_dataflow::input::InputSession;
use timely::dataflow::Scope;

use crate::tables::{Pair, Table};
use crate::time::Time;

/// Rows that are sorted together, at most: a few MiB.
const RUN_MAX: usize = 1 << 17;

/// Shorter runs are sorted as they are.
const DISTRIBUTED_MIN: usize = 1 << 12;

/// The pieces into which a long run is distributed.
const PIECES: usize = 256;

/// The input of one table.
pub(super) struct SortedSession<T: Table> {
    session: InputSession<Time, Pair<T>, T::Diff>,
    run: Vec<(Pair<T>, T::Diff)>,
    /// Room for a run that is distributed.
    spare: Vec<(Pair<T>, T::Diff)>,
    /// Whether the open tick has a run that was distributed.
    has_long_run: bool,
}

impl<T: Table> SortedSession<T> {
    pub(super) fn new() -> Self {
        SortedSession { session: InputSession::new(), run: Vec::new(), spare: Vec::new(), has_long_run: false }
    }

    pub(super) fn collection<'s>(&mut self, scope: Scope<'s, Time>) -> VecCollection<'s, Time, Pair<T>, T::Diff> {
        self.session.to_collection(scope)
    }

    /// Adds a difference to a row, in the open tick.
    pub(super) fn update(&mut self, row: Pair<T>, diff: T::Diff) {
        self.run.push((row, diff));
        if self.run.len() >= RUN_MAX {
            self.end_run();
        }
    }

    /// Closes the open tick and opens `tick`. The session must be flushed before the graph can see that.
    pub(super) fn advance_to(&mut self, tick: Time) {
        self.end_run();
        if !std::mem::take(&mut self.has_long_run) {
            // The room of a backfill is given back at its end: each of its ticks has long runs.
            self.spare = Vec::new();
            self.run.shrink_to(DISTRIBUTED_MIN);
        }
        self.session.advance_to(tick);
    }

    /// Hands all updates to the operators.
    pub(super) fn flush(&mut self) {
        self.end_run();
        self.session.flush();
    }

    fn end_run(&mut self) {
        self.has_long_run |= self.run.len() >= DISTRIBUTED_MIN;
        sort::<T>(&mut self.run, &mut self.spare);
        let mut rows = self.run.drain(..);
        let Some(mut last) = rows.next() else { return };
        for (row, diff) in rows {
            if T::COMBINES && row == last.0 {
                last.1.plus_equals(&diff);
                continue;
            }
            let (row, diff) = std::mem::replace(&mut last, (row, diff));
            if !diff.is_zero() {
                self.session.update(row, diff);
            }
        }
        if !last.1.is_zero() {
            self.session.update(last.0, last.1);
        }
    }
}

/// Sorts the updates of a run by their rows. Updates of one row become adjacent.
fn sort<T: Table>(run: &mut Vec<(Pair<T>, T::Diff)>, spare: &mut Vec<(Pair<T>, T::Diff)>) {
    if run.len() < DISTRIBUTED_MIN {
        run.sort_unstable_by_key(|(row, _)| *row);
        return;
    }
    // Routes are hashes. Those of all tables with many rows are the first bits of the keys, so that the pieces have the order
    // of the keys; of other tables the pieces are sorted, and arrangements merge them.
    let piece = |update: &(Pair<T>, T::Diff)| (T::route(&update.0.0) >> 56) as usize % PIECES;
    let (mut counts, mut total) = ([0; PIECES], 0);
    run.iter().for_each(|update| counts[piece(update)] += 1);
    // Where the next update of each piece goes; at last, where each piece ends.
    let mut ends = counts.map(|count| {
        total += count;
        total - count
    });
    spare.clone_from(run);
    for update in &*run {
        let place = &mut ends[piece(update)];
        spare[*place] = *update;
        *place += 1;
    }
    std::mem::swap(run, spare);
    let mut start = 0;
    for end in ends {
        run[start..end].sort_unstable_by_key(|(row, _)| *row);
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;
    use crate::stamp::Stamp;
    use crate::tables::Stamps;

    #[test]
    fn runs_of_all_lengths_are_sorted_and_complete() {
        let ids = Ids::new([3; 16]);
        for length in [0, 1, DISTRIBUTED_MIN - 1, DISTRIBUTED_MIN, DISTRIBUTED_MIN + 1, 40_000] {
            // Some rows come several times.
            let row =
                |number: usize| (ids.user(&(number % 30_000).to_string()), ids.product(&(number % 7).to_string()));
            let mut run: Vec<_> = (0..length).map(|number| (row(number), Stamp::view(number as u64))).collect();
            let mut expected = run.clone();
            let (mut spare, order) = (Vec::new(), |update: &((_, _), Stamp)| (update.0, update.1.event_at()));
            sort::<Stamps>(&mut run, &mut spare);
            assert!(run.is_sorted_by_key(|(row, _)| *row), "{length}");
            run.sort_by_key(order);
            expected.sort_by_key(order);
            assert_eq!(run, expected);
        }
    }

    #[test]
    fn the_room_for_long_runs_is_given_back_after_a_tick_without_one() {
        let ids = Ids::new([3; 16]);
        let mut session = SortedSession::<Stamps>::new();
        let mut give = |rows: usize, tick: Time| {
            for number in 0..rows {
                session.update((ids.user(&number.to_string()), ids.product("a")), Stamp::view(1));
            }
            session.advance_to(tick);
            [session.run.capacity(), session.spare.capacity()]
        };
        assert!(give(RUN_MAX + 7, 1).iter().all(|room| *room >= RUN_MAX), "the next tick may be long, too");
        assert!(give(DISTRIBUTED_MIN, 2).iter().all(|room| *room >= RUN_MAX));
        let [run, spare] = give(DISTRIBUTED_MIN - 1, 3);
        assert!(run <= DISTRIBUTED_MIN && spare == 0, "{run} and {spare}");
    }
}
