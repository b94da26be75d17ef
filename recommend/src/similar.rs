//! The similar products of a product, in the order in which people see them.

use dataflow::ids::ProductKey;
use dataflow::index_reader::WideView;

use crate::source::SourceName;
use crate::workspace::Workspace;

/// A product that is similar to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimilarProduct {
    /// The similar product.
    pub product: ProductKey,
    /// The source of the similarity.
    pub source: SourceName,
    /// C of both products: how often and how closely they were viewed together.
    pub weight: u64,
}

/// The first `size` similar products of a product, as people see them.
#[must_use]
pub fn similar(
    view: &WideView<'_>,
    product: ProductKey,
    size: usize,
    workspace: &mut Workspace,
) -> Vec<SimilarProduct> {
    let mut rows = Vec::new();
    view.similar_shown(product, &workspace.scorer, &mut rows);
    rows.truncate(size);
    let similar = |row: &(dataflow::graph::Neighbor, dataflow::time::Diff)| SimilarProduct {
        product: row.0.product,
        source: SourceName::CoViews,
        weight: row.0.weight(),
    };
    rows.iter().map(similar).collect()
}
