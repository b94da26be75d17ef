//! [`SortedSession`]: the input of one table, which gives its rows in sorted runs.
//!
//! ```text
//! update, update, … ─▶ a run of up to RUN_MAX rows ─▶ sorted, equal rows combined ─▶ InputSession ─▶ the graph
//! ```
//! An arrangement sorts its updates in pieces of a few hundred and then merges the pieces, each update once for each doubling.
//! Runs that are sorted already pass all of that unchanged: one sort of the run costs less than half of the merges. A row that
//! changes several times in a run becomes one update.

use differential_dataflow::VecCollection;
use differential_dataflow::difference::{IsZero as _, Semigroup as _};
use differential_dataflow::input::InputSession;
use timely::dataflow::Scope;

use crate::tables::{Pair, Table};
use crate::time::Time;

/// Rows that are sorted together, at most: a few MiB.
const RUN_MAX: usize = 1 << 16;

/// The input of one table.
pub(super) struct SortedSession<T: Table> {
    session: InputSession<Time, Pair<T>, T::Diff>,
    run: Vec<(Pair<T>, T::Diff)>,
}

impl<T: Table> SortedSession<T> {
    pub(super) fn new() -> Self {
        SortedSession { session: InputSession::new(), run: Vec::new() }
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
        self.session.advance_to(tick);
    }

    /// Hands all updates to the operators.
    pub(super) fn flush(&mut self) {
        self.end_run();
        self.session.flush();
    }

    fn end_run(&mut self) {
        self.run.sort_unstable_by_key(|(row, _)| *row);
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
