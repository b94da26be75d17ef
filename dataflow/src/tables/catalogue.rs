//! The catalogue: the products of the shop, and their categories.

use serde::{Deserialize, Serialize};

use super::Table;
use crate::ids::{CategoryKey, ProductKey};
use crate::time::Diff;

/// The table of products. Key: product. Value: a category it is in. Difference: the number of rows.
pub struct Catalogue;

impl Table for Catalogue {
    const NAME: &'static str = "catalogue";
    const NUMBER: u8 = 4;
    type Key = ProductKey;
    type Value = CategoryKey;
    type Diff = Diff;
    type Row = CatalogueRow;

    const OF_FEATURES: bool = true;

    fn route(product: &ProductKey) -> u64 {
        product.route()
    }

    fn products(product: &ProductKey, _: &CategoryKey, _: &Diff) -> [Option<ProductKey>; 2] {
        [Some(*product), None]
    }
}

/// One row of the catalogue: a product and one of its categories. A product of several categories has a row for each.
///
/// A product that had rows and has lost its last one has a single row with [`CategoryKey::DELETED`], and no other,
/// until it has another row again or no list could show it any more. A product that cannot be bought has a row with
/// [`CategoryKey::UNAVAILABLE`] beside those of its categories. Sources maintain this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CatalogueRow {
    /// The product.
    pub product: ProductKey,
    /// The category, or one of the keys that stand for none.
    pub category: CategoryKey,
}

impl From<(ProductKey, CategoryKey)> for CatalogueRow {
    fn from((product, category): (ProductKey, CategoryKey)) -> Self {
        CatalogueRow { product, category }
    }
}

impl From<CatalogueRow> for (ProductKey, CategoryKey) {
    fn from(row: CatalogueRow) -> Self {
        (row.product, row.category)
    }
}
