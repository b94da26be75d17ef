//! From two states of a history to the changes of the weights of its pairs.
//!
//! ```text
//! before:  a b c d       union in the order of places:  e+ a b c- d
//! after:   e a b d       changed: the pairs with e or c, and the pairs of which one is on each side of e or c
//! ```
//! The work is at most the number of changed places times the square of the largest distance, after one walk over the
//! places.

use super::super::history::Place;
use crate::ids::ProductKey;
use crate::time::Diff;

/// A place of either state.
#[derive(Clone, Copy)]
struct Entry {
    product: ProductKey,
    /// How many places come before it, before and after the change.
    rank: [u32; 2],
    /// Whether it is there, before and after the change.
    present: [bool; 2],
    /// The next entry that is not in both states.
    next_changed: usize,
}

impl Entry {
    fn is_changed(&self) -> bool {
        self.present[0] != self.present[1]
    }
}

/// Finds the changes of pairs. It keeps its memory from one history to the next.
pub(super) struct PairChanges {
    /// The weight of two products at each distance.
    weights: Vec<i32>,
    states: [Vec<Place>; 2],
    union: Vec<Entry>,
}

impl PairChanges {
    /// With the weight of two products at each distance, from 0 on.
    pub(super) fn new(weights: Vec<i32>) -> Self {
        PairChanges { weights, states: [Vec::new(), Vec::new()], union: Vec::new() }
    }

    /// Adds to `changes` what the step from one state to the other changes: for the pairs (a, b) and (b, a) the change
    /// of C(a,b), and for the pair (a, a) the change of n(a).
    pub(super) fn compare(
        &mut self,
        before: &[(Place, Diff)],
        after: &[(Place, Diff)],
        changes: &mut Vec<((ProductKey, ProductKey), i32)>,
    ) {
        for (state, places) in self.states.iter_mut().zip([before, after]) {
            state.clear();
            state.extend(places.iter().map(|(place, _)| *place).filter(|place| place.is_visible()));
        }
        let [old, new] = &self.states;
        if old.iter().map(|place| place.product).eq(new.iter().map(|place| place.product)) {
            return;
        }
        self.unite();
        for entry in self.union.iter().filter(|entry| entry.is_changed()) {
            changes.push(((entry.product, entry.product), if entry.present[1] { 1 } else { -1 }));
        }
        self.pairs(changes);
    }

    /// Merges both states into one sequence of entries.
    fn unite(&mut self) {
        let PairChanges { states: [before, after], union, .. } = self;
        union.clear();
        let (mut old, mut new) = (0, 0);
        while old < before.len() || new < after.len() {
            let present = match (before.get(old), after.get(new)) {
                (Some(one), Some(other)) => [one <= other, other <= one],
                (one, other) => [one.is_some(), other.is_some()],
            };
            let product = if present[0] { before[old].product } else { after[new].product };
            let rank = [old, new].map(|rank| u32::try_from(rank).expect("a history is short"));
            union.push(Entry { product, rank, present, next_changed: usize::MAX });
            old += usize::from(present[0]);
            new += usize::from(present[1]);
        }
        let mut next = usize::MAX;
        for (number, entry) in union.iter_mut().enumerate().rev() {
            entry.next_changed = next;
            if entry.is_changed() {
                next = number;
            }
        }
    }

    fn pairs(&self, changes: &mut Vec<((ProductKey, ProductKey), i32)>) {
        for (number, one) in self.union.iter().enumerate() {
            // The distance of two entries that stay changes only if something between them does.
            let first = if one.is_changed() { number + 1 } else { one.next_changed };
            for other in self.union.get(first..).unwrap_or_default() {
                let distance = [0, 1].map(|state| (other.rank[state] - one.rank[state]) as usize);
                if distance.iter().all(|distance| *distance >= self.weights.len()) {
                    break;
                }
                let [before, after] = [0, 1].map(|state| {
                    let is_there = one.present[state] && other.present[state];
                    self.weights.get(distance[state]).filter(|_| is_there).copied().unwrap_or(0)
                });
                if before != after {
                    changes.push(((one.product, other.product), after - before));
                    changes.push(((other.product, one.product), after - before));
                }
            }
        }
    }
}
