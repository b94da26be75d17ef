//! One side's factors from the other side's: one system for each row, by all threads of the pool.

use rayon::prelude::*;

use super::gradients::Gradients;
use super::gram::{Panel, gram, narrow};
use super::whitened::Whitened;
use super::{Error, Parameters, Weights, cholesky};
use crate::vectors::Vectors;

/// Rows that a thread takes at a time.
const ROWS: usize = 16;

/// Solves for all rows of `out`: row u from the vectors of `fixed` that `weights` has for u. The rows of `out` are the first
/// guesses.
pub(super) fn solve(
    weights: &Weights,
    fixed: &Vectors,
    parameters: &Parameters,
    out: &mut Vectors,
) -> Result<(), Error> {
    let base = gram(fixed, parameters.regularization);
    let whitened = Whitened::new(fixed, &base);
    let (base, stride) = (narrow(&base), out.stride());
    out.values_mut()
        .par_chunks_mut(ROWS * stride)
        .enumerate()
        .try_for_each_init(
            || (Gradients::default(), Solver::new(fixed)),
            |(gradients, solver), (chunk, rows)| {
                for (place, out) in rows.chunks_exact_mut(stride).enumerate() {
                    let row = chunk * ROWS + place;
                    let (entries, confidence) = (weights.row(row), parameters.confidence);
                    let near = whitened.as_ref();
                    let is_near = near.is_some_and(|near| gradients.solve(near, entries.clone(), confidence, out));
                    if !is_near && !solver.solve(&base, entries, confidence, out) {
                        return Err(row);
                    }
                }
                Ok(())
            },
        )
        .map_err(|row| Error::Singular { row })
}

/// Sets up and solves systems over fixed vectors by Cholesky; keeps its room from one to the next.
pub(super) struct Solver<'a> {
    fixed: &'a Vectors,
    panel: Panel,
    sums: Vec<f32>,
    diagonal: Vec<f32>,
}

impl<'a> Solver<'a> {
    pub(super) fn new(fixed: &'a Vectors) -> Self {
        Solver { fixed, panel: Panel::new(fixed.stride()), sums: Vec::new(), diagonal: Vec::new() }
    }

    /// x = (base + Σ (c − 1) y yᵀ)⁻¹ Σ c y, with c = 1 + confidence · weight, into `out` with its padding. False if there is
    /// no solution.
    pub(super) fn solve(
        &mut self,
        base: &[f32],
        entries: impl Iterator<Item = (u32, f32)> + Clone,
        confidence: f32,
        out: &mut [f32],
    ) -> bool {
        self.set_up(base, entries.clone(), confidence, out);
        let size = self.fixed.dimension();
        if cholesky::solve(&mut self.sums, size, out, &mut self.diagonal) {
            return true;
        }
        self.set_up(base, entries, confidence, out);
        cholesky::solve_wide(&self.sums, size, out)
    }

    fn set_up(&mut self, base: &[f32], entries: impl Iterator<Item = (u32, f32)>, confidence: f32, out: &mut [f32]) {
        let Solver { fixed, panel, sums, .. } = self;
        sums.clear();
        sums.extend_from_slice(base);
        out.fill(0.0);
        // A weight of 0 says nothing: the pair is as good as absent.
        for (row, weight) in entries.filter(|(_, weight)| *weight > 0.0) {
            let (vector, more) = (fixed.padded(row as usize), confidence * weight);
            out.iter_mut().zip(vector).for_each(|(sum, value)| *sum += (1.0 + more) * value);
            panel.push(vector, more.sqrt());
            if panel.is_full() {
                panel.drain_into(sums);
            }
        }
        panel.drain_into(sums);
    }
}
