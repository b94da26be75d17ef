//! The categories of every product, whole in every worker.

use super::index::{Index, Placement, Published, Wiring};
use crate::ids::{CategoryKey, ProductKey};
use crate::tables::Catalogue;

/// The catalogue as an index. Key: product. Row: a category it is in, or one of the keys that stand for none. Difference:
/// how many rows of the catalogue say so. Changes with the catalogue.
pub struct ProductCategories;

impl Index for ProductCategories {
    const NAME: &'static str = "catalogue";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = ProductKey;
    type Row = CategoryKey;

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::replicated(wiring, wiring.rows::<Catalogue>())
    }
}
