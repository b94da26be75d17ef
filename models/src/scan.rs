//! The best rows by their inner product with a query, exactly.
//!
//! ```text
//! rows as bytes ─▶ a bound of each inner product ─▶ rows that may be among the best ─▶ their inner products ─▶ the best
//! ```
//! A row is left out only if its bound shows that it is not among the best, so the result is that of a scan that computes all
//! inner products.

mod rounded;

use self::rounded::{BLOCK, RoundedRows};
use crate::vectors::{Vectors, dot};

/// A row with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The number of the row.
    pub row: u32,
    /// Its score; larger is better.
    pub score: f32,
}

/// The best rows so far: at most `count`, by score, ties by the smaller number. Rows must come in rising order.
#[derive(Clone, Debug)]
pub struct Best {
    count: usize,
    rows: Vec<Scored>,
}

impl Best {
    /// An empty list for at most `count` rows.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Best { count, rows: Vec::with_capacity(count + 1) }
    }

    /// Whether a row of this score would be in the list.
    #[must_use]
    pub fn takes(&self, score: f32) -> bool {
        let worst = self.rows.last().filter(|_| self.rows.len() >= self.count);
        self.count > 0 && worst.is_none_or(|worst| score.total_cmp(&worst.score).is_gt())
    }

    /// Adds a row if it is among the best.
    pub fn add(&mut self, row: u32, score: f32) {
        if self.takes(score) {
            let place = self.rows.partition_point(|better| better.score.total_cmp(&score).is_ge());
            self.rows.insert(place, Scored { row, score });
            self.rows.truncate(self.count);
        }
    }

    /// A score below this number is not taken.
    fn least(&self) -> f32 {
        let worst = self.rows.last().filter(|_| self.rows.len() >= self.count);
        worst.map_or(f32::NEG_INFINITY, |worst| worst.score)
    }

    /// The rows, best first.
    #[must_use]
    pub fn into_rows(self) -> Vec<Scored> {
        self.rows
    }
}

/// Vectors that are scanned: 5 bytes for each number, and 12 for each row.
#[derive(Clone, Debug)]
pub struct Scan {
    vectors: Vectors,
    rounded: RoundedRows,
}

impl Scan {
    /// Prepares vectors for scans.
    #[must_use]
    pub fn new(vectors: Vectors) -> Self {
        Scan { rounded: RoundedRows::new(&vectors), vectors }
    }

