//! Memory that is used again for every list.

use dataflow::ids::ProductKey;
use dataflow::index_reader::{Scorer, WideView};
use dataflow::rules::Rules;

use crate::similar::{SimilarMemory, SimilarProduct};
use crate::slots::ServedContent;

/// The memory that composing lists needs. A thread that composes lists keeps one.
pub struct Workspace {
    /// Ranks the products that are similar to those viewed.
    pub(crate) scorer: Scorer,
    /// A user's history.
    pub(crate) viewed: Vec<ProductKey>,
    similar: SimilarMemory,
}

impl Workspace {
    /// The memory for lists by these rules.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Workspace { scorer: Scorer::new(&rules.co_views), viewed: Vec::new(), similar: SimilarMemory::default() }
    }

    /// See [`Recommender::similar`](crate::Recommender::similar).
    pub(crate) fn similar(
        &mut self,
        view: &WideView<'_>,
        product: ProductKey,
        sizes: (usize, usize),
        content: Option<&ServedContent>,
    ) -> &[SimilarProduct] {
        self.similar.first(view, product, sizes, &mut self.scorer, content)
    }
}
