//! The numbers of a training, and why it cannot run.

use super::Weights;
use super::gram;
use crate::vectors::stride_of;

/// The numbers that a training needs beside its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The length k of a vector.
    pub factors: usize,
    /// How often both sides are solved.
    pub iterations: u32,
    /// λ: what keeps the factors of rows with few pairs small. Above 0.
    pub regularization: f32,
    /// How much one unit of weight adds to the confidence of a pair.
    pub confidence: f32,
    /// The seed of the first factors.
    pub seed: u64,
    /// Limit of the memory of a training, in bytes. See [`Parameters::memory_bytes`].
    pub memory_bytes_max: u64,
    /// The least number of pairs from which a model is learned.
    pub pairs_min: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            factors: 64,
            iterations: 15,
            regularization: 0.01,
            confidence: 1.0,
            seed: 1,
            memory_bytes_max: 4 << 30,
            pairs_min: 1,
        }
    }
}

/// Why nothing could be learned. The previous model stays in use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is too little to learn from.
    #[error(
        "the training data has {pairs} pairs of user and product, {missing} less than the {needed} that a model needs: \
         read more days, or lower models.als.pairs_min", missing = needed - pairs
    )]
    TooLittle {
        /// The pairs.
        pairs: usize,
        /// The least number of pairs.
        needed: usize,
    },
    /// The training would need more memory than allowed.
    #[error(
        "the training needs {needed} bytes of memory, more than the {allowed} that are allowed: raise \
         models.als.memory_max, or lower models.als.factors"
    )]
    Memory {
        /// The bytes it needs.
        needed: u64,
        /// The bytes that are allowed.
        allowed: u64,
    },
    /// A weight, or a parameter, is not usable.
    #[error("{name} is {value}: it must be a finite number, {least}")]
    Number {
        /// The name of the number.
        name: &'static str,
        /// Its value.
        value: f32,
        /// Its bound, in words.
        least: &'static str,
    },
    /// A system of equations has no solution in this precision.
    #[error("the factors of row {row} cannot be solved for: raise models.als.regularization")]
    Singular {
        /// The user or product.
        row: usize,
    },
    /// The caller ended the training.
    #[error("the training was ended in iteration {iteration}")]
    Ended {
        /// The iteration that did not start.
        iteration: u32,
    },
}

impl Parameters {
    /// The memory that a training takes, in bytes: the histories, both orders of the pairs, both sides' factors, those of one
    /// side once more, and the sums of the Gram matrix. What each thread adds is less than 1 MB for 128 factors.
    #[must_use]
    pub fn memory_bytes(&self, users: usize, products: usize, pairs: usize) -> u64 {
        let stride = stride_of(self.factors) as u64;
        let (users, products, pairs) = (users as u64, products as u64, pairs as u64);
        let histories = pairs * 4 + users * 32 + products * 64;
        let both_orders = 2 * pairs * 8 + (users + products + 2) * 8;
        let factors = (users + products + users.max(products)) * stride * 4;
        histories + both_orders + factors + gram::BLOCKS_MAX as u64 * stride * stride * 8
    }

    /// Whether a training with this input needs no more memory than allowed.
    ///
    /// # Errors
    /// It needs more; the error says how much.
    pub fn allow(&self, users: usize, products: usize, pairs: usize) -> Result<(), Error> {
        let (needed, allowed) = (self.memory_bytes(users, products, pairs), self.memory_bytes_max);
        if needed > allowed { Err(Error::Memory { needed, allowed }) } else { Ok(()) }
    }

    pub(super) fn check(&self, weights: &Weights) -> Result<(), Error> {
        let number = |name, value: f32, fits: bool, least| {
            if fits && value.is_finite() { Ok(()) } else { Err(Error::Number { name, value, least }) }
        };
        number("the number of factors", self.factors as f32, self.factors > 0, "above 0")?;
        number("the regularization", self.regularization, self.regularization > 0.0, "above 0")?;
        number("the confidence", self.confidence, self.confidence >= 0.0, "at least 0")?;
        for &weight in weights.values() {
            number("a weight", weight, weight >= 0.0, "at least 0")?;
        }
        let needed = self.pairs_min.max(1);
        if weights.pairs() < needed {
            return Err(Error::TooLittle { pairs: weights.pairs(), needed });
        }
        self.allow(weights.users(), weights.products(), weights.pairs())
    }
}
