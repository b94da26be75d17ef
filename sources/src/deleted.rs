//! Products that were deleted from the catalogue: they had rows and have lost the last one.
//!
//! The catalogue's rows alone do not tell such a product from one that was never in it, so a source adds a row to its
//! change that says so ([`CategoryKey::DELETED`]) and takes it back when the product has a row again. Checkpoints keep it
//! with all other rows. It is forgotten a window after the last order line of the product has left.

use std::collections::{HashMap, HashSet};

use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::tables::CatalogueRow;
use dataflow::time::{Diff, Millis};
use foldhash::fast::RandomState;

/// The products that the rows fed say to be deleted, and when lines of each were seen last, as far as that was looked at.
#[derive(Default)]
pub(crate) struct Deleted(HashMap<ProductKey, Option<Millis>, RandomState>);

impl Deleted {
    /// A row of an earlier process; whether it was one of these.
    pub(crate) fn hold(&mut self, row: &CatalogueRow) -> bool {
        let deleted = row.category == CategoryKey::DELETED;
        if deleted {
            self.0.insert(row.product, None);
        }
        deleted
    }

    /// Adds to a change of the catalogue's rows what it means for its products. `has_row` says of a product whether the
    /// catalogue has a row of it when the change is done; it is asked of products in the change only.
    pub(crate) fn settle(&mut self, change: &mut Vec<(CatalogueRow, Diff)>, has_row: impl Fn(ProductKey) -> bool) {
        for at in 0..change.len() {
            let (CatalogueRow { product, .. }, diff) = change[at];
            // The first reading of a large catalogue looks nothing up.
            if diff > 0 && self.0.is_empty() {
                continue;
            }
            if !has_row(product) {
                if self.0.insert(product, None).is_none() {
                    change.push((row(product), 1));
                }
            } else if self.0.remove(&product).is_some() {
                change.push((row(product), -1));
            }
        }
    }

    /// Whether it is one of them.
    pub(crate) fn contains(&self, product: ProductKey) -> bool {
        self.0.contains_key(&product)
    }

    /// Forgets the products whose lines were seen last at `cutoff` or before. Those of `sold` have lines `now`.
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
