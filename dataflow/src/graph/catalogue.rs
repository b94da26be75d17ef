//! The catalogue, whole in every worker: which products there are, in which categories, and which categories there are.

use differential_dataflow::AsCollection;
use differential_dataflow::VecCollection;
use timely::dataflow::operators::vec::Broadcast;

use crate::ids::{CategoryKey, ProductKey};
use crate::rows::CatalogueRow;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, BySelf, by_key_in_place, by_self_in_place};

/// The catalogue's two indexes.
pub struct Catalogue<'s> {
    /// Key: product. Value: a category it is in, or one of the keys that stand for none. Difference: how many rows say so.
    /// Changes with the catalogue's rows.
    pub by_product: ByKey<'s, ProductKey, CategoryKey, Diff>,
    /// Key: category. Difference: how many rows are in it; a category without any is unknown.
    pub categories: BySelf<'s, CategoryKey, Diff>,
}

/// Copies the catalogue to every worker and arranges it there.
pub fn replicate(rows: VecCollection<'_, Time, CatalogueRow, Diff>) -> Catalogue<'_> {
    let everywhere = rows.inner.broadcast().as_collection();
    Catalogue {
        by_product: by_key_in_place(everywhere.clone().map(|row| (row.product, row.category)), "Catalogue"),
        categories: by_self_in_place(
            everywhere.map(|row| row.category).filter(|category| category.is_category()),
            "Categories",
        ),
    }
}
