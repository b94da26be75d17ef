//! The read side: answers from the published indexes, each as of one time, from any thread, without waiting.

pub mod recommend;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::Guard;

use crate::dictionary::Dictionary;
use crate::graph::index::Placement;
use crate::graph::{self, BestSellers, CategorySize, CategorySizes, Index, List, ListId, ProductCategories};
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::publish::snapshot::{IndexBatches, IndexSize, all_rows, keys, size, values};
use crate::publish::{PublishedSnapshots, Snapshot};
use crate::rules::{Deleted, Rules};
use crate::time::{Diff, Time};
use crate::trace::arranged::ValBatch;

pub use recommend::{Kind, Pick, Recommendations};

/// The published indexes of this process. Cheap to clone.
#[derive(Clone)]
pub struct IndexReader {
    snapshots: Arc<PublishedSnapshots>,
    dictionary: Arc<Dictionary>,
    rules: Rules,
    late_lines: Arc<AtomicU64>,
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
        IndexReader { snapshots, dictionary, rules, late_lines, process: 0, processes: 1 }
    }

    /// The read side in one process of a cluster. All processes have the same number of workers.
    #[must_use]
    pub fn in_cluster(self, process: usize, processes: usize) -> Self {
        IndexReader { process, processes, ..self }
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

    /// The state as of the last closed tick, for the indexes that every worker holds.
    #[must_use]
    pub fn view_any(&self) -> ReadView<'_> {
        self.view_at(0)
    }

    fn view_at(&self, slot: usize) -> ReadView<'_> {
        let (snapshot, as_of) = self.snapshots.read(slot);
        ReadView { snapshot, as_of, rules: &self.rules }
    }

    /// The sizes of all indexes in this process, by name. Indexes that every worker holds count once.
    #[must_use]
    pub fn index_sizes(&self) -> Vec<(&'static str, IndexSize)> {
        let mut sizes = Sizes { worker: 0, sizes: Vec::new() };
        for worker in 0..self.snapshots.len() {
            sizes.worker = worker;
            self.snapshots.read(worker).0.indexes.map_ref(&mut sizes);
        }
        sizes.sizes
    }

    /// The keys of a list in this process, in ascending order. Some keys may have no rows as of the time of a view.
    #[must_use]
    pub fn keys<L: List>(&self) -> Vec<L::Key> {
        let workers = if L::PLACEMENT == Placement::Replicated { 1 } else { self.snapshots.len() };
        let keys_of = |worker| keys(self.snapshots.read(worker).0.indexes.get::<L>());
        let mut all: Vec<L::Key> = (0..workers).flat_map(keys_of).collect();
        all.sort_unstable();
        all
    }

    /// The state as of the last closed tick, seen from the worker that holds `key`. This worker must be in this
    /// process.
    #[must_use]
    pub fn view_of<L: List>(&self, key: &L::Key) -> ReadView<'_> {
        match L::PLACEMENT {
            Placement::Replicated => self.view_any(),
            Placement::Sharded => self.view_at(self.worker_of_route(L::route(key)) % self.snapshots.len()),
        }
    }
}

/// Adds the sizes of the indexes of all workers.
struct Sizes {
    worker: usize,
    sizes: Vec<(&'static str, IndexSize)>,
}

impl graph::MapRef<IndexBatches, graph::Nothing> for Sizes {
    fn map<I: Index>(&mut self, batches: &Vec<ValBatch<I::Key, I::Row, Diff>>) {
        let size = size(batches);
        match self.sizes.get_mut(I::INDEX) {
            None => self.sizes.push((I::NAME, size)),
            Some((_, sum)) if I::PLACEMENT == Placement::Sharded => {
                sum.updates += size.updates;
                sum.batches += size.batches;
            }
            Some(_) => {}
        }
    }
}

/// The indexes of one worker as of one time. Do not hold it across an await: it keeps batches from being freed.
pub struct ReadView<'a> {
    snapshot: Guard<Arc<Snapshot>>,
    as_of: Time,
    rules: &'a Rules,
}

impl ReadView<'_> {
    /// The time of the state: every tick up to it has closed.
    #[must_use]
    pub fn as_of(&self) -> Time {
        self.as_of
    }

    /// The rows of a key in their order, without rows that are hidden because their product was deleted. The worker of
    /// this view must hold the key.
    pub fn rows<I: Index>(&self, key: &I::Key, rows: &mut Vec<(I::Row, Diff)>) {
        values(self.snapshot.indexes.get::<I>(), key, self.as_of, rows);
        if self.rules.deleted == Deleted::Hidden {
            let mut of_product = Vec::new();
            rows.retain(|(row, _)| {
                I::hidden_with(row).is_none_or(|product| {
                    self.rows::<ProductCategories>(&product, &mut of_product);
                    !self.rules.is_deleted(&of_product)
                })
            });
        }
    }

    /// The rows of a list as people see them: the same as [`ReadView::rows`], or none if there are too few to show.
    pub fn list<L: List>(&self, key: &L::Key, rows: &mut Vec<(L::Row, Diff)>) {
        self.rows::<L>(key, rows);
        if !Rules::is_shown(rows.len(), self.rules.items_min) {
            rows.clear();
        }
    }

    /// The categories of a product: usually one, in ascending order.
    pub fn categories_of(&self, product: ProductKey, rows: &mut Vec<(CategoryKey, Diff)>) {
        self.rows::<ProductCategories>(&product, rows);
        rows.retain(|(category, _)| category.is_category());
    }

    /// Whether the catalogue has a product of this category.
    #[must_use]
    pub fn knows_category(&self, category: CategoryKey) -> bool {
        self.category_size(category).is_some()
    }

    /// The size of a category that the catalogue has a product of.
    #[must_use]
    pub fn category_size(&self, category: CategoryKey) -> Option<CategorySize> {
        let mut rows = Vec::new();
        self.rows::<CategorySizes>(&category, &mut rows);
        rows.first().map(|(size, _)| *size)
    }

    /// All categories with their sizes, in ascending order.
    #[must_use]
    pub fn category_sizes(&self) -> Vec<(CategoryKey, CategorySize)> {
        all_rows(self.snapshot.indexes.get::<CategorySizes>(), self.as_of)
    }

    /// The categories that have a best-seller list, in ascending order.
    #[must_use]
    pub fn selling_categories(&self) -> Vec<CategoryKey> {
        let mut rows = Vec::new();
        let category = |list: ListId| match list {
            ListId::General => None,
            ListId::Category(category) => {
                self.rows::<BestSellers>(&list, &mut rows);
                (!rows.is_empty()).then_some(category)
            }
        };
        keys(self.snapshot.indexes.get::<BestSellers>()).into_iter().filter_map(category).collect()
    }

    /// Best sellers for a user, as people see them. The view must have been taken for the same user.
    #[must_use]
    pub fn recommendations(&self, user: UserKey) -> Recommendations {
        let mut made = recommend::recommend(self, user, self.rules);
        if !Rules::is_shown(made.picks.len(), self.rules.items_min) {
            made.picks.clear();
        }
        made
    }
}
