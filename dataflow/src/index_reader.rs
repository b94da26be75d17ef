//! The read side: answers from the published indexes, each as of one time, from any thread, without waiting.

pub mod buy_again;
pub mod features;
pub mod for_you;
mod merchandising;
pub mod recommend;
mod value_features;
mod view;
mod wide_view;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dictionary::Dictionary;
use crate::graph::index::Placement;
use crate::graph::{self, Index, List};
use crate::ids::UserKey;
use crate::product_attributes::AttributeSlot;
use crate::publish::PublishedSnapshots;
use crate::publish::snapshot::{IndexBatches, IndexSize, keys, size};
use crate::rules::{ListSet, Rules};
use crate::time::Time;
use crate::trace::arranged::ValBatch;

use self::merchandising::RuleSetCache;

pub use buy_again::{Repeat, SalesOf};
pub use features::{
    CategoryFeatures, FeatureReader, FeatureRows, FeatureWalk, FeatureWalks, FoundUsers, ProductFeatures, UserFeatures,
    Wanted, WantedRows,
};
pub use for_you::{Because, Scored, Scorer};
pub use recommend::{Kind, Pick, Recommendations};
pub use value_features::{OTHER, ValueFeatures};
pub use view::ReadView;
pub use wide_view::WideView;

/// The published indexes of this process. Cheap to clone.
#[derive(Clone)]
pub struct IndexReader {
    snapshots: Arc<PublishedSnapshots>,
    dictionary: Arc<Dictionary>,
    rules: Rules,
    /// The lists that it shows.
    lists: ListSet,
    rule_sets: Arc<RuleSetCache>,
    late_lines: Arc<AtomicU64>,
    attributes: AttributeSlot,
    process: usize,
    processes: usize,
}

impl IndexReader {
    /// The read side of `slots`. All four arguments must be the same as for the workers.
    #[must_use]
    pub fn new(
        snapshots: Arc<PublishedSnapshots>,
        dictionary: Arc<Dictionary>,
        rules: Rules,
        late_lines: Arc<AtomicU64>,
    ) -> Self {
        IndexReader {
            snapshots,
            dictionary,
            rules,
            lists: ListSet::Live,
            rule_sets: Arc::default(),
            late_lines,
            attributes: AttributeSlot::default(),
            process: 0,
            processes: 1,
        }
    }

    /// The read side in one process of a cluster. All processes have the same number of workers.
    #[must_use]
    pub fn in_cluster(self, process: usize, processes: usize) -> Self {
        IndexReader { process, processes, ..self }
    }

    /// The same reader for the lists of the shadow, if they are kept. Its views have the shadow's numbers and rules.
    #[must_use]
    pub fn in_shadow(&self) -> Option<IndexReader> {
        let shadow = || IndexReader {
            rules: self.rules.of_shadow(),
            lists: ListSet::Shadow,
            rule_sets: Arc::default(),
            ..self.clone()
        };
        self.rules.shadow.enabled.then(shadow)
    }

    /// The process that holds this user's rows, if it is another process.
    #[must_use]
    pub fn owner_elsewhere(&self, user: UserKey) -> Option<usize> {
        let owner = self.worker_of(user) / self.snapshots.len();
        (owner != self.process).then_some(owner)
    }

    /// The worker that holds this user's rows, among the workers of all processes.
    fn worker_of(&self, user: UserKey) -> usize {
        self.worker_of_route(user.route())
    }

    fn worker_of_route(&self, route: u64) -> usize {
        let peers = (self.snapshots.len() * self.processes) as u64;
        usize::try_from(route % peers).expect("a worker's number is small")
    }

    /// The snapshots that the workers publish: their frontiers and positions, and waiting for them.
    #[must_use]
    pub fn snapshots(&self) -> &Arc<PublishedSnapshots> {
        &self.snapshots
    }

    /// The dictionary of ids and keys.
    #[must_use]
    pub fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// The business numbers.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The slot of the attributes of products.
    #[must_use]
    pub fn attributes(&self) -> &AttributeSlot {
        &self.attributes
    }

    /// The number of order lines that had left the window when they arrived.
    #[must_use]
    pub fn late_lines(&self) -> u64 {
        self.late_lines.load(Ordering::Relaxed)
    }

