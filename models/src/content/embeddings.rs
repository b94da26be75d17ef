//! Embeddings that the shop gives. Those that cannot be used are named, and the others count.

use std::collections::BTreeMap;

use super::Content;

/// The longest embedding that is accepted.
const DIMENSION_MAX: usize = 4096;

/// Embeddings of products, as given.
#[derive(Clone, Debug, Default)]
pub struct Embeddings {
    given: Vec<(u32, Vec<f32>)>,
}

/// A product whose embedding cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The product.
    pub product: u32,
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
    /// Adds a product's embedding.
    pub fn add(&mut self, product: u32, embedding: Vec<f32>) {
        self.given.push((product, embedding));
    }

    /// The vectors, for `products` products, and the products whose embeddings were refused. The length that most embeddings
    /// have is expected of all; of two lengths that are equally frequent, the longer.
    ///
    /// # Panics
    /// When a product's number is not below `products`.
    #[must_use]
    pub fn content(self, products: usize) -> (Content, Vec<Refused>) {
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        let accepted = |length: &usize| (1..=DIMENSION_MAX).contains(length);
        let all = self.given.iter().map(|(_, embedding)| embedding.len());
        all.filter(accepted).for_each(|length| *lengths.entry(length).or_default() += 1);
        let common = lengths.into_iter().max_by_key(|(_, count)| *count).map_or(1, |(length, _)| length);
        let mut content = Content::new(products, common);
        let mut refused = Vec::new();
        for (product, embedding) in self.given {
            let found = embedding.len();
            let reason = if !accepted(&found) {
                Some(Reason::Bounds { found })
            } else if found != common {
                Some(Reason::Length { found, common })
            } else if let Some(place) = embedding.iter().position(|number| !number.is_finite()) {
                Some(Reason::NotFinite { place: place + 1 })
            } else {
                (!content.set(product, &embedding)).then_some(Reason::Zero)
            };
            refused.extend(reason.map(|reason| Refused { product, reason }));
        }
        (content, refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_and_the_others_count() {
        let mut embeddings = Embeddings::default();
        let given: [(u32, &[f32]); 7] = [
            (0, &[1.0, 0.0]),
            (1, &[1.0, 0.1]),
            (2, &[1.0]),
            (3, &[1.0, f32::NAN]),
            (4, &[0.0, 0.0]),
            (5, &[]),
            (6, &[f32::MAX, f32::MAX]),
        ];
        given.into_iter().for_each(|(product, embedding)| embeddings.add(product, embedding.to_vec()));
        let (content, refused) = embeddings.content(8);
        let reasons: Vec<(u32, String)> =
            refused.iter().map(|refused| (refused.product, refused.reason.to_string())).collect();
        let expected = [
            (2, "its embedding has 1 numbers, and most have 2"),
            (3, "number 2 of its embedding is not finite"),
            (4, "all numbers of its embedding are 0"),
            (5, "its embedding has 0 numbers: 1 to 4096 are accepted"),
        ];
        assert_eq!(reasons, expected.map(|(product, reason)| (product, reason.to_owned())));
        let rows: Vec<u32> = content.similar(0, 9, |_| false).into_iter().map(|scored| scored.row).collect();
        assert_eq!(rows, [1, 6]);
        assert_eq!(Embeddings::default().content(3).0.products(), 3);
    }
}
