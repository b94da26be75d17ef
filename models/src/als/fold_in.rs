//! A trained model in use: a user's factors from the present history, and the products that fit them best.

use super::half_step::Solver;
use super::{Parameters, gram};
use crate::scan::{Scan, Scored};
use crate::vectors::Vectors;

/// The products' factors, and what folding in needs of them.
#[derive(Clone, Debug)]
pub struct Als {
    parameters: Parameters,
    products: Scan,
    /// YᵀY + λI, upper triangle.
    base: Vec<f32>,
}

impl Als {
    /// A model with these factors of the products.
    #[must_use]
    pub fn new(products: Vectors, parameters: Parameters) -> Als {
        let base = gram::narrow(&gram::gram(&products, parameters.regularization));
        Als { parameters, products: Scan::new(products), base }
    }

    /// The factors of the products.
    #[must_use]
    pub fn products(&self) -> &Vectors {
        self.products.vectors()
    }

    /// The numbers it was trained with.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A user's factors from the products of its history and their weights: one system of k equations. `None` if no product
    /// has a weight above 0, or if the system has no solution. Products beyond the model's are left out.
    #[must_use]
    pub fn fold_in(&self, history: &[(u32, f32)]) -> Option<Vec<f32>> {
        let products = self.products();
        let known = |(product, weight): &&(u32, f32)| {
            (*product as usize) < products.rows() && *weight > 0.0 && weight.is_finite()
        };
        let entries = history.iter().filter(known).copied();
        entries.clone().next()?;
        let mut factors = vec![0.0; products.stride()];
        let solved = Solver::new(products).solve(&self.base, entries, self.parameters.confidence, &mut factors);
        factors.truncate(products.dimension());
        solved.then_some(factors)
    }

    /// How well a product fits a user's factors: their inner product.
    #[must_use]
    pub fn score(&self, product: u32, factors: &[f32]) -> f32 {
        self.products().row(product as usize).iter().zip(factors).map(|(a, b)| a * b).sum()
    }

    /// The `count` products that fit a user's factors best, best first, without those that do not fit (0 or
    /// less) and those that `skip` names.
    ///
    /// # Panics
    /// When the factors are not of this model's length.
    #[must_use]
    pub fn best(&self, factors: &[f32], count: usize, skip: impl FnMut(u32) -> bool) -> Vec<Scored> {
        self.products.largest_products(factors, 0.0, count, skip)
    }
}

/// Weights for a history of `count` products, newest first: 1, halved every `half_life` places.
#[must_use]
pub fn recency_weights(count: usize, half_life: f32) -> Vec<f32> {
    (0..count).map(|place| (-(place as f32) / half_life).exp2()).collect()
}
