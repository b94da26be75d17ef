//! The best rows by score, from an exact scan: every row is scored, none is approximated.

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

    /// The rows, best first.
    #[must_use]
    pub fn into_rows(self) -> Vec<Scored> {
        self.rows
    }
}

/// The `count` rows with the largest inner product with `query` above `least`, best first, ties by the smaller number,
/// without rows that `skip` names. `skip` is only asked about rows that would be in the list.
///
/// # Panics
/// When the query has another length than the rows.
#[must_use]
pub fn largest_products(
    vectors: &Vectors,
    query: &[f32],
    least: f32,
    count: usize,
    mut skip: impl FnMut(u32) -> bool,
) -> Vec<Scored> {
    assert_eq!(query.len(), vectors.dimension(), "the query belongs to other vectors");
    let mut padded = query.to_vec();
    padded.resize(vectors.stride(), 0.0);
    let mut best = Best::new(count);
    for (row, values) in (0..).zip(vectors.values().chunks_exact(vectors.stride())) {
        let score = dot(values, &padded);
        if score > least && best.takes(score) && !skip(row) {
            best.add(row, score);
        }
    }
    best.into_rows()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_ties_by_number() {
        let mut vectors = Vectors::zeros(5, 3);
        for (row, first) in [1.0, 3.0, 2.0, 3.0, -1.0].into_iter().enumerate() {
            vectors.row_mut(row)[0] = first;
        }
        let rows = |count, skipped: u32| -> Vec<u32> {
            let best = largest_products(&vectors, &[1.0, 9.0, 9.0], 0.0, count, |row| row == skipped);
            best.into_iter().map(|scored| scored.row).collect()
        };
        assert_eq!(rows(3, 9), [1, 3, 2]);
        assert_eq!(rows(3, 1), [3, 2, 0]);
        assert_eq!(rows(9, 9), [1, 3, 2, 0], "a row below the least score is left out");
        assert_eq!(rows(0, 9), [0; 0]);
    }
}
