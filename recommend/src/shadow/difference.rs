//! The difference between a list of the shop and that of the shadow.

use std::collections::HashMap;

use dataflow::ids::ProductKey;

/// A product and its place, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The product.
    pub product: ProductKey,
    /// Its place.
    pub place: usize,
}

/// A product at another place, each counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedProduct {
    /// The product.
    pub product: ProductKey,
    /// Its place in the list of the shop.
    pub live: usize,
    /// Its place in that of the shadow.
    pub shadow: usize,
}

impl MovedProduct {
    /// How many places it moved.
    fn places(&self) -> usize {
        self.live.abs_diff(self.shadow)
    }
}

/// How the first products of two lists differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The share of products that both have, of the products of the longer of both: 1 for equal sets, also for two empty lists.
    pub overlap: f64,
    /// Products that only the shadow's list has.
    pub entered: Vec<Placed>,
    /// Products that only the shop's list has.
    pub left: Vec<Placed>,
    /// Products at another place, the farthest moves first.
    pub moved: Vec<MovedProduct>,
}

impl Difference {
    /// Whether both lists are the same.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.entered.is_empty() && self.left.is_empty() && self.moved.is_empty()
    }
}

/// The difference of the first `k` products of both lists, each of which has a product once.
#[must_use]
pub fn difference(live: &[ProductKey], shadow: &[ProductKey], k: usize) -> Difference {
    let [live, shadow] = [live, shadow].map(|list| &list[..list.len().min(k)]);
    let place = |list: &[ProductKey]| -> HashMap<ProductKey, usize> {
        list.iter().enumerate().map(|(at, product)| (*product, at + 1)).collect()
    };
    let (in_live, in_shadow) = (place(live), place(shadow));
    let only = |list: &[ProductKey], other: &HashMap<ProductKey, usize>| -> Vec<Placed> {
        let placed = list.iter().enumerate().map(|(at, product)| Placed { product: *product, place: at + 1 });
        placed.filter(|placed| !other.contains_key(&placed.product)).collect()
    };
    let mut moved: Vec<MovedProduct> = live
        .iter()
        .filter_map(|product| {
            let moved = MovedProduct { product: *product, live: in_live[product], shadow: *in_shadow.get(product)? };
            (moved.live != moved.shadow).then_some(moved)
        })
        .collect();
    moved.sort_by_key(|moved| (std::cmp::Reverse(moved.places()), moved.live));
    let (entered, left) = (only(shadow, &in_live), only(live, &in_shadow));
    let longer = live.len().max(shadow.len());
    let both = live.len() - left.len();
    let overlap = if longer == 0 { 1.0 } else { both as f64 / longer as f64 };
    Difference { overlap, entered, left, moved }
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    use super::*;

    #[test]
    fn what_enters_leaves_and_moves_is_named_with_its_places() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|id| dictionary.product(id).expect("no collision"));
        let found = difference(&[a, b, c, d], &[c, a, e, b], 4);
        let placed = |product, place| Placed { product, place };
        let moved = |product, live, shadow| MovedProduct { product, live, shadow };
        assert_eq!(found.entered, [placed(e, 3)]);
        assert_eq!(found.left, [placed(d, 4)]);
        assert_eq!(found.moved, [moved(b, 2, 4), moved(c, 3, 1), moved(a, 1, 2)]);
        assert!((found.overlap - 0.75).abs() < 1e-9 && !found.is_none());
        let first = difference(&[a, b, c, d], &[c, a, e, b], 2);
        assert_eq!((first.entered, first.left), (vec![placed(c, 1)], vec![placed(b, 2)]));
        let short = difference(&[a, b], &[a], 10);
        assert_eq!((short.overlap, short.left), (0.5, vec![placed(b, 2)]));
        let none = difference(&[], &[], 10);
        assert!(none.is_none() && none.overlap == 1.0);
    }
}
