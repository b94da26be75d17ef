//! Memory that is used again for every list.

use dataflow::ids::ProductKey;
use dataflow::index_reader::{Scorer, WideView};
use dataflow::rules::Rules;

use crate::similar::{SimilarMemory, SimilarProduct};

/// The memory that composing lists needs. A thread that composes lists keeps one.
pub struct Workspace {
    /// Ranks the products that are similar to those viewed.
    pub(crate) scorer: Scorer,
    /// A user's history.
    pub(crate) viewed: Vec<ProductKey>,
    similar: SimilarMemory,
    /// See [`Rules::items_min`].
    items_min: usize,
}

impl Workspace {
    /// The memory for lists by these rules.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Workspace {
            scorer: Scorer::new(&rules.co_views),
            viewed: Vec::new(),
            similar: SimilarMemory::default(),
            items_min: rules.items_min,
        }
    }

    /// The first `size` similar products of a product, as people see them; none if there are fewer than
    /// `rules.items_min`.
    #[must_use]
    pub fn similar(&mut self, view: &WideView<'_>, product: ProductKey, size: usize) -> &[SimilarProduct] {
        self.similar.first(view, product, (size, self.items_min), &self.scorer)
    }

    /// The same, however few there are.
    #[must_use]
    pub fn all_similar(&mut self, view: &WideView<'_>, product: ProductKey, size: usize) -> &[SimilarProduct] {
        self.similar.first(view, product, (size, 0), &self.scorer)
    }
}
