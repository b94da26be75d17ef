//! Similar products that were asked for lately, kept while nothing of them changes.
//!
//! Pages of products ask for the same lists again and again, and the counts behind them change only at the ends of
//! periods. A list is kept with the version of the state it was made from, and is used only for the same version.

use dataflow::ids::ProductKey;
use dataflow::time::Time;

use super::SimilarProduct;

/// Products of a list that are kept.
pub(crate) const KEPT: usize = 10;

/// Lists that are kept at most: about 5 MiB. A power of two.
const SLOTS: usize = 1 << 14;

/// What a list was made from. Equal versions give equal lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The version of co-views and catalogue.
    pub(crate) graph: Time,
    /// The version of the content vectors; 0 without any.
    pub(crate) content: u64,
}

struct Slot {
    product: ProductKey,
    /// None while the slot has no list.
    version: Option<Version>,
    rows: Vec<SimilarProduct>,
}

/// The lists that a thread keeps, each in the slot of its product.
#[derive(Default)]
pub(crate) struct SimilarCache {
    slots: Vec<Option<Slot>>,
}

impl SimilarCache {
    /// The first products of a list in the state with this version; `make` writes them if they are not kept.
    pub(crate) fn get_or_make(
        &mut self,
        product: ProductKey,
        version: Version,
        make: impl FnOnce(&mut Vec<SimilarProduct>),
    ) -> &[SimilarProduct] {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        // Keys of products are hashes already.
        let at = usize::try_from(product.route() & (SLOTS as u64 - 1)).expect("a slot's number is small");
        let empty = || Slot { product, version: None, rows: Vec::with_capacity(KEPT + 1) };
        let slot = self.slots[at].get_or_insert_with(empty);
        if slot.product != product || slot.version != Some(version) {
            make(&mut slot.rows);
            slot.rows.truncate(KEPT);
            (slot.product, slot.version) = (product, Some(version));
        }
        &slot.rows
    }
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    use super::*;
    use crate::similar::SimilarReason;

    #[test]
    fn a_list_is_made_again_for_another_version_or_after_another_product_of_its_slot() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let key = |number: usize| dictionary.product(&format!("product-{number}")).expect("no collision");
        let slot = |product: ProductKey| product.route() % SLOTS as u64;
        let other = (1..).map(key).find(|other| slot(*other) == slot(key(0))).expect("slots are few");
        let mut cache = SimilarCache::default();
        let mut made = Vec::new();
        for (product, graph, content) in [
            (key(0), 5, 1),
            (key(0), 5, 1),
            (other, 5, 1),
            (other, 5, 1),
            (key(0), 5, 1),
            (key(0), 6, 1),
            (key(0), 6, 2),
        ] {
            let similar = SimilarProduct { product, reason: SimilarReason::CoViewed { weight: graph + content } };
            let rows = cache.get_or_make(product, Version { graph, content }, |rows| {
                made.push((product == other, graph, content));
                rows.clear();
                rows.push(similar);
            });
            assert_eq!(rows, [similar]);
        }
        assert_eq!(made, [(false, 5, 1), (true, 5, 1), (false, 5, 1), (false, 6, 1), (false, 6, 2)]);
    }
}
