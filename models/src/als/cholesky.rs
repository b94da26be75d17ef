//! Solves A x = b for a symmetric positive definite A, exactly: A = UᵀU (Cholesky), then two triangular systems.

use crate::vectors::{LANES, dot};

/// The least ratio of a pivot to the diagonal element it came from. Below it, 32-bit numbers have lost the pivot.
const PIVOT_MIN: f32 = 1e-5;

/// Solves in 32-bit numbers. `a` holds the upper triangle in rows of `b.len()` numbers, the padded length; `b` becomes x.
/// False if the precision does not suffice: `a` and `b` are then spoilt.
///
/// Only the first `size` rows and columns count; `b` must be 0 behind them. `diagonal` is room for one row.
pub(super) fn solve(a: &mut [f32], size: usize, b: &mut [f32], diagonal: &mut Vec<f32>) -> bool {
    let stride = b.len();
    diagonal.clear();
    diagonal.extend((0..size).map(|k| a[k * stride + k]));
    for k in 0..size {
        let (above, below) = a.split_at_mut((k + 1) * stride);
        let row = &mut above[k * stride..];
        let pivot = row[k];
        if !(pivot > PIVOT_MIN * diagonal[k] && pivot.is_finite()) {
            return false;
        }
        let scale = 1.0 / pivot.sqrt();
        row[k..].iter_mut().for_each(|value| *value *= scale);
        for (i, target) in (k + 1..size).zip(below.chunks_exact_mut(stride)) {
            let factor = row[i];
            // From the begin of a lane: numbers below the diagonal are never read.
            let from = i - i % LANES;
            let values = &row[from..];
            target[from..].iter_mut().zip(values).for_each(|(target, value)| *target -= factor * value);
        }
    }
    for (k, row) in a.chunks_exact(stride).enumerate().take(size) {
        let value = b[k] / row[k];
        b[k] = value;
        b[k + 1..].iter_mut().zip(&row[k + 1..]).for_each(|(b, u)| *b -= value * u);
    }
    for (k, row) in a.chunks_exact(stride).enumerate().take(size).rev() {
        let lanes = (k + 1).next_multiple_of(LANES);
        let near: f32 = b[k + 1..lanes].iter().zip(&row[k + 1..lanes]).map(|(b, u)| b * u).sum();
        b[k] = (b[k] - (near + dot(&b[lanes..], &row[lanes..]))) / row[k];
    }
    b.iter().all(|value| value.is_finite())
}

/// Solves in 64-bit numbers, for the few systems that need them. `a` and `b` as for [`solve`].
pub(super) fn solve_wide(a: &[f32], size: usize, b: &mut [f32]) -> bool {
    let wide: Vec<f64> = a.iter().map(|value| f64::from(*value)).collect();
    let Some(u) = factor(&wide, size, b.len()) else { return false };
    let mut x: Vec<f64> = b[..size].iter().map(|value| f64::from(*value)).collect();
    for k in 0..size {
        let taken: f64 = (0..k).map(|row| u[row * size + k] * x[row]).sum();
        x[k] = (x[k] - taken) / u[k * size + k];
    }
    for k in (0..size).rev() {
        let taken: f64 = (k + 1..size).map(|i| u[k * size + i] * x[i]).sum();
        x[k] = (x[k] - taken) / u[k * size + k];
    }
    b.iter_mut().zip(&x).for_each(|(b, x)| *b = *x as f32);
    b.iter().all(|value| value.is_finite())
}

/// U with A = UᵀU in rows of `size` numbers, of A's upper triangle in rows of `stride` numbers; none if A is not positive
/// definite in 64-bit numbers.
pub(super) fn factor(a: &[f64], size: usize, stride: usize) -> Option<Vec<f64>> {
    let mut u = vec![0.0; size * size];
    for k in 0..size {
        for i in k..size {
            let taken: f64 = (0..k).map(|row| u[row * size + k] * u[row * size + i]).sum();
            let left = a[k * stride + i] - taken;
            if i == k && !(left > 0.0 && left.is_finite()) {
                return None;
            }
            u[k * size + i] = if i == k { left.sqrt() } else { left / u[k * size + k] };
        }
    }
    Some(u)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::vectors::stride_of;

    /// VᵀV + λI of random rows, and the product with a known solution.
    fn system(size: usize, rows: usize, least: f64) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let stride = stride_of(size);
        let v = |row: usize, column: usize| random::unit(11, (row * size + column) as u64) - 0.5;
        let entry = |i: usize, j: usize| {
            (0..rows).map(|row| v(row, i) * v(row, j)).sum::<f64>() + if i == j { least } else { 0.0 }
        };
        let solution: Vec<f64> = (0..size).map(|k| random::unit(12, k as u64) - 0.5).collect();
        let (mut a, mut b, mut x) = (vec![f32::NAN; stride * stride], vec![0.0; stride], vec![0.0; stride]);
        for i in 0..size {
            (i..size).for_each(|j| a[i * stride + j] = entry(i, j) as f32);
            (size..stride).for_each(|j| a[i * stride + j] = 0.0);
            b[i] = (0..size).map(|j| entry(i, j) * solution[j]).sum::<f64>() as f32;
            x[i] = solution[i] as f32;
        }
        (a, b, x)
    }

    #[test]
    fn both_precisions_find_the_solution() {
        for size in [1, 2, 7, 8, 9, 31, 64] {
            let (a, b, x) = system(size, 3 * size, 0.1);
            let (mut narrow, mut wide) = (b.clone(), b);
            assert!(solve(&mut a.clone(), size, &mut narrow, &mut Vec::new()) && solve_wide(&a, size, &mut wide));
            for found in [narrow, wide] {
                let error = found.iter().zip(&x).map(|(found, x)| (found - x).abs()).fold(0.0, f32::max);
                assert!(error < 2e-3, "{size}: off by {error}");
            }
        }
    }

    #[test]
    fn a_system_without_a_solution_is_refused() {
        let (a, b, _) = system(9, 3, 0.0);
        assert!(!solve(&mut a.clone(), 9, &mut b.clone(), &mut Vec::new()));
        let mut negative = a;
        negative[0] = -1.0;
        assert!(!solve_wide(&negative, 9, &mut b.clone()));
    }
}
