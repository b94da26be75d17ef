//! The number of products of each category, complete in every worker.

use differential_dataflow::operators::CountTotal;
use serde::{Deserialize, Serialize};

use super::index::{Index, Placement, Published, Wiring};
use crate::ids::CategoryKey;
use crate::tables::Catalogue;
use crate::time::Diff;
use crate::trace::arranged::by_self;

/// The size of a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CategorySize {
    /// The number of distinct products in it; never 0.
    pub products: u64,
}

/// The index of category sizes. Key: category. Row: its size; a category without products has no row and is unknown.
/// Difference: 1. Changes with the catalogue.
pub struct CategorySizes;

impl Index for CategorySizes {
    const NAME: &'static str = "categories";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = CategoryKey;
    type Row = CategorySize;
    type Stored = CategorySize;
    type Count = Diff;

    fn route(category: &CategoryKey) -> u64 {
        category.route()
    }

    fn read(stored: &CategorySize, copies: Diff) -> Option<(CategorySize, Diff)> {
        Some((*stored, copies))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let listed = wiring.rows::<Catalogue>().filter(|(_, category)| category.is_category());
        // Each (category, product) once, for any number of rows.
        let pairs =
            by_self(listed.map(|(product, category)| (category, product)), "CategoryProducts", |(category, _)| {
                category.route()
            });
        let products = pairs.count_total().filter(|(_, rows)| *rows > 0).map(|((category, _), _)| category);
        let sizes = by_self(products, "ProductsByCategory", |category| category.route()).count_total();
        Published::replicated(
            wiring,
            sizes.map(|(category, products)| (category, CategorySize { products: products.unsigned_abs() as u64 })),
        )
    }
}