    /// The state as of the last closed tick, seen from the worker that owns `user`. This worker must be in this
    /// process.
    #[must_use]
    pub fn view(&self, user: UserKey) -> ReadView<'_> {
        self.view_at(self.worker_of(user) % self.snapshots.len())
    }

    /// The state as of an earlier time, seen from the worker that owns `user`, without merchandising rules. `None` if the time
    /// is not closed yet, or if the published state no longer tells it from later times.
    #[must_use]
    pub fn view_as_of(&self, user: UserKey, time: Time) -> Option<ReadView<'_>> {
        let (snapshot, closed) = self.snapshots.read(self.worker_of(user) % self.snapshots.len());
        let is_known = snapshot.since <= time && time <= closed;
        is_known.then(|| ReadView::new(snapshot, time, (&self.rules, self.lists), None))
    }

    /// The state as of the last closed tick, for the indexes that every worker holds.
    #[must_use]
    pub fn view_any(&self) -> ReadView<'_> {
        self.view_at(0)
    }

    fn view_at(&self, slot: usize) -> ReadView<'_> {
        let (snapshot, as_of) = self.snapshots.read(slot);
        let rule_set = self.rule_sets.get(&snapshot, as_of, self.lists);
        ReadView::new(snapshot, as_of, (&self.rules, self.lists), rule_set)
    }

    /// The state as of the last closed tick, seen from all workers of this process; one of them must own `user`. For
    /// similar products and recommendations "for you", whose rows are in several workers.
    #[must_use]
    pub fn wide_view(&self, user: UserKey) -> WideView<'_> {
        self.wide_view_at(self.worker_of(user) % self.snapshots.len())
    }

    /// The state as of the last closed tick, seen from all workers of this process, for indexes that every process
    /// holds.
    #[must_use]
    pub fn wide_view_any(&self) -> WideView<'_> {
        self.wide_view_at(0)
    }

    fn wide_view_at(&self, slot: usize) -> WideView<'_> {
        if self.snapshots.len() == 1 {
            return WideView::of_one(self.view_at(0));
        }
        let (snapshots, as_of) = self.snapshots.read_all();
        let rule_set = self.rule_sets.get(&snapshots[slot], as_of, self.lists);
        WideView::new(snapshots, slot, as_of, (&self.rules, self.lists), rule_set)
    }

    /// The sizes of all indexes in this process that are on, by name. Indexes that every worker holds count once.
    #[must_use]
    pub fn index_sizes(&self) -> Vec<(&'static str, IndexSize)> {
        let mut sizes = Sizes { rules: &self.rules, sizes: Vec::new() };
        for worker in 0..self.snapshots.len() {
            self.snapshots.read(worker).0.indexes.map_ref(&mut sizes);
        }
        sizes.sizes
    }

    /// The keys of an index in this process, in ascending order. Some keys may have no rows as of the time of a view.
    #[must_use]
    pub fn keys<I: Index>(&self) -> Vec<I::Key> {
        let workers = if I::PLACEMENT == Placement::Replicated { 1 } else { self.snapshots.len() };
        let keys_of = |worker| keys(self.snapshots.read(worker).0.indexes.get::<I>());
        let mut all: Vec<I::Key> = (0..workers).flat_map(keys_of).collect();
        all.sort_unstable();
        all
    }

    /// The state as of the last closed tick, seen from the worker that holds `key`. This worker must be in this
    /// process.
    #[must_use]
    pub fn view_of<L: List>(&self, key: &L::Key) -> ReadView<'_> {
        match L::PLACEMENT {
            Placement::Replicated => self.view_any(),
            Placement::Sharded | Placement::PerProcess => {
                self.view_at(self.worker_of_route(L::route(key)) % self.snapshots.len())
            }
        }
    }
}

/// Adds the sizes of the indexes of all workers.
struct Sizes<'a> {
    rules: &'a Rules,
    sizes: Vec<(&'static str, IndexSize)>,
}

impl graph::MapRef<IndexBatches, graph::Nothing> for Sizes<'_> {
    fn map<I: Index>(&mut self, batches: &Vec<ValBatch<I::Key, I::Stored, I::Count>>) {
        let size = size(batches);
        match self.sizes.iter_mut().find(|(name, _)| *name == I::NAME) {
            None if I::is_on(self.rules) => self.sizes.push((I::NAME, size)),
            Some((_, sum)) if I::PLACEMENT != Placement::Replicated => {
                sum.updates += size.updates;
                sum.batches += size.batches;
            }
            _ => {}
        }
    }
}
