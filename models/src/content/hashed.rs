//! Hashed TF-IDF: terms weighted by how rare they are, projected to a fixed number of dimensions by fixed hashes.
//!
//! A term adds its weight, with a sign, to a few dimensions that its hash names (a sparse random projection: Li, Hastie,
//! Church, "Very Sparse Random Projections", KDD 2006). Cosines of the projections differ from those of the terms by about
//! 1/√dimension.

use std::collections::HashMap;

use super::terms::Described;
use super::unit;
use crate::random;
use crate::vectors::Vectors;

/// The dimensions to which a term adds its weight.
const PLACES: u64 = 4;

/// Fixed for ever: vectors of one release can be compared with those of another.
const SEED: u64 = 0x5669_7472_696e_6531;

/// The distinct terms of a product that count, in the order of their hashes. They bound the memory.
const TERMS_MAX: usize = 512;

/// The terms of all products. About 12 bytes for each distinct term of a product, and 24 for each distinct term.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Hash and occurrences of each distinct term, product by product.
    terms: Vec<(u64, u32)>,
    /// The end of each product's terms.
    ends: Vec<usize>,
    /// By the term's hash: the number of products that have it.
    products_with: HashMap<u64, u32>,
}

impl Texts {
    /// Adds the texts of the next row.
    pub fn add(&mut self, described: &Described<'_>) {
        let mut occurrences: Vec<u64> = Vec::new();
        described.each_term(|term| occurrences.push(hash(term)));
        occurrences.sort_unstable();
        for same in occurrences.chunk_by(|a, b| a == b).take(TERMS_MAX) {
            self.terms.push((same[0], u32::try_from(same.len()).unwrap_or(u32::MAX)));
            *self.products_with.entry(same[0]).or_default() += 1;
        }
        self.ends.push(self.terms.len());
    }

    /// The vectors of all rows, each of length 1, or only zeros for a product without a term that tells it from others.
    /// A product's vector is the sum over its terms of (1 + ln tf) · ln((1 + N) / (1 + df)) times the term's projection. A
    /// term that all products have weighs nothing.
    #[must_use]
    pub fn vectors(&self, dimension: usize) -> Vectors {
        let mut vectors = Vectors::zeros(self.ends.len(), dimension);
        let mut sum = vec![0.0_f64; dimension];
        let mut start = 0;
        for (row, end) in self.ends.iter().enumerate() {
            sum.fill(0.0);
            self.terms[start..*end].iter().for_each(|term| self.project(*term, &mut sum));
            start = *end;
            if let Some(vector) = unit(&sum) {
                vectors.row_mut(row).copy_from_slice(&vector);
            }
        }
        vectors
    }

    /// Adds the projection of a term to `sum`.
    fn project(&self, (term, occurrences): (u64, u32), sum: &mut [f64]) {
        let products = self.ends.len() as f64;
        let with_term = f64::from(self.products_with[&term]);
        let rarity = ((1.0 + products) / (1.0 + with_term)).ln();
        let weight = (1.0 + f64::from(occurrences).ln()) * rarity;
        for place in 0..PLACES {
            let bits = random::number(term, place);
            let dimension = ((u128::from(bits) * sum.len() as u128) >> 64) as usize;
            sum[dimension] += if bits & 1 == 0 { weight } else { -weight };
        }
    }
}

fn hash(term: &str) -> u64 {
    term.as_bytes().chunks(8).fold(SEED ^ term.len() as u64, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        random::number(state, u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;

    fn content(names: &[&str], dimension: usize) -> Content<usize> {
        let mut texts = Texts::default();
        names.iter().for_each(|name| texts.add(&Described { name, ..Described::default() }));
        Content::new(texts.vectors(dimension), (0..names.len()).collect(), 0.0)
    }

    #[test]
    fn products_that_share_rare_words_are_similar() {
        let names = ["red boots", "black boots", "red lamp", "oak table", "glass table", "table", "", "shop"];
        let content = content(&names, 512);
        let first = |product| content.similar(product, 1, |_| false).first().map(|(product, _)| *product);
        assert_eq!([first(1), first(3), first(4), first(5)], [Some(0), Some(5), Some(5), Some(3)]);
        assert_eq!(first(6), None, "a product without a text has no vector");
    }

    #[test]
    fn a_word_of_every_product_says_nothing() {
        let content = content(&["shop lamp", "shop boots", "shop"], 64);
        assert!(content.similar(2, 3, |_| false).is_empty());
        assert!(content.similar(0, 3, |_| false).iter().all(|(_, cosine)| *cosine < 0.6));
    }

    /// The weights of a name's words, computed plainly.
    fn weights(name: &str, names: &[String]) -> Vec<(String, f64)> {
        let words = |name: &str| -> Vec<String> { name.split(' ').map(str::to_owned).collect() };
        let mut distinct = words(name);
        distinct.sort_unstable();
        distinct.dedup();
        let weight = |word: &String| {
            // A word of the name counts three times.
            let occurrences = 3 * words(name).iter().filter(|other| *other == word).count();
            let with_word = names.iter().filter(|name| words(name).contains(word)).count();
            (1.0 + (occurrences as f64).ln()) * ((1 + names.len()) as f64 / (1 + with_word) as f64).ln()
        };
        distinct.iter().map(|word| (word.clone(), weight(word))).collect()
    }

    #[test]
    fn cosines_are_those_of_the_terms_within_the_error_of_the_projection() {
        let word = |product: u64, place: u64| format!("w{}", random::below(7, product * 8 + place, 60));
        let name = |product| (0..8).map(|place| word(product, place)).collect::<Vec<_>>().join(" ");
        let names: Vec<String> = (0..60).map(name).collect();
        let content = content(&names.iter().map(String::as_str).collect::<Vec<_>>(), 1024);
        let all: Vec<Vec<(String, f64)>> = names.iter().map(|name| weights(name, &names)).collect();
        let product = |a: &[(String, f64)], b: &[(String, f64)]| -> f64 {
            a.iter()
                .flat_map(|(word, x)| b.iter().filter(move |(other, _)| word == other).map(move |(_, y)| x * y))
                .sum()
        };
        let (mut squares, mut count) = (0.0, 0.0);
        for a in 0..names.len() {
            for (b, found) in content.similar(a, 100, |_| false) {
                let exact = product(&all[a], &all[b]) / (product(&all[a], &all[a]) * product(&all[b], &all[b])).sqrt();
                squares += (f64::from(found) - exact).powi(2);
                count += 1.0;
            }
        }
        let error = (squares / count).sqrt();
        assert!(count > 1000.0 && error < 2.0 / 1024.0_f64.sqrt(), "a standard error of {error} over {count} pairs");
    }

    #[test]
    fn hashes_are_the_same_for_ever() {
        assert_eq!(
            [hash(""), hash("boots"), hash("category=shoes")],
            [
                SEED,
                random::number(SEED ^ 5, u64::from_le_bytes(*b"boots\0\0\0")),
                random::number(
                    random::number(SEED ^ 14, u64::from_le_bytes(*b"category")),
                    u64::from_le_bytes(*b"=shoes\0\0"),
                ),
            ]
        );
    }
}
