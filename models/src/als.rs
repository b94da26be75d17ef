//! Alternating least squares for implicit feedback: Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback
//! Datasets", ICDM 2008.
//!
//! ```text
//! weights r(u, p) ≥ 0 ─▶ confidence c = 1 + confidence · r, preference 1 where r > 0
//! x(u) = (YᵀY + λI + Σ (c − 1) y yᵀ)⁻¹ Σ c y     over the products p of u, y = y(p)
//! y(p) likewise from x, in turns, `iterations` times, beginning with x
//! ```
//! Each system is solved to the precision of 32-bit numbers: by conjugate gradients, from which YᵀY + λI has been taken out, or
//! by Cholesky where they do not suffice. Every sum has a fixed order, so the same input and seed give the same bytes,
//! whatever the number of threads. Addition and multiplication are those of IEEE 754 and are never fused, so this also holds
//! from machine to machine.
//!
//! Only the products' factors are kept. A user's factors are folded in from the present history when they are needed
//! ([`Als::fold_in`]), so they are as fresh as the history.

mod cholesky;
mod fold_in;
mod gradients;
mod gram;
mod half_step;
mod held_back;
mod keyed;
mod parameters;
mod settings;
mod weights;
mod whitened;

use crate::random;
use crate::vectors::Vectors;

pub use fold_in::{Als, recency_weights};
pub use held_back::{Histories, Trained, train_and_measure};
pub use keyed::KeyedAls;
pub use parameters::{Error, Parameters};
pub use settings::AlsSettings;
pub use weights::{Weights, WeightsBuilder};

/// Half the width of the interval of the first factors: small against the factors that training finds.
const START: f64 = 0.01;

/// Learns the products' factors. Works in the present thread pool of rayon; `go_on` is called before each iteration with
/// its number, from 0, and ends the training early when it returns false.
///
/// # Errors
/// [`Error`]: nothing to learn from, more memory than allowed, a weight that is no finite number of at least 0, a system
/// that has no solution, or the end that `go_on` asked for.
pub fn train(weights: &Weights, parameters: &Parameters, mut go_on: impl FnMut(u32) -> bool) -> Result<Als, Error> {
    parameters.check(weights)?;
    let of_products = weights.transposed();
    let factors = parameters.factors;
    let mut users = Vectors::zeros(weights.users(), factors);
    let mut products = start(weights.products(), parameters);
    for iteration in 0..parameters.iterations {
        if !go_on(iteration) {
            return Err(Error::Ended { iteration });
        }
        half_step::solve(weights, &products, parameters, &mut users)?;
        half_step::solve(&of_products, &users, parameters, &mut products)?;
    }
    Ok(Als::new(products, *parameters))
}

/// The first factors of the products. A product that nobody saw keeps zeros, and is therefore never recommended.
fn start(products: usize, parameters: &Parameters) -> Vectors {
    let mut vectors = Vectors::zeros(products, parameters.factors);
    for row in 0..products {
        for (column, value) in vectors.row_mut(row).iter_mut().enumerate() {
            let index = (row * parameters.factors + column) as u64;
            *value = ((2.0 * random::unit(parameters.seed, index) - 1.0) * START) as f32;
        }
    }
    vectors
}
