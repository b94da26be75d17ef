//! [`Keep`]: the rules by which an arrangement forgets rows that can no longer matter, whenever it merges batches.

use std::cmp::Ordering;

use crate::time::{Millis, Time};

/// What an arrangement forgets.
pub struct Keep<V, R> {
    /// Of each key, which rows are kept; all of them without this rule.
    pub(in crate::trace) first: Option<KeepFirst<V, R>>,
    /// Whether a row with this difference is as good as none. Such a row is dropped by a merge with the oldest batch: earlier
    /// updates of the row would otherwise come back.
    pub(in crate::trace) is_void: Option<fn(&R) -> bool>,
}

impl<V, R> Clone for Keep<V, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, R> Copy for Keep<V, R> {}

impl<V, R> Default for Keep<V, R> {
    fn default() -> Self {
        Keep { first: None, is_void: None }
    }
}

/// Of each key, only the first rows in an order are kept.
///
/// Only updates at times that can no longer be told apart decide, and only they are dropped. A reader that looks at the
/// first `rows` rows of a key sees no difference, if an update never moves a row down in the order: then a row behind
/// `rows` others stays behind them until it has a new update of its own. A difference that combines by maximum, in an
/// order that begins with the largest, has this property; a count has not.
///
/// If a row is dropped by a merge that has not all of its updates, the others stay. An order in which a row is lower without
/// some of its updates takes that well; any other order needs [`KeepFirst::with_whole_rows`].
///
/// A row may also have an end: from this time on readers do not count it, and an update never moves it back. So a row can be
/// dropped once no reader can tell times before its end. As with rows that are as good as none, a merge with the oldest batch
/// does this, so that no earlier update of the row is left: a view must not outlive its removal.
pub struct KeepFirst<V, R> {
    rows: usize,
    order: RowOrder<V, R>,
    whole_rows: bool,
    /// The end of a row, from its difference and a number of milliseconds; none if rows have no end.
    end: Option<(RowEnd<R>, Millis)>,
}

/// The time from which on a row with this difference counts no more.
pub type RowEnd<R> = fn(&R, Millis) -> Time;

/// Compares two rows of a key: values with their differences.
pub type RowOrder<V, R> = fn((&V, &R), (&V, &R)) -> Ordering;

impl<V, R> Clone for KeepFirst<V, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, R> Copy for KeepFirst<V, R> {}

impl<V, R> KeepFirst<V, R> {
    /// Keeps the first `rows` rows of each key, at least one.
    #[must_use]
    pub fn new(rows: usize, order: RowOrder<V, R>) -> Self {
        KeepFirst { rows: rows.max(1), order, whole_rows: false, end: None }
    }

    /// Drops rows only in merges with the oldest batch, which have all earlier updates of a row.
    #[must_use]
    pub fn with_whole_rows(self) -> Self {
        KeepFirst { whole_rows: true, ..self }
    }

    /// Keeps rows until their end; an end after `Millis::MAX` milliseconds is none.
    #[must_use]
    pub fn until(self, end: RowEnd<R>, ms: Millis) -> Self {
        KeepFirst { end: (ms < Millis::MAX).then_some((end, ms)), ..self }
    }

    /// Whether a merge drops rows; `is_oldest` says whether no batch is older.
    pub(super) fn applies(&self, is_oldest: bool) -> bool {
        is_oldest || !self.whole_rows
    }

    /// Whether a row with this difference has ended at a time.
    pub(super) fn has_ended(&self, diff: &R, now: Time) -> bool {
        self.end.is_some_and(|(end, ms)| end(diff, ms) <= now)
    }

    /// Whether rows have an end.
    pub(super) fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// The number of rows of a key that are never dropped.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Compares two rows.
    pub(super) fn order(&self, one: (&V, &R), other: (&V, &R)) -> Ordering {
        (self.order)(one, other)
    }

    /// Moves the places of the rows to keep to the beginning, and returns the others; there must be more than are kept.
    /// `order` compares the rows in two places.
    pub(super) fn others<'p>(
        &self,
        places: &'p mut [usize],
        order: impl FnMut(&usize, &usize) -> Ordering,
    ) -> &'p mut [usize] {
        places.select_nth_unstable_by(self.rows - 1, order).2
    }
}

#[cfg(test)]
mod tests;
