//! The card of a model: what it was trained on, how, and how good it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::als::Parameters;

/// The card of a model. It depends only on the training's input, so the same training gives the same file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The method: `als`.
    pub method: String,
    /// The time of the first event it was trained on, in milliseconds since the epoch.
    pub data_from_ms: u64,
    /// The time of the last event.
    pub data_until_ms: u64,
    /// The number of users.
    pub users: usize,
    /// The number of products.
    pub products: usize,
    /// The number of pairs of user and product.
    pub pairs: usize,
    /// The length of a vector.
    pub factors: usize,
    /// How often both sides were solved.
    pub iterations: u32,
    /// λ.
    pub regularization: f32,
    /// How much one unit of weight adds to the confidence of a pair.
    pub confidence: f32,
    /// The places in a history after which a product's weight has halved.
    pub half_life: f32,
    /// The seed of the first vectors.
    pub seed: u64,
    /// Measures on data that was held back, by name.
    pub metrics: BTreeMap<String, f64>,
}

impl Card {
    /// The numbers of the training that fold-in needs too.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        Parameters {
            factors: self.factors,
            iterations: self.iterations,
            regularization: self.regularization,
            confidence: self.confidence,
            seed: self.seed,
            ..Parameters::default()
        }
    }
}
