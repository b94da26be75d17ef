//! What all systems of a half step share, A = YᵀY + λI, is taken out of them once.
//!
//! With A = L Lᵀ, z = L⁻¹ y and w = Lᵀ x,
//!
//! ```text
//! (A + Σ (c − 1) y yᵀ) x = Σ c y     becomes     (I + Σ (c − 1) z zᵀ) w = Σ c z
//! ```
//! The products of a user are a small part of all, so this matrix is close to I: conjugate gradients need few steps, and a
//! step needs no matrix.

use rayon::prelude::*;

use super::cholesky;
use crate::vectors::{LANES, Vectors, add_four_scaled, dots};

/// Vectors that a thread takes at a time.
const VECTORS: usize = 64;

/// Rows of a matrix that are read together: half as many as there are lanes, so that no rest is left.
const TOGETHER: usize = LANES / 2;

/// The vectors z of one side, and the way from x to w and back.
pub(super) struct Whitened {
    vectors: Vectors,
    lower: Lower,
    inverse: Lower,
}

impl Whitened {
    /// From y and A, the upper triangle in rows of the padded length. None if A is not positive definite in 64-bit numbers,
    /// or leaves the range of 32-bit numbers.
    pub(super) fn new(fixed: &Vectors, base: &[f64]) -> Option<Whitened> {
        let (size, stride) = (fixed.dimension(), fixed.stride());
        let upper = cholesky::factor(base, size, stride)?;
        let lower = Lower::new(size, stride, |row, column| upper[column * size + row])?;
        let inverse = inverse(&upper, size);
        let inverse = Lower::new(size, stride, |row, column| inverse[row * size + column])?;
        let mut vectors = Vectors::zeros(fixed.rows(), size);
        let rows = vectors.values_mut().par_chunks_mut(VECTORS * stride);
        rows.zip(fixed.values().par_chunks(VECTORS * stride)).for_each(|(whitened, fixed)| {
            let pairs = whitened.chunks_exact_mut(stride).zip(fixed.chunks_exact(stride));
            pairs.for_each(|(z, y)| inverse.times(y, z));
        });
        Some(Whitened { vectors, lower, inverse })
    }

    /// z of a row, with its padding.
    pub(super) fn row(&self, row: u32) -> &[f32] {
        self.vectors.padded(row as usize)
    }

    /// The padded length of a row.
    pub(super) fn stride(&self) -> usize {
        self.vectors.stride()
    }

    /// w = Lᵀ x.
    pub(super) fn whiten(&self, x: &[f32], w: &mut [f32]) {
        self.lower.transposed_times(x, w);
    }

    /// x = L⁻ᵀ w.
    pub(super) fn colour(&self, w: &[f32], x: &mut [f32]) {
        self.inverse.transposed_times(w, x);
    }
}

/// A lower triangular matrix, in rows of the padded length, and as many of them.
struct Lower {
    stride: usize,
    rows: Vec<f32>,
}

impl Lower {
    /// None if a value leaves the range of 32-bit numbers.
    fn new(size: usize, stride: usize, value: impl Fn(usize, usize) -> f64) -> Option<Lower> {
        let mut rows = vec![0.0; stride * stride];
        for row in 0..size {
            (0..=row).for_each(|column| rows[row * stride + column] = value(row, column) as f32);
        }
        rows.iter().all(|value| value.is_finite()).then_some(Lower { stride, rows })
    }

    /// The rows in groups, without the columns in which a whole group is 0.
    fn groups(&self) -> impl Iterator<Item = [&[f32]; TOGETHER]> {
        let groups = self.rows.chunks_exact(TOGETHER * self.stride).enumerate();
        groups.map(|(group, rows)| {
            let columns = ((group + 1) * TOGETHER).next_multiple_of(LANES);
            std::array::from_fn(|row| &rows[row * self.stride..][..columns])
        })
    }

    /// The product with a vector.
    fn times(&self, vector: &[f32], out: &mut [f32]) {
        for (rows, out) in self.groups().zip(out.as_chunks_mut::<TOGETHER>().0) {
            *out = dots(rows, &vector[..rows[0].len()]);
        }
    }

    /// The product of the transposed matrix with a vector.
    fn transposed_times(&self, vector: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for (rows, factors) in self.groups().zip(vector.as_chunks::<TOGETHER>().0) {
            add_four_scaled(&mut out[..rows[0].len()], rows, *factors);
        }
    }
}

/// The inverse of L = Uᵀ, in rows of `size` numbers.
fn inverse(upper: &[f64], size: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; size * size];
    for column in 0..size {
        for row in column..size {
            let known = if row == column { 1.0 } else { 0.0 };
            let taken: f64 = (column..row).map(|k| upper[k * size + row] * inverse[k * size + column]).sum();
            inverse[row * size + column] = (known - taken) / upper[row * size + row];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::als::gram::gram;
    use crate::random;
    use crate::vectors::dot;

    #[test]
    fn the_shared_part_becomes_the_identity_and_back() {
        for size in [1, 7, 8, 20] {
            let mut fixed = Vectors::zeros(3 * size, size);
            for row in 0..fixed.rows() {
                let value = |column: usize| random::unit(3, (row * size + column) as u64) as f32 - 0.5;
                (0..size).for_each(|column| fixed.row_mut(row)[column] = value(column));
            }
            let base = gram(&fixed, 0.5);
            let whitened = Whitened::new(&fixed, &base).expect("A is positive definite");
            let x = fixed.padded(1);
            let (mut w, mut again) = (vec![0.0; fixed.stride()], vec![0.0; fixed.stride()]);
            whitened.whiten(x, &mut w);
            whitened.colour(&w, &mut again);
            assert!(x.iter().zip(&again).all(|(x, again)| (x - again).abs() < 1e-5), "{x:?} {again:?}");
            // |w|² = xᵀ A x, and z w = y x.
            let quadratic = |i: usize, j: usize| {
                let value = base[i.min(j) * fixed.stride() + i.max(j)];
                f64::from(x[i]) * value * f64::from(x[j])
            };
            let length: f64 =
                (0..size).flat_map(|i| (0..size).map(move |j| (i, j))).map(|(i, j)| quadratic(i, j)).sum();
            assert!((f64::from(dot(&w, &w)) - length).abs() < 1e-4 * length);
            let (left, right) = (dot(whitened.row(2), &w), dot(fixed.padded(2), x));
            assert!((left - right).abs() < 1e-4, "{left} {right}");
        }
    }

    #[test]
    fn a_shared_part_that_is_not_positive_definite_is_refused() {
        let fixed = Vectors::zeros(3, 4);
        assert!(Whitened::new(&fixed, &gram(&fixed, 0.0)).is_none());
        assert!(Whitened::new(&fixed, &gram(&fixed, 1e-3)).is_some());
    }
}
