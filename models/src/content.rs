//! Products that are alike by their texts, or by embeddings that the shop gives: for new products, and for shops with few
//! users.
//!
//! ```text
//! name, description, category, attributes ─▶ terms ─▶ hashed TF-IDF ─┐
//! embeddings of the shop ─────────────────────────────────────────────┴▶ unit vectors ─▶ cosine by exact scan
//! ```
//! The lists are exactly those of all cosines. The time grows with the number of products: docs/benchmarks.md has it.

mod embeddings;
mod hashed;
mod settings;
mod terms;

use std::collections::HashMap;
use std::hash::Hash;

pub use embeddings::{Embeddings, Reason, Refused};
pub use hashed::Texts;
pub use settings::{ContentSettings, VectorKind};
pub use terms::Described;

use crate::scan::Scan;
use crate::vectors::Vectors;

/// Unit vectors of products, by the callers' keys of products. Cheap to share between threads, as it never changes.
#[derive(Clone, Debug)]
pub struct Content<P> {
    scan: Scan,
    products: Vec<P>,
    rows: HashMap<P, u32>,
    cosine_min: f32,
    with_vector: usize,
}

impl<P: Copy + Eq + Hash> Content<P> {
    /// `products`: the key of each row of `vectors`, whose rows have length 1, or only zeros for a product without a
    /// vector. Only products whose cosine is above `cosine_min` are similar.
    ///
    /// # Panics
    /// When there is another number of rows.
    #[must_use]
    pub fn new(vectors: Vectors, products: Vec<P>, cosine_min: f32) -> Content<P> {
        assert_eq!(vectors.rows(), products.len(), "each row has a key");
        let rows = products.iter().copied().zip(0..).collect();
        let has_vector = |row: &usize| vectors.row(*row).iter().any(|value| *value != 0.0);
        let with_vector = (0..products.len()).filter(has_vector).count();
        Content { scan: Scan::new(vectors), products, rows, cosine_min, with_vector }
    }

    /// The number of products with a vector.
    #[must_use]
    pub fn with_vector(&self) -> usize {
        self.with_vector
    }

    /// The memory of the vectors and of what scans need, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.scan.bytes()
    }

    /// The `count` products whose vectors have the largest cosine with a product's, best first, with the cosine, ties by
    /// the smaller row. Never the product itself, nor products that `skip` names. `skip` is only asked about products that
    /// would be in the list.
    pub fn similar(&self, product: P, count: usize, skip: impl FnMut(P) -> bool) -> Vec<(P, f32)> {
        self.near(&[product], count, skip)
    }

    /// The same for several products, the first of which counts most: the product at place j, from 0, with weight
    /// 1 / (j + 1). The cosine is that with the weighted sum of their vectors. Empty if no vector is known.
    pub fn near(&self, history: &[P], count: usize, mut skip: impl FnMut(P) -> bool) -> Vec<(P, f32)> {
        let mut sum = vec![0.0_f64; self.scan.vectors().dimension()];
        for (place, row) in (1_u32..).zip(history.iter().map(|product| self.rows.get(product))) {
            let Some(row) = row else { continue };
            let values = self.scan.vectors().row(*row as usize).iter();
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value) / f64::from(place));
        }
        let Some(query) = unit(&sum) else { return Vec::new() };
        let product = |row: u32| self.products[row as usize];
        let skip = |row| history.contains(&product(row)) || skip(product(row));
        let best = self.scan.largest_products(&query, self.cosine_min, count, skip);
        best.into_iter().map(|scored| (product(scored.row), scored.score)).collect()
    }
}

/// The vector of length 1 in the same direction; none if it has no direction: all its numbers are 0, or one is not finite.
fn unit(vector: &[f64]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    let has_direction = length > 0.0 && length.is_finite();
    has_direction.then(|| vector.iter().map(|value| (value / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products with these vectors; the key of a product is its letter.
    fn content(vectors: &[&[f32]], cosine_min: f32) -> Content<char> {
        let mut embeddings = Embeddings::default();
        vectors.iter().for_each(|vector| embeddings.add(vector.to_vec()));
        Content::new(embeddings.vectors().0, ('a'..).take(vectors.len()).collect(), cosine_min)
    }

    fn letters(list: &[(char, f32)]) -> String {
        list.iter().map(|(product, _)| *product).collect()
    }

    #[test]
    fn similar_products_point_in_the_same_direction() {
        let content = content(&[&[1.0, 0.0], &[2.0, 2.0], &[5.0, 0.1], &[-1.0, 0.0], &[0.0, 0.0], &[3.0, 3.0]], 0.0);
        let similar = |product, count, skipped| content.similar(product, count, |other| other == skipped);
        assert_eq!(letters(&similar('a', 9, '-')), "cbf", "ties are in the order of the rows");
        assert_eq!(letters(&similar('a', 9, 'c')), "bf");
        assert_eq!(letters(&similar('a', 1, '-')), "c");
        assert_eq!(letters(&similar('d', 9, '-')), "", "a product that points the other way is not similar");
        assert_eq!((letters(&similar('e', 9, '-')), letters(&similar('z', 9, '-'))), (String::new(), String::new()));
        let cosine = similar('a', 2, '-')[1].1;
        assert!((cosine - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6, "{cosine}");
    }

    #[test]
    fn a_history_is_a_weighted_sum_and_is_not_recommended() {
        let content = content(&[&[1.0, 0.0], &[0.0, 1.0], &[2.0, 1.0], &[1.0, 2.0], &[1.0, -9.0]], 0.7);
        // (1, ½) has the direction of c.
        let near = content.near(&['a', 'b'], 9, |_| false);
        assert_eq!(letters(&near), "cd");
        assert!((near[0].1 - 1.0).abs() < 1e-6 && (near[1].1 - 0.8).abs() < 1e-6, "{near:?}");
        assert_eq!(letters(&content.near(&['b', 'a'], 9, |_| false)), "dc");
        assert_eq!(letters(&content.near(&['z', 'a'], 9, |_| false)), "c", "a product without a vector is passed over");
        assert_eq!(letters(&content.near(&[], 9, |_| false)), "");
    }
}
