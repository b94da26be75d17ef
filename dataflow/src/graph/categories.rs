//! All categories, whole in every worker.

use super::index::{Index, Placement, Published};
use super::wiring::Wiring;
use crate::ids::CategoryKey;
use crate::tables::Catalogue;

/// The index of categories. Key: category. Row: nothing. Difference: how many rows of the catalogue are in it; a category
/// without any is unknown.
pub struct Categories;

impl Index for Categories {
    const NAME: &'static str = "categories";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = CategoryKey;
    type Row = ();

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let categories = wiring.rows::<Catalogue>().map(|(_, category)| (category, ()));
        Published::replicated(wiring, categories.filter(|(category, ())| category.is_category()))
    }
}
