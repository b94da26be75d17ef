//! The worker's side of publishing: what to show, what to let compact, and what to free.

use std::collections::VecDeque;
use std::sync::Arc;

use differential_dataflow::trace::{BatchReader, TraceReader};
use timely::progress::Antichain;

use super::{Slots, Snapshot};
use crate::feed::Position;
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::rows::{Ranking, Seller, Viewed};
use crate::time::{Diff, Time};
use crate::trace::arranged::{KeyTrace, ValTrace};

/// The traces of one worker's indexes.
pub struct Traces {
    /// See [`crate::graph::history::lists`].
    pub history: ValTrace<UserKey, Viewed, Diff>,
    /// See [`crate::graph::bestsellers::BestSellers::lists`].
    pub best_sellers: ValTrace<Ranking, Seller, Diff>,
    /// See [`crate::graph::catalogue::Catalogue::by_product`].
    pub catalogue: ValTrace<ProductKey, CategoryKey, Diff>,
    /// See [`crate::graph::catalogue::Catalogue::categories`].
    pub categories: KeyTrace<CategoryKey, Diff>,
}

/// Publishes one worker's snapshots.
pub struct Publisher {
    traces: Traces,
    slots: Arc<Slots>,
    slot: usize,
    upper: Time,
    /// Positions by the tick they were fed in, not yet published.
    fed: VecDeque<(Time, Arc<[Position]>)>,
    positions: Arc<[Position]>,
    /// Snapshots some reader may still hold: freed here, so that no reader ever frees a large batch.
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// A publisher of `traces` into slot number `slot`.
    #[must_use]
    pub fn new(traces: Traces, slots: Arc<Slots>, slot: usize) -> Self {
        Publisher { traces, slots, slot, upper: 0, fed: VecDeque::new(), positions: Arc::new([]), retired: Vec::new() }
    }

    /// Notes the positions after everything that was fed in `tick`.
    pub fn note(&mut self, tick: Time, positions: Vec<Position>) {
        self.fed.push_back((tick, positions.into()));
    }

    /// Times before this one are published by this worker.
    #[must_use]
    pub fn upper(&self) -> Time {
        self.upper
    }

    /// Publishes if the frontier of all indexes has moved; returns whether it had.
    pub fn publish(&mut self) -> bool {
        let upper = self.traces.upper();
        if upper <= self.upper {
            return false;
        }
        self.upper = upper;
        while self.fed.front().is_some_and(|(tick, _)| *tick < upper) {
            self.positions = self.fed.pop_front().expect("looked at just now").1;
        }
        let since = self.slots.closed().saturating_sub(1);
        self.traces.compact(since, upper);
        let snapshot = self.traces.snapshot(upper, since, self.positions.clone());
        let old = self.slots.publish(self.slot, Arc::new(snapshot));
        self.retired.push(old);
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        true
    }
}

impl Traces {
    /// The least upper of all indexes. The empty frontier of a finished graph counts as no progress.
    fn upper(&mut self) -> Time {
        let mut upper = Antichain::new();
        let mut least = Time::MAX;
        self.history.read_upper(&mut upper);
        least = least.min(upper.as_option().copied().unwrap_or(0));
        self.best_sellers.read_upper(&mut upper);
        least = least.min(upper.as_option().copied().unwrap_or(0));
        self.catalogue.read_upper(&mut upper);
        least = least.min(upper.as_option().copied().unwrap_or(0));
        self.categories.read_upper(&mut upper);
        least.min(upper.as_option().copied().unwrap_or(0))
    }

    /// Lets times before `since` become one, and batches before `upper` merge. A handle that did not say so would keep
    /// every batch since the start.
    fn compact(&mut self, since: Time, upper: Time) {
        let (since, upper) = (Antichain::from_elem(since), Antichain::from_elem(upper));
        self.history.set_logical_compaction(since.borrow());
        self.history.set_physical_compaction(upper.borrow());
        self.best_sellers.set_logical_compaction(since.borrow());
        self.best_sellers.set_physical_compaction(upper.borrow());
        self.catalogue.set_logical_compaction(since.borrow());
        self.catalogue.set_physical_compaction(upper.borrow());
        self.categories.set_logical_compaction(since.borrow());
        self.categories.set_physical_compaction(upper.borrow());
    }

    fn snapshot(&self, upper: Time, since: Time, positions: Arc<[Position]>) -> Snapshot {
        Snapshot {
            history: batches(&self.history),
            best_sellers: batches(&self.best_sellers),
            catalogue: batches(&self.catalogue),
            categories: batches(&self.categories),
            upper,
            since,
            positions,
        }
    }
}

fn batches<Tr: TraceReader>(trace: &Tr) -> Vec<Tr::Batch> {
    let mut batches = Vec::with_capacity(16);
    trace.map_batches(|batch| {
        if !batch.is_empty() {
            batches.push(batch.clone());
        }
    });
    batches
}
