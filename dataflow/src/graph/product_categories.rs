//! The categories of every product, complete in every worker.

use super::index::{Index, Placement, Published, Wiring};
use crate::ids::{CategoryKey, ProductKey};
use crate::tables::Catalogue;
use crate::time::Diff;

/// The catalogue as an index. Key: product. Row: one of its categories, or one of the keys that stand for none.
/// Difference: the number of equal rows in the catalogue. Changes with the catalogue.
pub struct ProductCategories;

impl Index for ProductCategories {
    const NAME: &'static str = "catalogue";
    const PLACEMENT: Placement = Placement::Replicated;
    const OF_FEATURES: bool = true;
    type Key = ProductKey;
    type Row = CategoryKey;
    type Stored = CategoryKey;
    type Count = Diff;

    fn route(product: &ProductKey) -> u64 {
        product.route()
    }

    fn read(stored: &CategoryKey, copies: Diff) -> Option<(CategoryKey, Diff)> {
        Some((*stored, copies))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::replicated(wiring, wiring.rows::<Catalogue>())
    }
}
