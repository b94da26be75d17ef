//! The read side: answers from the published indexes, each at one time, from any thread, without waiting.

pub mod recommend;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::Guard;

use crate::dictionary::Dictionary;
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::publish::snapshot::{IndexSize, copies, keys, size, values};
use crate::publish::{PublishedSnapshots, Snapshot};
use crate::rows::{ListId, Seller, Viewed};
use crate::rules::{Deleted, Rules};
use crate::time::{Diff, Time};

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
    /// The read side of `slots`. All four must be those the workers were built with.
    #[must_use]
    pub fn new(
        snapshots: Arc<PublishedSnapshots>,
        dictionary: Arc<Dictionary>,
        rules: Rules,
        late_lines: Arc<AtomicU64>,
    ) -> Self {
        IndexReader { snapshots, dictionary, rules, late_lines, process: 0, processes: 1 }
    }

    /// The same, of one process of a cluster, all of which have as many workers.
    #[must_use]
    pub fn in_cluster(self, process: usize, processes: usize) -> Self {
        IndexReader { process, processes, ..self }
    }

    /// The other process that holds this user's rows, if it is not this one.
    #[must_use]
    pub fn owner_elsewhere(&self, user: UserKey) -> Option<usize> {
        let owner = self.worker_of(user) / self.snapshots.len();
        (owner != self.process).then_some(owner)
    }

    /// The worker that holds this user's rows, of those of all processes.
    fn worker_of(&self, user: UserKey) -> usize {
        let peers = (self.snapshots.len() * self.processes) as u64;
        usize::try_from(user.route() % peers).expect("a worker's number is small")
    }

    /// Where workers publish: frontiers, positions, and waiting for them.
    #[must_use]
    pub fn snapshots(&self) -> &Arc<PublishedSnapshots> {
        &self.snapshots
    }

    /// From ids to keys and back.
    #[must_use]
    pub fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// The business numbers.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Order lines that had left the window when they arrived.
    #[must_use]
    pub fn late_lines(&self) -> u64 {
        self.late_lines.load(Ordering::Relaxed)
    }

    /// The state as of the last closed tick, seen from the worker that owns `user`, which must be one of this process.
    #[must_use]
    pub fn view(&self, user: UserKey) -> ReadView<'_> {
        self.view_at(self.worker_of(user) % self.snapshots.len())
    }

    /// The state as of the last closed tick, for what every worker holds.
    #[must_use]
    pub fn view_any(&self) -> ReadView<'_> {
        self.view_at(0)
    }

    fn view_at(&self, slot: usize) -> ReadView<'_> {
        let (snapshot, as_of) = self.snapshots.read(slot);
        ReadView { snapshot, as_of, rules: &self.rules }
    }

    /// The sizes of all indexes in this process, by name. Those that every worker holds count once.
    #[must_use]
    pub fn index_sizes(&self) -> Vec<(&'static str, IndexSize)> {
        let mut history = IndexSize::default();
        for slot in 0..self.snapshots.len() {
            let size = size(&self.snapshots.read(slot).0.history);
            history.updates += size.updates;
            history.batches += size.batches;
        }
        let (any, _) = self.snapshots.read(0);
        vec![
            ("history", history),
            ("best_sellers", size(&any.best_sellers)),
            ("catalogue", size(&any.catalogue)),
            ("categories", size(&any.categories)),
        ]
    }
}

/// One worker's indexes at one time. Not to be held across an await: it keeps batches from being freed.
pub struct ReadView<'a> {
    snapshot: Guard<Arc<Snapshot>>,
    as_of: Time,
    rules: &'a Rules,
}

impl ReadView<'_> {
    /// The time of the state seen: every tick up to it has closed.
    #[must_use]
    pub fn as_of(&self) -> Time {
        self.as_of
    }

    /// The user's history, newest first; the user must be the one the glance was taken for.
    pub fn history(&self, user: UserKey, rows: &mut Vec<(Viewed, Diff)>) {
        values(&self.snapshot.history, &user, self.as_of, rows);
        if self.rules.deleted == Deleted::Hidden {
            let mut of_product = Vec::new();
            rows.retain(|(viewed, _)| {
                values(&self.snapshot.catalogue, &viewed.product, self.as_of, &mut of_product);
                !self.rules.is_deleted(&of_product)
            });
        }
    }

    /// A best-seller list, best first.
    pub fn best_sellers(&self, ranking: ListId, rows: &mut Vec<(Seller, Diff)>) {
        values(&self.snapshot.best_sellers, &ranking, self.as_of, rows);
    }

    /// The categories of a product: usually one, in ascending order.
    pub fn categories_of(&self, product: ProductKey, rows: &mut Vec<(CategoryKey, Diff)>) {
        values(&self.snapshot.catalogue, &product, self.as_of, rows);
        rows.retain(|(category, _)| category.is_category());
    }

    /// Whether the catalogue has a product of this category.
    #[must_use]
    pub fn knows_category(&self, category: CategoryKey) -> bool {
        copies(&self.snapshot.categories, &category, self.as_of) > 0
    }

    /// The categories that have a best-seller list, in ascending order.
    #[must_use]
    pub fn selling_categories(&self) -> Vec<CategoryKey> {
        let mut rows = Vec::new();
        let category = |ranking: ListId| match ranking {
            ListId::General => None,
            ListId::Category(category) => {
                self.best_sellers(ranking, &mut rows);
                (!rows.is_empty()).then_some(category)
            }
        };
        keys(&self.snapshot.best_sellers).into_iter().filter_map(category).collect()
    }

    /// Best sellers for a user; the user must be the one the glance was taken for.
    #[must_use]
    pub fn recommendations(&self, user: UserKey) -> Recommendations {
        recommend::recommend(self, user, self.rules)
    }
}
