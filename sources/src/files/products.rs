//! `product_catalog.csv`: each line says which category a product is in. A product of two lines is in both categories.

use dataflow::rows::CatalogueRow;
use dataflow::time::Diff;

use super::batch::Changes;
use super::rows::{Reading, Rows, Text};
use crate::fault::{Fault, id};

/// The file's name.
pub(super) const FILE: &str = "product_catalog.csv";

pub(super) struct Products;

impl Rows for Products {
    type Row = CatalogueRow;
    const COLUMNS: &'static [&'static str] = &["product_id", "category"];

    fn read(text: &Text<'_>, reading: &Reading<'_>) -> Result<Option<CatalogueRow>, Fault<'static>> {
        let product = id(text.get(0)?, Self::COLUMNS[0])?;
        // A product without a category counts in the general list only, for which it need not be in the catalogue.
        let Some(category) = text.get(1)? else { return Ok(None) };
        let category = id(Some(category), Self::COLUMNS[1])?;
        let (product, category) = (reading.dictionary.product(product)?, reading.dictionary.category(category)?);
        Ok(Some(CatalogueRow { product, category }))
    }

    fn lives(_: &CatalogueRow, _: &Reading<'_>) -> bool {
        true
    }

    fn changes(rows: Vec<(CatalogueRow, Diff)>) -> Changes {
        Changes::Products(rows)
    }
}
