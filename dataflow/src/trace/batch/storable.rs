//! [`Storable`]: differences that batches store, each type in a column that suits it.

use std::ops::Range;

use differential_dataflow::difference::Semigroup;

use super::columns::Repeats;
use crate::time::Diff;

/// A difference that a batch can store.
pub trait Storable: Semigroup + Ord + 'static {
    /// The column in which a batch stores such differences.
    type Column: DiffColumn<Self>;
}

/// A column of differences as they are, for types of which nothing can be saved.
pub type PlainColumn<R> = Repeats<R>;

/// A column of differences.
pub trait DiffColumn<R>: Sized {
    /// An empty column with room for about this many differences.
    fn with_capacity(diffs: usize) -> Self;

    /// The number of differences.
    fn count(&self) -> usize;

    /// Calls `read` with a difference.
    fn with<T>(&self, place: usize, read: impl FnOnce(&R) -> T) -> T;

    /// Calls `take` with each difference of a range and the element beside it in `beside`, which has as many.
    fn zip<B>(&self, range: Range<usize>, beside: &[B], take: impl FnMut(&B, &R));

    /// Adds a difference.
    fn push(&mut self, diff: R);

    /// Adds a range of another column, which is not empty.
    fn extend(&mut self, from: &Self, range: Range<usize>);

    /// Drops all differences from `len` on.
    fn truncate(&mut self, len: usize);

    /// Frees the space that was reserved and not used.
    fn shrink_to_fit(&mut self);
}

impl<R: Clone + PartialEq> DiffColumn<R> for Repeats<R> {
    fn with_capacity(diffs: usize) -> Self {
        Repeats::with_capacity(diffs)
    }

    #[inline]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn with<T>(&self, place: usize, read: impl FnOnce(&R) -> T) -> T {
        read(self.get(place))
    }

    #[inline]
    fn zip<B>(&self, range: Range<usize>, beside: &[B], take: impl FnMut(&B, &R)) {
        self.zip(range, beside, take);
    }

    #[inline]
    fn push(&mut self, diff: R) {
        self.push(diff);
    }

    #[inline]
    fn extend(&mut self, from: &Self, range: Range<usize>) {
        self.extend(from, range, R::clone);
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    fn shrink_to_fit(&mut self) {
        self.shrink_to_fit();
    }
}

impl Storable for Diff {
    type Column = PlainColumn<Diff>;
}

impl Storable for i32 {
    type Column = PlainColumn<i32>;
}
