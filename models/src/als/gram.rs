//! Sums of outer products Σ v vᵀ, the bulk of the arithmetic.
//!
//! Vectors are gathered in a *panel*: at most 128 vectors, cut into columns of eight numbers. For each pair of columns, a tile
//! of 4 × 8 sums stays in registers while the panel goes by, so each number that is loaded is used several times. Only the
//! tiles on and above the diagonal are computed.

use rayon::prelude::*;

use crate::vectors::{LANES, Vectors};

/// Vectors in one panel: with 64 factors, 32 kB.
const PANEL_ROWS: usize = 128;

/// Rows of a tile. Two tiles cover a column of a panel.
const TILE_ROWS: usize = LANES / 2;

/// Limit of the blocks of a Gram matrix. A block is summed by one thread, and the blocks' sums are added in their order.
pub(super) const BLOCKS_MAX: usize = 64;

/// The least number of rows in a block.
const BLOCK_ROWS_MIN: usize = 1024;

/// Vectors by columns of eight numbers: column c of vector v is `columns[c * PANEL_ROWS + v]`.
pub(super) struct Panel {
    columns: Vec<[f32; LANES]>,
    width: usize,
    rows: usize,
}

impl Panel {
    /// An empty panel for vectors of a padded length.
    pub(super) fn new(stride: usize) -> Self {
        let width = stride / LANES;
        Panel { columns: vec![[0.0; LANES]; width * PANEL_ROWS], width, rows: 0 }
    }

    /// Adds a vector times a factor. The panel must not be full.
    pub(super) fn push(&mut self, vector: &[f32], factor: f32) {
        for (column, values) in vector.as_chunks::<LANES>().0.iter().enumerate() {
            self.columns[column * PANEL_ROWS + self.rows] = values.map(|value| value * factor);
        }
        self.rows += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows == PANEL_ROWS
    }

    /// Adds the outer products of all vectors to the upper triangle of `sums`, a matrix in rows, and empties the panel.
    pub(super) fn drain_into<S: Sum>(&mut self, sums: &mut [S]) {
        for i in 0..self.width {
            for j in i..self.width {
                self.tile::<0, S>(i, j, sums);
                self.tile::<TILE_ROWS, S>(i, j, sums);
            }
        }
        self.rows = 0;
    }

    /// The half of the tile of columns i and j that begins at row `FIRST`.
    fn tile<const FIRST: usize, S: Sum>(&self, i: usize, j: usize, sums: &mut [S]) {
        let column = |column: usize| &self.columns[column * PANEL_ROWS..][..self.rows];
        let mut tile = [[0.0_f32; LANES]; TILE_ROWS];
        for (left, right) in column(i).iter().zip(column(j)) {
            for row in 0..TILE_ROWS {
                for lane in 0..LANES {
                    tile[row][lane] += left[FIRST + row] * right[lane];
                }
            }
        }
        let stride = self.width * LANES;
        for (row, tile) in tile.iter().enumerate() {
            let sums = &mut sums[(i * LANES + FIRST + row) * stride + j * LANES..][..LANES];
            sums.iter_mut().zip(tile).for_each(|(sum, value)| sum.add(*value));
        }
    }
}

/// The number that collects the sums of panels.
pub(super) trait Sum: Copy {
    /// Adds the sum of a panel.
    fn add(&mut self, value: f32);
}

impl Sum for f32 {
    fn add(&mut self, value: f32) {
        *self += value;
    }
}

impl Sum for f64 {
    fn add(&mut self, value: f32) {
        *self += f64::from(value);
    }
}

/// VᵀV + λI of the rows of V, upper triangle, in rows of the padded length.
pub(super) fn gram(vectors: &Vectors, regularization: f32) -> Vec<f64> {
    let stride = vectors.stride();
    // The blocks depend on the number of rows only, not on the number of threads.
    let rows = vectors.rows().div_ceil(BLOCKS_MAX).max(BLOCK_ROWS_MIN);
    let blocks: Vec<Vec<f64>> =
        vectors.values().par_chunks(rows * stride).map(|block| of_block(block, stride)).collect();
    let mut sums = vec![0.0; stride * stride];
    for block in &blocks {
        sums.iter_mut().zip(block).for_each(|(sum, value)| *sum += value);
    }
    for i in 0..vectors.dimension() {
        sums[i * stride + i] += f64::from(regularization);
    }
    sums
}

/// A matrix in 32-bit numbers.
pub(super) fn narrow(matrix: &[f64]) -> Vec<f32> {
    matrix.iter().map(|value| *value as f32).collect()
}

fn of_block(block: &[f32], stride: usize) -> Vec<f64> {
    let (mut sums, mut panel) = (vec![0.0; stride * stride], Panel::new(stride));
    for vector in block.chunks_exact(stride) {
        panel.push(vector, 1.0);
        if panel.is_full() {
            panel.drain_into(&mut sums);
        }
    }
    panel.drain_into(&mut sums);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn the_sums_are_those_of_a_plain_loop() {
        for (rows, dimension) in [(1, 1), (127, 8), (128, 9), (2500, 20)] {
            let mut vectors = Vectors::zeros(rows, dimension);
            for row in 0..rows {
                let value = |column| random::unit(7, (row * dimension + column) as u64) as f32;
                (0..dimension).for_each(|column| vectors.row_mut(row)[column] = value(column));
            }
            let (sums, stride) = (gram(&vectors, 0.5), vectors.stride());
            for i in 0..dimension {
                for j in i..dimension {
                    let product = |row: usize| f64::from(vectors.row(row)[i]) * f64::from(vectors.row(row)[j]);
                    let plain = (0..rows).map(product).sum::<f64>() + if i == j { 0.5 } else { 0.0 };
                    let found = sums[i * stride + j];
                    assert!((found - plain).abs() <= 1e-5 * plain, "{rows} × {dimension}: {found} for {plain}");
                }
            }
        }
    }
}
