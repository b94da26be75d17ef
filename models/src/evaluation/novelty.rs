//! How far lists reach beyond what everybody sees: coverage, novelty, and the share of new products.

use std::collections::HashSet;
use std::hash::Hash;

/// Catalogue coverage: the share of `products` products that are in any of the lists. `is_one` tells whether a product shown is
/// one of them.
#[must_use]
pub fn coverage<P: Eq + Hash>(shown: &HashSet<P>, products: usize, is_one: impl Fn(&P) -> bool) -> f64 {
    let counted = shown.iter().filter(|product| is_one(product)).count();
    if products == 0 { 0.0 } else { counted as f64 / products as f64 }
}

/// Novelty of a list: the mean of −log₂ of each product's share of all views, in bits (Vargas, Castells 2011). `views` gives
/// the views of a product up to now, of `all` views. A product without a view counts like a product with one.
#[must_use]
pub fn novelty<P>(list: &[P], all: u64, views: impl Fn(&P) -> u64) -> f64 {
    if list.is_empty() {
        return 0.0;
    }
    let bits = |product: &P| ((all.max(1) as f64) / (views(product).max(1) as f64)).log2();
    list.iter().map(bits).sum::<f64>() / list.len() as f64
}

/// The share of a list's products that `is_new` holds for.
#[must_use]
pub fn share_of_new<P>(list: &[P], is_new: impl Fn(&P) -> bool) -> f64 {
    if list.is_empty() {
        return 0.0;
    }
    list.iter().filter(|product| is_new(product)).count() as f64 / list.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_of_eight_products_are_shown() {
        assert_eq!(coverage(&HashSet::from([1, 2, 7]), 8, |product| *product < 8), 0.375);
        assert_eq!(coverage(&HashSet::from([1, 2, 7, 8, 9]), 8, |product| *product < 8), 0.375, "8 and 9 are others");
        assert_eq!(coverage(&HashSet::<u8>::new(), 0, |_| true), 0.0);
    }

    #[test]
    fn a_product_with_a_quarter_of_all_views_carries_two_bits() {
        let views = |product: &u8| [4, 2, 0][usize::from(*product)];
        assert_eq!(novelty(&[0], 16, views), 2.0);
        assert_eq!(novelty(&[0, 1], 16, views), 2.5);
        assert_eq!(novelty(&[2], 16, views), 4.0, "a product that nobody saw counts like one seen once");
        assert_eq!(novelty(&[], 16, views), 0.0);
    }

    #[test]
    fn one_of_four_products_is_new() {
        assert_eq!(share_of_new(&[1, 2, 3, 4], |product| *product == 3), 0.25);
        assert_eq!(share_of_new(&[], |_: &u8| true), 0.0);
    }
}
