//! [`ValBatch`]: an immutable batch of (key, value) updates that any thread may read, in few bytes.
//!
//! ```text
//! keys     k0        k1            sorted
//! values   v0 v1     v2            sorted within a key; where each key's values end is stored only if a key has several
//! updates  t,d t,d   t,d t,d       where each value's updates end is stored only if a value has several
//! ```
//! A spine compacts times: all updates of an old batch have the time up to which it is compacted, and in most tables the
//! difference of every row is 1. A column whose values are all equal is stored as one value (`columns.rs`), and differences of
//! several numbers are packed (`packed.rs`). An
//! arrangement without values has the value `()`, which takes no space. Batches are made by a [`builder`] from ordered
//! updates and by a [`merger`] from two batches, and read through a [`cursor`], or a key at a time (`lookup.rs`); many keys at
//! once are found by `find.rs`.

mod assembly;
pub mod builder;
mod columns;
pub mod cursor;
pub(crate) mod find;
pub mod keep;
mod lookup;
pub mod merger;
pub mod packed;
pub mod storable;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use differential_dataflow::trace::cursor::Navigable;
use differential_dataflow::trace::{Batch, BatchReader, Description};
use timely::progress::Antichain;

use self::columns::{Ends, Repeats};
use self::cursor::ValCursor;
use self::keep::Keep;
use self::merger::ValMerger;
use self::storable::{DiffColumn as _, Storable};
use crate::time::Time;

/// A batch of updates of `(K, V)` with the difference `R`. A clone shares the updates, also with other threads.
pub struct ValBatch<K, V, R: Storable>(Arc<Contents<K, V, R>>);

/// The updates of a batch. A key has at least one value, and a value at least one update.
struct Contents<K, V, R: Storable> {
    keys: Vec<K>,
    /// Where the values of each key end.
    key_ends: Ends,
    values: Vec<V>,
    /// Where the updates of each value end.
    value_ends: Ends,
    times: Repeats<Time>,
    diffs: R::Column,
    description: Description<Time>,
    /// The rules by which merging forgets rows.
    keep: Keep<V, R>,
    /// Whether there may be rows that are as good as none.
    has_void: bool,
}

impl<K, V, R: Storable> Clone for ValBatch<K, V, R> {
    fn clone(&self) -> Self {
        ValBatch(Arc::clone(&self.0))
    }
}

impl<K, V, R: Storable> ValBatch<K, V, R> {
    /// The same batch, to be merged by the rules `keep`; `has_void` says whether some of its rows may be as good as none. It
    /// must not be shared yet.
    pub(super) fn keeping(mut self, keep: Keep<V, R>, has_void: bool) -> Self {
        let contents = Arc::get_mut(&mut self.0).expect("a batch that was just made is not shared");
        (contents.keep, contents.has_void) = (keep, has_void);
        self
    }
}

impl<K, V, R: Storable> Contents<K, V, R> {
    /// No updates yet, with space for this many keys, values and updates.
    fn with_capacity(keys: usize, values: usize, updates: usize, description: Description<Time>) -> Self {
        Contents {
            keys: Vec::with_capacity(keys),
            key_ends: Ends::with_capacity(keys),
            values: Vec::with_capacity(values),
            value_ends: Ends::with_capacity(values),
            times: Repeats::with_capacity(updates),
            diffs: R::Column::with_capacity(updates),
            description,
            keep: Keep::default(),
            has_void: false,
        }
    }

    /// The batch, without the space that was reserved and not used.
    fn into_batch(mut self) -> ValBatch<K, V, R> {
        self.keys.shrink_to_fit();
        self.key_ends.shrink_to_fit();
        self.values.shrink_to_fit();
        self.value_ends.shrink_to_fit();
        self.times.shrink_to_fit();
        self.diffs.shrink_to_fit();
        ValBatch(Arc::new(self))
    }

    /// The places of a key's values.
    #[inline]
    fn values_of(&self, key: usize) -> Range<usize> {
        self.key_ends.list(key)
    }

    /// The places of the updates of these values.
    #[inline]
    fn updates_of(&self, values: Range<usize>) -> Range<usize> {
        self.value_ends.start(values.start)..self.value_ends.start(values.end)
    }
}

impl<K, V, R: Storable> BatchReader for ValBatch<K, V, R> {
    type Time = Time;

    fn len(&self) -> usize {
        self.0.diffs.count()
    }

    fn description(&self) -> &Description<Time> {
        &self.0.description
    }
}

impl<K, V, R> Navigable for ValBatch<K, V, R>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    type Cursor = ValCursor<K, V, R>;

    fn cursor(&self) -> ValCursor<K, V, R> {
        ValCursor { key: 0, value: 0, batch: PhantomData }
    }
}

impl<K, V, R> Batch for ValBatch<K, V, R>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    type Merger = ValMerger<K, V, R>;

    fn empty(lower: Antichain<Time>, upper: Antichain<Time>) -> Self {
        let description = Description::new(lower, upper, Antichain::from_elem(Time::MIN));
        Contents::with_capacity(0, 0, 0, description).into_batch()
    }
}
