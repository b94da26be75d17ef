//! Embeddings that the shop gives. Those that cannot be used are named, and the others count.

use std::collections::BTreeMap;

use super::unit;
use crate::vectors::Vectors;

/// The longest embedding that is accepted.
const DIMENSION_MAX: usize = 4096;

/// Embeddings of products, as given.
#[derive(Clone, Debug, Default)]
pub struct Embeddings {
    given: Vec<Vec<f32>>,
}

/// A product whose embedding cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The row of the product.
    pub row: usize,
    /// Why.
    pub reason: Reason,
}

/// Why an embedding cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is not as long as most others.
    #[error("its embedding has {found} numbers, and most have {common}")]
    Length {
        /// Its length.
        found: usize,
        /// The length that most embeddings have.
        common: usize,
    },
    /// It is longer than accepted, or empty.
    #[error("its embedding has {found} numbers: 1 to {DIMENSION_MAX} are accepted")]
    Bounds {
        /// Its length.
        found: usize,
    },
    /// One of its numbers is not finite.
    #[error("number {place} of its embedding is not finite")]
    NotFinite {
        /// The place of the number, from 1.
        place: usize,
    },
    /// All its numbers are 0.
    #[error("all numbers of its embedding are 0")]
    Zero,
}

impl Embeddings {
    /// Adds the embedding of the next row.
    pub fn add(&mut self, embedding: Vec<f32>) {
        self.given.push(embedding);
    }

    /// The vectors of all rows, each of length 1, and the rows whose embeddings were refused, which have only zeros. The
    /// length that most embeddings have is expected of all; of two lengths that are equally frequent, the longer.
    #[must_use]
    pub fn vectors(self) -> (Vectors, Vec<Refused>) {
        let common = self.common_length();
        let mut vectors = Vectors::zeros(self.given.len(), common);
        let mut refused = Vec::new();
        for (row, embedding) in self.given.into_iter().enumerate() {
            match checked(&embedding, common) {
                Ok(vector) => vectors.row_mut(row).copy_from_slice(&vector),
                Err(reason) => refused.push(Refused { row, reason }),
            }
        }
        (vectors, refused)
    }

    fn common_length(&self) -> usize {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let lengths = self.given.iter().map(Vec::len).filter(|length| is_accepted(*length));
        lengths.for_each(|length| *counts.entry(length).or_default() += 1);
        counts.into_iter().max_by_key(|(_, count)| *count).map_or(1, |(length, _)| length)
    }
}

fn is_accepted(length: usize) -> bool {
    (1..=DIMENSION_MAX).contains(&length)
}

fn checked(embedding: &[f32], common: usize) -> Result<Vec<f32>, Reason> {
    let found = embedding.len();
    if !is_accepted(found) {
        return Err(Reason::Bounds { found });
    }
    if found != common {
        return Err(Reason::Length { found, common });
    }
    if let Some(place) = embedding.iter().position(|number| !number.is_finite()) {
        return Err(Reason::NotFinite { place: place + 1 });
    }
    let exact: Vec<f64> = embedding.iter().map(|number| f64::from(*number)).collect();
    unit(&exact).ok_or(Reason::Zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_and_the_others_count() {
        let mut embeddings = Embeddings::default();
        let given: [&[f32]; 7] =
            [&[3.0, 4.0], &[1.0, 0.0], &[1.0], &[1.0, f32::NAN], &[0.0, 0.0], &[], &[f32::MAX, f32::MAX]];
        given.into_iter().for_each(|embedding| embeddings.add(embedding.to_vec()));
        let (vectors, refused) = embeddings.vectors();
        let reasons: Vec<(usize, String)> =
            refused.iter().map(|refused| (refused.row, refused.reason.to_string())).collect();
        let expected = [
            (2, "its embedding has 1 numbers, and most have 2"),
            (3, "number 2 of its embedding is not finite"),
            (4, "all numbers of its embedding are 0"),
            (5, "its embedding has 0 numbers: 1 to 4096 are accepted"),
        ];
        assert_eq!(reasons, expected.map(|(row, reason)| (row, reason.to_owned())));
        assert_eq!(vectors.row(0), [0.6, 0.8]);
        assert_eq!(vectors.row(2), [0.0, 0.0]);
        let large = vectors.row(6);
        assert!(large.iter().all(|number| (number - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6), "{large:?}");
    }

    #[test]
    fn of_two_lengths_that_are_equally_frequent_the_longer_is_expected() {
        let mut embeddings = Embeddings::default();
        [2, 3, 3, 2].into_iter().for_each(|length| embeddings.add(vec![1.0; length]));
        let (vectors, refused) = embeddings.vectors();
        assert_eq!(vectors.dimension(), 3);
        assert_eq!(refused.iter().map(|refused| refused.row).collect::<Vec<_>>(), [0, 3]);
    }
}
