//! `product_catalog.csv`: each line names a product and its category. A product of two lines is
//! in both categories, one of a line without a category is in none, and one that is not available is there as a deleted one.

use std::collections::HashSet;

use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::tables::CatalogueRow;
use dataflow::time::Diff;
use foldhash::fast::RandomState;

use super::batch::InputChanges;
use super::rows::{RowContext, RowText, TableRows};
use crate::deleted::Deleted;
use crate::fault::{Fault, category_key};
use crate::row_store::RowStore;

/// The file's name.
pub(super) const FILE: &str = "product_catalog.csv";

/// The column with the product's id.
pub(super) const PRODUCT: &str = "product_id";

/// The column with its category.
pub(super) const CATEGORY: &str = "category";

/// The column that says whether the product can be bought.
const AVAILABLE: &str = "available";

pub(super) struct ProductsFile;

impl TableRows for ProductsFile {
    type Row = CatalogueRow;
    type Gone = Deleted;
    const COLUMNS: &'static [&'static str] = &[PRODUCT, CATEGORY];
    const OPTIONAL: Option<&'static str> = Some(AVAILABLE);

    fn read(text: &RowText<'_>, context: &RowContext<'_>) -> Result<Option<CatalogueRow>, Fault<'static>> {
        let product = text.id(0)?;
        let category = match text.truth()? {
            Some(false) => CategoryKey::DELETED,
            _ => category_key(text.get(1)?, CATEGORY, context.dictionary)?,
        };
        Ok(Some(CatalogueRow { product: context.dictionary.product(product)?, category }))
    }

    fn lives(_: &CatalogueRow, _: &RowContext<'_>) -> bool {
        true
    }

    fn changes(rows: Vec<(CatalogueRow, Diff)>) -> InputChanges {
        InputChanges::ProductsFile(rows)
    }

    fn settle(gone: &mut Deleted, change: &mut Vec<(CatalogueRow, Diff)>, now: &RowStore<CatalogueRow, ()>) {
        if change.iter().all(|(_, diff)| *diff > 0) {
            return gone.settle(change, |_| true);
        }
        let mut listed: HashSet<ProductKey, RandomState> = HashSet::default();
        now.for_each(|row, ()| {
            listed.insert(row.product);
        });
        gone.settle(change, |product| listed.contains(&product));
    }
}
