//! A trained model by the callers' keys of products: from a history to recommendations.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Als, recency_weights};

/// A model whose products have keys. Cheap to share between threads, as it never changes.
#[derive(Clone, Debug)]
pub struct KeyedAls<P> {
    als: Als,
    products: Vec<P>,
    rows: HashMap<P, u32>,
    weights: Vec<f32>,
}

impl<P: Copy + Eq + Hash> KeyedAls<P> {
    /// `products`: the key of each row of the model. Only the `newest` products of a history count, with weights that halve
    /// every `half_life` places.
    ///
    /// # Panics
    /// When the model has another number of rows.
    #[must_use]
    pub fn new(als: Als, products: Vec<P>, newest: usize, half_life: u32) -> Self {
        assert_eq!(als.products().rows(), products.len(), "each row has a key");
        let rows = products.iter().copied().zip(0..).collect();
        KeyedAls { als, products, rows, weights: recency_weights(newest, half_life as f32) }
    }

    /// The `count` products that fit a history best (newest first), best first, with their scores, without products that
    /// `skip` names. Empty if the model knows no product of the history.
    pub fn best_after(&self, history: &[P], count: usize, mut skip: impl FnMut(P) -> bool) -> Vec<(P, f32)> {
        let known = |(product, weight): (&P, &f32)| Some((*self.rows.get(product)?, *weight));
        let known: Vec<(u32, f32)> = history.iter().zip(&self.weights).filter_map(known).collect();
        let Some(factors) = self.als.fold_in(&known) else { return Vec::new() };
        let product = |row: u32| self.products[row as usize];
        let best = self.als.best(&factors, count, |row| skip(product(row)));
        best.into_iter().map(|scored| (product(scored.row), scored.score)).collect()
    }
}
