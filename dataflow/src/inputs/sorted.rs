//! [`SortedSession`]: the input of one table, which gives its rows in sorted runs.
//!
//! ```text
//! update, update, … ─▶ a run of up to RUN_MAX rows ─▶ sorted, equal rows combined ─▶ InputSession ─▶ the graph
//! ```
//! An arrangement sorts its updates in pieces of a few hundred and then merges the pieces, each update once for each doubling.
//! Runs that are sorted already pass all of that unchanged: one sort of the run costs less than half of the merges. A row that
//! changes several times in a run becomes one update.
//!
//! Rows may have times of their own within the open tick. A run with several times is sorted by rows, and those of a row by time.
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
    times: RunTimes,
    /// The rows of a run with several times, and room for them while they are distributed.
    timed: [Vec<Timed<T>>; 2],
}

/// An update at a time of its own.
type Timed<T> = (Pair<T>, Time, <T as Table>::Diff);

/// The times of the rows of a run, in the order in which they were given.
#[derive(Default)]
struct RunTimes {
    first: Time,
    last: Time,
    /// Where the rows of each later time begin.
    later: Vec<(usize, Time)>,
}

impl RunTimes {
    /// The row with this number, and those after it, have this time.
    #[inline]
    fn note(&mut self, nth: usize, time: Time) {
        if time != self.last {
            self.last = time;
            if nth == 0 {
                self.first = time;
            } else {
                self.later.push((nth, time));
            }
        }
    }

    /// Begins the next run.
    fn restart(&mut self) {
        self.later.clear();
        self.first = self.last;
    }
}

impl<T: Table> SortedSession<T> {
    pub(super) fn new() -> Self {
        SortedSession {
            session: InputSession::new(),
            run: Vec::new(),
            spare: Vec::new(),
            has_long_run: false,
            times: RunTimes::default(),
            timed: Default::default(),
        }
    }

    pub(super) fn collection<'s>(&mut self, scope: Scope<'s, Time>) -> VecCollection<'s, Time, Pair<T>, T::Diff> {
        self.session.to_collection(scope)
    }

    /// Adds a difference to a row, at a time in the open tick that is not before that of the row given before.
    pub(super) fn update(&mut self, row: Pair<T>, time: Time, diff: T::Diff) {
        self.times.note(self.run.len(), time);
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
            self.timed = Default::default();
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
        if self.times.later.is_empty() {
            let time = self.times.first;
            sort(&mut self.run, &mut self.spare, |(row, _)| piece::<T>(row), |(row, _)| *row);
            let updates = self.run.drain(..).map(|(row, diff)| (row, time, diff));
            give::<T>(&mut self.session, updates);
        } else {
            let [timed, spare] = &mut self.timed;
            let (mut time, mut later) = (self.times.first, self.times.later.iter().peekable());
            timed.extend(self.run.drain(..).enumerate().map(|(nth, (row, diff))| {
                if let Some((_, next)) = later.next_if(|(from, _)| *from == nth) {
                    time = *next;
                }
                (row, time, diff)
            }));
            sort(timed, spare, |(row, ..)| piece::<T>(row), |(row, time, _)| (*row, *time));
            give::<T>(&mut self.session, timed.drain(..));
        }
        self.times.restart();
    }
}

/// Gives updates in their order. Those of one row at one time become one update.
fn give<T: Table>(session: &mut InputSession<Time, Pair<T>, T::Diff>, mut updates: impl Iterator<Item = Timed<T>>) {
    let Some(mut last) = updates.next() else { return };
    for update in updates {
        if T::COMBINES && (update.0, update.1) == (last.0, last.1) {
            last.2.plus_equals(&update.2);
            continue;
        }
        let (row, time, diff) = std::mem::replace(&mut last, update);
        if !diff.is_zero() {
            session.update_at(row, time, diff);
        }
    }
    if !last.2.is_zero() {
        session.update_at(last.0, last.1, last.2);
    }
}

/// The piece of a long run that a row is distributed to. Routes are hashes. Those of all tables with many rows are the first bits
/// of the keys, so that the pieces have the order of the keys; of other tables the pieces are sorted, and arrangements merge them.
fn piece<T: Table>(row: &Pair<T>) -> usize {
    (T::route(&row.0) >> 56) as usize % PIECES
}

/// Sorts the updates of a run by their rows. Updates of one row become adjacent.
fn sort<U: Copy, K: Ord>(run: &mut Vec<U>, spare: &mut Vec<U>, piece: impl Fn(&U) -> usize, key: impl Fn(&U) -> K) {
    if run.len() < DISTRIBUTED_MIN {
        run.sort_unstable_by_key(key);
        return;
    }
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
        run[start..end].sort_unstable_by_key(&key);
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
            sort(&mut run, &mut spare, |(row, _)| piece::<Stamps>(row), |(row, _)| *row);
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
                session.update((ids.user(&number.to_string()), ids.product("a")), tick - 1, Stamp::view(1));
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