    /// The vectors.
    #[must_use]
    pub fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    /// The memory of the vectors and of what scans need, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.vectors.values()) + self.rounded.bytes()
    }

    /// The `count` rows with the largest inner product with `query` above `least`, best first, ties by the smaller number,
    /// without rows that `skip` names. `skip` is only asked about rows that would be in the list.
    ///
    /// # Panics
    /// When the query has another length than the rows.
    #[must_use]
    pub fn largest_products(
        &self,
        query: &[f32],
        least: f32,
        count: usize,
        mut skip: impl FnMut(u32) -> bool,
    ) -> Vec<Scored> {
        assert_eq!(query.len(), self.vectors.dimension(), "the query belongs to other vectors");
        let mut padded = query.to_vec();
        padded.resize(self.vectors.stride(), 0.0);
        let mut best = Best::new(count);
        let mut consider = |row: usize, best: &mut Best| {
            let (score, number) = (dot(self.vectors.padded(row), &padded), row as u32);
            if score > least && best.takes(score) && !skip(number) {
                best.add(number, score);
            }
        };
        let Some(rounded) = self.rounded.query(&padded) else {
            (0..self.vectors.rows()).for_each(|row| consider(row, &mut best));
            return best.into_rows();
        };
        for block in 0..self.rounded.blocks() {
            let bounds = self.rounded.bounds(block, &rounded);
            let needed = best.least().max(least);
            if bounds.iter().map(|bound| u32::from(*bound >= needed)).sum::<u32>() == 0 {
                continue;
            }
            for (place, bound) in bounds.iter().enumerate() {
                if *bound >= best.least().max(least) {
                    consider(block * BLOCK + place, &mut best);
                }
            }
        }
        best.into_rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn the_best_come_first_and_ties_by_number() {
        let mut vectors = Vectors::zeros(5, 3);
        for (row, first) in [1.0, 3.0, 2.0, 3.0, -1.0].into_iter().enumerate() {
            vectors.row_mut(row)[0] = first;
        }
        let scan = Scan::new(vectors);
        let rows = |count, skipped: u32| -> Vec<u32> {
            let best = scan.largest_products(&[1.0, 9.0, 9.0], 0.0, count, |row| row == skipped);
            best.into_iter().map(|scored| scored.row).collect()
        };
        assert_eq!(rows(3, 9), [1, 3, 2]);
        assert_eq!(rows(3, 1), [3, 2, 0]);
        assert_eq!(rows(9, 9), [1, 3, 2, 0], "a row below the least score is left out");
        assert_eq!(rows(0, 9), [0; 0]);
    }

    /// All inner products above `least`, sorted.
    fn plain(vectors: &Vectors, query: &[f32], least: f32, count: usize, skip: impl Fn(u32) -> bool) -> Vec<Scored> {
        let mut padded = query.to_vec();
        padded.resize(vectors.stride(), 0.0);
        let scored = |row: usize| Scored { row: row as u32, score: dot(vectors.padded(row), &padded) };
        let mut rows: Vec<Scored> = (0..vectors.rows()).map(scored).filter(|row| row.score > least).collect();
        rows.retain(|scored| !skip(scored.row));
        rows.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        rows.truncate(count);
        rows
    }

    /// Random rows: many are equal or nearly so, some are long, short, empty, or hold numbers that are not finite.
    fn rows(seed: u64, count: usize, dimension: usize) -> Vectors {
        let mut vectors = Vectors::zeros(count, dimension);
        for row in 0..count {
            let kind = random::below(seed, row as u64, 40);
            let like = random::below(seed + 1, row as u64, 30);
            let length = [1.0, 1.0, 1e-3, 30.0, 1e-15, 1e13, 0.0][(kind as usize).min(6)];
            for (column, value) in vectors.row_mut(row).iter_mut().enumerate() {
                let number = random::unit(seed ^ like, column as u64) as f32 - 0.5;
                let near = random::unit(seed + 2, (row * dimension + column) as u64) as f32 * 1e-3;
                *value = match kind {
                    0 => number,
                    7 => f32::INFINITY,
                    8 => f32::NAN,
                    kind if kind < 7 => (number + near) * length,
                    _ => number + near,
                };
            }
        }
        vectors
    }

    #[test]
    fn a_scan_finds_what_a_sort_of_all_inner_products_finds() {
        for round in 0..60 {
            let (count, dimension) =
                (1 + random::below(round, 0, 900) as usize, 1 + random::below(round, 1, 90) as usize);
            let vectors = rows(round, count, dimension);
            let scan = Scan::new(vectors.clone());
            for ask in 0..20 {
                let row = random::below(round, 100 + ask, count as u64) as usize;
                let scale = match random::below(round, 200 + ask, 8) {
                    0 => 1e-20,
                    1 => 1e20,
                    2 => 0.0,
                    _ => 1.0,
                };
                let query: Vec<f32> = vectors.row(row).iter().map(|value| value * scale).collect();
                let least = [0.0, 0.1, -5.0][(ask % 3) as usize];
                let skip = |row: u32| random::below(round ^ ask, u64::from(row), 4) == 0;
                let found = scan.largest_products(&query, least, 10, skip);
                let expected = plain(&vectors, &query, least, 10, skip);
                let bits = |rows: &[Scored]| rows.iter().map(|row| (row.row, row.score.to_bits())).collect::<Vec<_>>();
                assert_eq!(bits(&found), bits(&expected), "round {round}, ask {ask}");
            }
        }
    }

    #[test]
    fn skip_is_only_asked_about_rows_that_would_be_in_the_list() {
        let vectors = rows(5, 20_000, 64);
        let query = vectors.row(11).to_vec();
        let mut asked = Vec::new();
        let found = Scan::new(vectors.clone()).largest_products(&query, 0.0, 10, |row| {
            asked.push(row);
            false
        });
        let mut best = Best::new(10);
        for row in 0..20_000 {
            let score = dot(vectors.padded(row as usize), &query);
            if score > 0.0 && best.takes(score) {
                assert_eq!(asked.first(), Some(&row));
                asked.remove(0);
                best.add(row, score);
            }
        }
        assert!(asked.is_empty(), "{asked:?}");
        assert_eq!(found, best.into_rows());
    }
}
