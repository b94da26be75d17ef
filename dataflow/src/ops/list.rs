//! The shared part of the ranked-list operators: a list changes from one tick to the next, and the difference is a
//! batch.

use differential_dataflow::trace::Builder;
use differential_dataflow::trace::Description;
use differential_dataflow::{Data, ExchangeData};
use timely::progress::Antichain;

use crate::time::{Diff, Time};
use crate::trace::arranged::{ValBatch, ValBuilder};

/// Collects the changes of lists, key after key, into one output batch.
pub(crate) struct ListChanges<K: ExchangeData, V: ExchangeData> {
    builder: ValBuilder<K, V, Diff>,
    staged: Vec<((K, V), Time, Diff)>,
}

impl<K: ExchangeData, V: ExchangeData> ListChanges<K, V> {
    pub(crate) fn new() -> Self {
        ListChanges { builder: ValBuilder::<K, V, Diff>::new(), staged: Vec::new() }
    }

    /// Adds the difference between two ordered lists of `key`, at `time`.
    pub(crate) fn replace(&mut self, key: &K, old: &[V], new: &[V], time: Time) {
        for_each_difference(old, new, |value, diff| self.staged.push(((key.clone(), value.clone()), time, diff)));
    }

    /// Ends a key; keys must come in their order.
    pub(crate) fn end_key(&mut self) {
        if !self.staged.is_empty() {
            self.staged.sort_unstable_by(|a, b| a.0.1.cmp(&b.0.1).then(a.1.cmp(&b.1)));
            self.builder.push(&mut self.staged);
            self.staged.clear();
        }
    }

    /// The batch of all changes in `[lower, upper)`.
    pub(crate) fn done(self, lower: &Antichain<Time>, upper: &Antichain<Time>) -> ValBatch<K, V, Diff> {
        let since = Antichain::from_elem(Time::MIN);
        self.builder.done(Description::new(lower.clone(), upper.clone(), since))
    }
}

/// Calls `change` with the rows that only `new` has (+1) and the rows that only `old` has (-1). Both are ordered and
/// without duplicates.
pub(crate) fn for_each_difference<V: Data>(old: &[V], new: &[V], mut change: impl FnMut(&V, Diff)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(gone), Some(come)) if gone == come => {
                old.next();
                new.next();
            }
            (Some(gone), come) if come.is_none_or(|come| gone < come) => {
                change(gone, -1);
                old.next();
            }
            (_, Some(come)) => {
                change(come, 1);
                new.next();
            }
            (_, None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let mut changes = Vec::new();
        for_each_difference(&[1, 3, 5], &[2, 3, 6], |value, diff| changes.push((*value, diff)));
        assert_eq!(changes, [(1, -1), (2, 1), (5, -1), (6, 1)]);
    }
}
