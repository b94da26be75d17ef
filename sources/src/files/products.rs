//! `product_catalog.csv`: each line names a product and its category. A product of two lines is
//! in both categories, one of a line without a category is in none, and one of a line that is not available cannot be bought.

use std::collections::HashSet;

use dataflow::ids::ProductKey;
use dataflow::tables::CatalogueRow;
use dataflow::time::Diff;
use foldhash::fast::RandomState;

use super::batch::{InputChanges, ListedLine};
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
    type Row = ListedLine;
    type Gone = Deleted;
    const COLUMNS: &'static [&'static str] = &[PRODUCT, CATEGORY];
    const OPTIONAL: Option<&'static str> = Some(AVAILABLE);

    fn read(text: &RowText<'_>, context: &RowContext<'_>) -> Result<Option<ListedLine>, Fault<'static>> {
        let product = text.id(0)?;
        let available = text.truth()?.unwrap_or(true);
        let category = category_key(text.get(1)?, CATEGORY, context.dictionary)?;
        let row = CatalogueRow { product: context.dictionary.product(product)?, category };
        Ok(Some(ListedLine { row, available }))
    }

    fn lives(_: &ListedLine, _: &RowContext<'_>) -> bool {
        true
    }

    fn changes(rows: Vec<(ListedLine, Diff)>) -> InputChanges {
        InputChanges::ProductsFile(rows)
    }

    fn settle(gone: &mut Deleted, change: &mut Vec<(ListedLine, Diff)>, now: &RowStore<ListedLine, ()>) {
        let mut rows: Vec<(CatalogueRow, Diff)> = change.iter().map(|(line, diff)| (line.row, *diff)).collect();
        let lines = rows.len();
        if rows.iter().all(|(_, diff)| *diff > 0) {
            gone.settle(&mut rows, |_| true);
        } else {
            let mut listed: HashSet<ProductKey, RandomState> = HashSet::default();
            now.for_each(|line, ()| {
                listed.insert(line.row.product);
            });
            gone.settle(&mut rows, |product| listed.contains(&product));
        }
        change.extend(rows.drain(lines..).map(|(row, diff)| (ListedLine { row, available: true }, diff)));
    }
}
