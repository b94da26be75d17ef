//! Rows of numbers of one length in one block of memory, each padded with zeros to a whole number of SIMD lanes.

/// Numbers that are computed side by side. Two registers of SSE, one of AVX, two of NEON.
pub(crate) const LANES: usize = 8;

/// A dense matrix. A row has `dimension` numbers and is stored in `stride` numbers, the rest of which are 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    dimension: usize,
    stride: usize,
    values: Vec<f32>,
}

impl Vectors {
    /// `rows` rows of zeros.
    #[must_use]
    pub fn zeros(rows: usize, dimension: usize) -> Self {
        let stride = stride_of(dimension);
        Vectors { dimension, stride, values: vec![0.0; rows * stride] }
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.stride
    }

    /// The length of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The length of a row in memory.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// A row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.padded(row)[..self.dimension]
    }

    /// A row that can be changed.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.stride..][..self.dimension]
    }

    /// A row with its padding.
    pub(crate) fn padded(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.stride]
    }

    /// All rows with their padding.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// All rows with their padding. Padding must stay 0.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

/// The length in memory of a row of `dimension` numbers.
pub(crate) fn stride_of(dimension: usize) -> usize {
    dimension.max(1).next_multiple_of(LANES)
}

/// The sum of the products of two rows of equal padded length. The order of summation is fixed: lane by lane, then the
/// lanes in pairs.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    totals(&[sums])[0]
}

/// The sums of the lanes, in pairs. Not inlined: the compiler would otherwise mix the lanes of several sums from the start.
#[inline(never)]
fn totals<const N: usize>(sums: &[[f32; LANES]; N]) -> [f32; N] {
    sums.map(|[a, b, c, d, e, f, g, h]| ((a + e) + (b + f)) + ((c + g) + (d + h)))
}

/// The same for several rows and one, `other`.
pub(crate) fn dots<const N: usize>(rows: [&[f32]; N], other: &[f32]) -> [f32; N] {
    let other = other.as_chunks::<LANES>().0;
    let rows = rows.map(|row| &row.as_chunks::<LANES>().0[..other.len()]);
    let mut sums = [[0.0_f32; LANES]; N];
    for (column, other) in other.iter().enumerate() {
        for row in 0..N {
            for lane in 0..LANES {
                sums[row][lane] += rows[row][column][lane] * other[lane];
            }
        }
    }
    totals(&sums)
}

/// Adds a row times a factor to another row.
pub(crate) fn add_scaled(to: &mut [f32], row: &[f32], factor: f32) {
    to.iter_mut().zip(row).for_each(|(to, value)| *to += factor * value);
}

/// Adds four rows to a row, each times its factor, one after the other.
pub(crate) fn add_four_scaled(to: &mut [f32], rows: [&[f32]; 4], factors: [f32; 4]) {
    let [a, b, c, d] = rows;
    for ((((to, a), b), c), d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *to = (((*to + factors[0] * a) + factors[1] * b) + factors[2] * c) + factors[3] * d;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_with_zeros() {
        let mut vectors = Vectors::zeros(2, 9);
        vectors.row_mut(1).fill(2.0);
        assert_eq!((vectors.rows(), vectors.stride(), vectors.row(1).len()), (2, 16, 9));
        assert_eq!(vectors.padded(1)[9..], [0.0; 7]);
        assert_eq!(dot(vectors.padded(1), vectors.padded(1)), 36.0);
        assert_eq!(dot(vectors.padded(0), vectors.padded(1)), 0.0);
    }
}
