//! Products that were deleted from the catalogue: their last row is gone.
//!
//! The catalogue's rows alone do not distinguish such a product from one that was never in it. So a source adds a row to its
//! change that marks it ([`CategoryKey::DELETED`]) and removes the row when the product has another row again. Checkpoints
//! keep it like all other rows. It is removed after the last order line of the product has left, as long after as orders are kept.

use std::collections::{HashMap, HashSet};

use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::tables::CatalogueRow;
use dataflow::time::{Diff, Millis};
use foldhash::fast::RandomState;

/// The products that are marked as deleted, and when a line of each was last seen, if it was checked.
#[derive(Default)]
pub(crate) struct Deleted(HashMap<ProductKey, Option<Millis>, RandomState>);

impl Deleted {
    /// Loads a row of an earlier process; whether it is such a mark.
    pub(crate) fn hold(&mut self, row: &CatalogueRow) -> bool {
        let deleted = row.category == CategoryKey::DELETED;
        if deleted {
            self.0.insert(row.product, None);
        }
        deleted
    }

    /// Adds the marks that follow from a change of the catalogue's rows. `has_row` returns whether the catalogue has a row of
    /// a product after the change; it is called for products of the change only.
    pub(crate) fn settle(&mut self, change: &mut Vec<(CatalogueRow, Diff)>, has_row: impl Fn(ProductKey) -> bool) {
        // No look-ups at the first reading of a large catalogue.
        if self.0.is_empty() && change.iter().all(|(_, diff)| *diff > 0) {
            return;
        }
        for product in changed(change) {
            if !has_row(product) {
                self.mark(product, change);
            } else if self.0.remove(&product).is_some() {
                change.push((row(product), -1));
            }
        }
    }

    /// Marks a product, if it is not marked yet.
    pub(crate) fn mark(&mut self, product: ProductKey, change: &mut Vec<(CatalogueRow, Diff)>) {
        if self.0.insert(product, None).is_none() {
            change.push((row(product), 1));
        }
    }

    /// Whether the product is marked as deleted.
    pub(crate) fn contains(&self, product: ProductKey) -> bool {
        self.0.contains_key(&product)
    }

    /// Removes the marks of products whose lines were last seen at `cutoff` or before. Products of `sold` have lines `now`.
    pub(crate) fn forget(
        &mut self,
        sold: &HashSet<ProductKey, RandomState>,
        now: Millis,
        cutoff: Millis,
        change: &mut Vec<(CatalogueRow, Diff)>,
    ) {
        self.0.retain(|product, seen| {
            let at = if sold.contains(product) { now } else { seen.unwrap_or(now) };
            *seen = Some(at);
            if at <= cutoff {
                change.push((row(*product), -1));
            }
            at > cutoff
        });
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The products of which a row came or went. A row that did both within the change has done neither.
fn changed(change: &[(CatalogueRow, Diff)]) -> Vec<ProductKey> {
    let mut rows = change.to_vec();
    rows.sort_unstable_by_key(|(row, _)| *row);
    let of_row = rows.chunk_by(|(one, _), (other, _)| one == other);
    let differs = of_row.filter(|copies| copies.iter().map(|(_, diff)| diff).sum::<Diff>() != 0);
    let mut products: Vec<ProductKey> = differs.map(|copies| copies[0].0.product).collect();
    products.dedup();
    products
}

fn row(product: ProductKey) -> CatalogueRow {
    CatalogueRow { product, category: CategoryKey::DELETED }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    #[test]
    fn a_product_is_deleted_from_when_its_last_row_goes_until_another_one_comes() {
        let ids = Dictionary::new(Ids::new([0; 16]));
        let (lamp, light) = (ids.product("lamp").unwrap(), ids.category("light").unwrap());
        let listed = CatalogueRow { product: lamp, category: light };
        let mut deleted = Deleted::default();
        let mut settle = |change: &[(CatalogueRow, Diff)], has_row: bool| {
            let mut change = change.to_vec();
            let rows = change.len();
            deleted.settle(&mut change, |_| has_row);
            change.split_off(rows)
        };
        assert_eq!(settle(&[(listed, 1)], true), []);
        assert_eq!(settle(&[(listed, -1)], true), [], "it has another row");
        assert_eq!(settle(&[(listed, -1)], false), [(row(lamp), 1)]);
        assert_eq!(settle(&[(listed, 1), (listed, -1)], false), [], "it is deleted already");
        assert_eq!(settle(&[(listed, 1)], true), [(row(lamp), -1)]);
        let nothing = [(listed, 1), (listed, -1)];
        assert_eq!(settle(&nothing, false), [], "it came and went at once: it is as unknown as before");
        assert_eq!(settle(&[(listed, -1), (listed, -1)], false), [(row(lamp), 1)], "once, however many rows it had");
    }

    #[test]
    fn a_deleted_product_is_forgotten_a_window_after_its_last_line() {
        let ids = Dictionary::new(Ids::new([0; 16]));
        let lamp = ids.product("lamp").unwrap();
        let mut deleted = Deleted::default();
        assert!(deleted.hold(&row(lamp)));
        let mut forget = |sold: bool, now: Millis| {
            let (mut change, sold) = (Vec::new(), sold.then_some(lamp).into_iter().collect());
            deleted.forget(&sold, now, now - 100, &mut change);
            change.into_iter().map(|(_, diff)| diff).collect::<Vec<_>>()
        };
        assert_eq!((forget(true, 1000), forget(true, 1150)), (vec![], vec![]));
        assert_eq!((forget(false, 1249), forget(false, 1250), forget(false, 1251)), (vec![], vec![-1], vec![]));
    }
}
