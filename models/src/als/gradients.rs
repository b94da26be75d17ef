//! Conjugate gradients (Hestenes, Stiefel 1952) for one row of a half step, from where the previous iteration ended.

use super::whitened::Whitened;
use crate::vectors::{add_four_scaled, add_scaled, dot, dots};

/// A system is solved when the residual is at most this share of the right side. All eigenvalues are at least 1, so the error of
/// w is not longer than the residual.
const LEFT_MAX: f32 = 1e-5;

/// Limit of the steps. A system that needs more is solved by Cholesky.
const STEPS_MAX: usize = 24;

/// Rows of z that are read together.
const TOGETHER: usize = 4;

/// A system of the form (I + Σ (c − 1) z zᵀ) w = Σ c z, and room to solve it; used for one row after the other.
#[derive(Default)]
pub(super) struct Gradients {
    /// The rows of z, each with c − 1.
    entries: Vec<(u32, f32)>,
    target: Vec<f32>,
    solution: Vec<f32>,
    residual: Vec<f32>,
    direction: Vec<f32>,
    image: Vec<f32>,
}

impl Gradients {
    /// Solves for x in `out`, which holds a first guess, with its padding; c = 1 + confidence · weight. False if the steps do
    /// not suffice.
    pub(super) fn solve(
        &mut self,
        whitened: &Whitened,
        entries: impl Iterator<Item = (u32, f32)>,
        confidence: f32,
        out: &mut [f32],
    ) -> bool {
        self.entries.clear();
        // A weight of 0 says nothing: the pair is as good as absent.
        let known = entries.filter(|(_, weight)| *weight > 0.0);
        self.entries.extend(known.map(|(row, weight)| (row, confidence * weight)));
        if self.entries.is_empty() {
            out.fill(0.0);
            return true;
        }
        self.begin(whitened, out);
        let enough = LEFT_MAX * LEFT_MAX * dot(&self.target, &self.target);
        let mut left = dot(&self.residual, &self.residual);
        for _ in 0..STEPS_MAX {
            if left <= enough {
                whitened.colour(&self.solution, out);
                return out.iter().all(|value| value.is_finite());
            }
            apply(&self.entries, whitened, &self.direction, &mut self.image);
            let step = left / dot(&self.direction, &self.image);
            add_scaled(&mut self.solution, &self.direction, step);
            add_scaled(&mut self.residual, &self.image, -step);
            let before = std::mem::replace(&mut left, dot(&self.residual, &self.residual));
            let kept = left / before;
            let pairs = self.direction.iter_mut().zip(&self.residual);
            pairs.for_each(|(direction, residual)| *direction = residual + kept * *direction);
        }
        false
    }

    /// The right side, and what is left of it at the first guess.
    fn begin(&mut self, whitened: &Whitened, guess: &[f32]) {
        let Gradients { entries, target, solution, residual, direction, image } = self;
        for vector in [&mut *target, &mut *solution, &mut *residual, &mut *direction, &mut *image] {
            vector.clear();
            vector.resize(whitened.stride(), 0.0);
        }
        whitened.whiten(guess, solution);
        let (fours, rest) = entries.as_chunks::<TOGETHER>();
        for four in fours {
            add_four_scaled(target, four.map(|(row, _)| whitened.row(row)), four.map(|(_, more)| 1.0 + more));
        }
        rest.iter().for_each(|(row, more)| add_scaled(target, whitened.row(*row), 1.0 + more));
        apply(entries, whitened, solution, image);
        let left = target.iter().zip(&*image).map(|(target, image)| target - image);
        residual.iter_mut().zip(left).for_each(|(residual, left)| *residual = left);
        direction.copy_from_slice(residual);
    }
}

/// `image` = (I + Σ (c − 1) z zᵀ) `vector`.
fn apply(entries: &[(u32, f32)], whitened: &Whitened, vector: &[f32], image: &mut [f32]) {
    image.copy_from_slice(vector);
    let (fours, rest) = entries.as_chunks::<TOGETHER>();
    for four in fours {
        let rows = four.map(|(row, _)| whitened.row(row));
        let products = dots(rows, vector);
        let factors: [f32; TOGETHER] = std::array::from_fn(|entry| four[entry].1 * products[entry]);
        add_four_scaled(image, rows, factors);
    }
    for (row, more) in rest {
        let z = whitened.row(*row);
        add_scaled(image, z, more * dot(z, vector));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::als::gram::{gram, narrow};
    use crate::als::half_step::Solver;
    use crate::random;
    use crate::vectors::Vectors;

    #[test]
    fn steps_find_what_cholesky_finds() {
        for size in [1, 5, 8, 64] {
            let mut fixed = Vectors::zeros(2000, size);
            for row in 0..fixed.rows() {
                let value = |column: usize| random::unit(9, (row * size + column) as u64) as f32 - 0.5;
                (0..size).for_each(|column| fixed.row_mut(row)[column] = value(column));
            }
            let base = gram(&fixed, 0.1);
            let whitened = Whitened::new(&fixed, &base).expect("A is positive definite");
            let (mut gradients, mut solver) = (Gradients::default(), Solver::new(&fixed));
            for count in [0, 1, 3, 4, 50, 1000] {
                let entry = |place: u32| (2 * place % 2000, (place % 3) as f32);
                let entries = (0..count).map(entry);
                let (mut found, mut exact) = (fixed.padded(3).to_vec(), vec![0.0; fixed.stride()]);
                assert!(gradients.solve(&whitened, entries.clone(), 10.0, &mut found), "{size}, {count}");
                assert!(solver.solve(&narrow(&base), entries, 10.0, &mut exact));
                let largest = exact.iter().fold(1e-3, |largest: f32, value| largest.max(value.abs()));
                let off = found.iter().zip(&exact).map(|(found, exact)| (found - exact).abs()).fold(0.0, f32::max);
                assert!(off < 1e-4 * largest, "{size}, {count}: {found:?} for {exact:?}");
            }
        }
    }

    #[test]
    fn a_guess_that_is_no_number_is_left_to_cholesky() {
        let mut fixed = Vectors::zeros(3, 2);
        fixed.row_mut(1).fill(1.0);
        let whitened = Whitened::new(&fixed, &gram(&fixed, 1.0)).expect("A is positive definite");
        let mut out = vec![f32::NAN; fixed.stride()];
        assert!(!Gradients::default().solve(&whitened, [(1, 1.0)].into_iter(), 1.0, &mut out));
    }
}
