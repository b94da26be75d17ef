//! Memory that is used again for every list.

use dataflow::graph::Neighbor;
use dataflow::ids::ProductKey;
use dataflow::index_reader::Scorer;
use dataflow::rules::Rules;
use dataflow::time::Diff;

use crate::similar::{SimilarCache, SimilarProduct};

/// The memory that composing lists needs. A thread that composes lists keeps one.
pub struct Workspace {
    /// Ranks the products that are similar to those viewed.
    pub(crate) scorer: Scorer,
    /// A user's history.
    pub(crate) viewed: Vec<ProductKey>,
    /// The heaviest neighbors of a product.
    pub(crate) neighbors: Vec<(Neighbor, Diff)>,
    /// Its similar products.
    pub(crate) similar: Vec<SimilarProduct>,
    pub(crate) similar_cache: SimilarCache,
    /// See [`Rules::items_min`].
    pub(crate) items_min: usize,
}

impl Workspace {
    /// The memory for lists by these rules.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Workspace {
            scorer: Scorer::new(&rules.co_views),
            viewed: Vec::new(),
            neighbors: Vec::new(),
            similar: Vec::new(),
            similar_cache: SimilarCache::default(),
            items_min: rules.items_min,
        }
    }
}
