//! Rows rounded to bytes, which bound inner products from above: a quarter of the memory to read, and sums of 16 bits.
//!
//! A row is v = s q + e and a query u = t p + f: q and p have whole numbers, e and f are what rounding took away. Then
//!
//! ```text
//! v u = s t (q p) + s q f + e u ≤ s t (q p) + |s q| |f| + |e| |u|     (Cauchy, Schwarz)
//! ```
//! The bound also covers the rounding of the 32-bit numbers with which it is computed, and with which inner products are.

use crate::vectors::{LANES, Vectors};

/// Rows whose bounds are computed together.
pub(super) const BLOCK: usize = 64;

/// Products that are summed in 16 bits: of columns as many as there are lanes, so that no rest is left.
const SUMMED: usize = LANES;

/// The largest whole numbers of rows and of queries. The product of both, `SUMMED` times, has 16 bits.
const ROW_MAX: i8 = 127;
const QUERY_MAX: i8 = 31;
const _: () = assert!(ROW_MAX as usize * QUERY_MAX as usize * SUMMED <= i16::MAX as usize);

/// Lengths of vectors that are rounded. Products of others may leave the range of 32-bit numbers.
const LENGTHS: std::ops::RangeInclusive<f64> = 1e-12..=1e12;

/// A relative bound above the error of four roundings of 32-bit numbers.
const SLACK: f64 = 1e-6;

/// An absolute bound above what underflow loses in the longest sum.
const TINY: f64 = 1e-24;

/// Rows as bytes, in whole blocks.
#[derive(Clone, Debug)]
pub(super) struct RoundedRows {
    /// Columns of a block.
    stride: usize,
    /// The columns of the blocks, block by block: a byte for each row.
    columns: Vec<[i8; BLOCK]>,
    /// For each row: s.
    scales: Vec<f32>,
    /// For each row: at least |s q|.
    lengths: Vec<f32>,
    /// For each row: at least |e|. Infinite for a row that is not rounded.
    errors: Vec<f32>,
}

/// A query, rounded like the rows.
pub(super) struct RoundedQuery {
    numbers: Vec<i16>,
    /// t.
    scale: f32,
    /// More than |f|.
    error: f32,
    /// At least |u|.
    length: f32,
}

/// A vector as whole numbers times a scale.
struct Rounded {
    numbers: Vec<i8>,
    scale: f32,
    /// The lengths of the vector, of its rounded form, and of what rounding took away.
    whole: f64,
    kept: f64,
    taken: f64,
}

impl RoundedRows {
    pub(super) fn new(vectors: &Vectors) -> Self {
        let (stride, rows) = (vectors.stride(), vectors.rows().next_multiple_of(BLOCK));
        let mut rounded = RoundedRows {
            stride,
            columns: vec![[0; BLOCK]; rows / BLOCK * stride],
            scales: vec![0.0; rows],
            lengths: vec![0.0; rows],
            // What fills the last block is never large.
            errors: vec![f32::NEG_INFINITY; rows],
        };
        for row in 0..vectors.rows() {
            rounded.set(row, vectors.padded(row));
        }
        rounded
    }

    fn set(&mut self, row: usize, vector: &[f32]) {
        // An inner product is a sum in lanes, and then of the lanes.
        let roundings = vector.len() / LANES + LANES;
        let of_products = roundings as f64 * f64::from(f32::EPSILON);
        let rounded = Rounded::new(vector, ROW_MAX);
        let error = |taken: f64| at_least((taken + of_products * rounded.whole) * (1.0 + SLACK) + TINY);
        if LENGTHS.contains(&rounded.whole) {
            let columns = &mut self.columns[row / BLOCK * self.stride..];
            columns.iter_mut().zip(&rounded.numbers).for_each(|(column, number)| column[row % BLOCK] = *number);
            self.scales[row] = rounded.scale;
            self.lengths[row] = at_least(rounded.kept * (1.0 + SLACK));
            self.errors[row] = error(rounded.taken);
        } else if rounded.whole < *LENGTHS.start() {
            self.errors[row] = error(rounded.whole);
        } else {
            self.errors[row] = f32::INFINITY;
        }
    }

    /// The query, rounded; none if it is not of a usual length.
    pub(super) fn query(&self, query: &[f32]) -> Option<RoundedQuery> {
        let Rounded { numbers, scale, whole, taken, .. } = Rounded::new(query, QUERY_MAX);
        let numbers = numbers.into_iter().map(i16::from).collect();
        let error = at_least((taken + SLACK * (whole + taken)) * (1.0 + SLACK));
        let length = at_least(whole * (1.0 + SLACK));
        LENGTHS.contains(&whole).then_some(RoundedQuery { numbers, scale, error, length })
    }

    /// The memory of the rows, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.columns) + self.scales.len() * 3 * size_of::<f32>()
    }

    /// The number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.scales.len() / BLOCK
    }

    /// For each row of a block, a number that its inner product with the query does not exceed.
    pub(super) fn bounds(&self, block: usize, query: &RoundedQuery) -> [f32; BLOCK] {
        let products = products(&self.columns[block * self.stride..][..self.stride], &query.numbers);
        let [scales, lengths, errors] =
            [&self.scales, &self.lengths, &self.errors].map(|numbers| &numbers[block * BLOCK..][..BLOCK]);
        let mut bounds = [0.0; BLOCK];
        for (row, bound) in bounds.iter_mut().enumerate() {
            let product = products[row] as f32 * (scales[row] * query.scale);
            *bound = product + (lengths[row] * query.error + errors[row] * query.length);
        }
        bounds
    }
}

impl Rounded {
    /// The largest whole number is `number_max`.
    fn new(vector: &[f32], number_max: i8) -> Self {
        let length = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|number| number * number).sum::<f64>().sqrt();
        let largest = vector.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        let number_max = f32::from(number_max);
        let scale = largest / number_max;
        let number = |value: &f32| (value / scale).round().clamp(-number_max, number_max) as i8;
        let numbers: Vec<i8> = vector.iter().map(number).collect();
        let exact = |number: &i8| f64::from(*number) * f64::from(scale);
        let pairs = || vector.iter().zip(&numbers);
        let whole = length(&mut vector.iter().copied().map(f64::from));
        let kept = length(&mut numbers.iter().map(exact));
        let taken = length(&mut pairs().map(|(value, number)| f64::from(*value) - exact(number)));
        Rounded { numbers, scale, whole, kept, taken }
    }
}

/// The inner product of each row of a block and a query.
fn products(columns: &[[i8; BLOCK]], query: &[i16]) -> [i32; BLOCK] {
    let mut products = [0; BLOCK];
    for (columns, query) in columns.as_chunks::<SUMMED>().0.iter().zip(query.as_chunks::<SUMMED>().0) {
        // Sums of 16 bits are computed eight at a time.
        let mut sums = [0_i16; BLOCK];
        for (row, sum) in sums.iter_mut().enumerate() {
            let product = |column: usize| i16::from(columns[column][row]).wrapping_mul(query[column]);
            *sum = (0..SUMMED).fold(0, |sum: i16, column| sum.wrapping_add(product(column)));
        }
        products.iter_mut().zip(sums).for_each(|(product, sum)| *product += i32::from(sum));
    }
    products
}

/// The least 32-bit number that is not below `number`, or the one after it.
fn at_least(number: f64) -> f32 {
    (number as f32).next_up()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::vectors::dot;

    /// Rows of all kinds: of usual and unusual lengths, with few and with equal numbers, empty, and not finite.
    fn rows(dimension: usize, count: usize) -> Vectors {
        let mut vectors = Vectors::zeros(count, dimension);
        for row in 0..count {
            let number = |column: usize| random::unit(dimension as u64, (row * dimension + column) as u64) as f32 - 0.5;
            let value = |column: usize| match row % 9 {
                0 => f32::from(u8::from(column == row % dimension)),
                1 => 0.0,
                2 => number(column) * 1e-20,
                3 => number(column) * 1e15,
                4 => number(0),
                5 if column == 0 => [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE][row % 4],
                _ => number(column),
            };
            (0..dimension).for_each(|column| vectors.row_mut(row)[column] = value(column));
        }
        vectors
    }

    #[test]
    fn no_inner_product_exceeds_its_bound_and_bounds_are_close() {
        for dimension in [1, 3, 16, 17, 64, 130, 1000] {
            let vectors = rows(dimension, 150);
            let rounded = RoundedRows::new(&vectors);
            assert_eq!(rounded.blocks(), 3);
            let (mut queries, mut close) = (0, 0);
            for row in 0..vectors.rows() {
                let Some(query) = rounded.query(vectors.padded(row)) else { continue };
                queries += 1;
                let bounds: Vec<f32> = (0..rounded.blocks()).flat_map(|block| rounded.bounds(block, &query)).collect();
                for (other, bound) in bounds.iter().enumerate() {
                    if other >= vectors.rows() {
                        assert_eq!(*bound, f32::NEG_INFINITY);
                        continue;
                    }
                    let product = dot(vectors.padded(other), vectors.padded(row));
                    assert!(product.is_nan() || product <= *bound, "{dimension}: {product} above {bound}");
                    let lengths = [row, other].map(|row| dot(vectors.padded(row), vectors.padded(row)).sqrt());
                    close += usize::from(bound - product <= 0.08 * lengths[0] * lengths[1]);
                }
            }
            assert!(queries >= 80 && close >= queries * 80, "{dimension}: {queries} queries, {close} close bounds");
        }
    }
}
