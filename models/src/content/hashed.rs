//! Hashed TF-IDF: terms weighted by how rare they are, projected to a fixed number of dimensions by fixed hashes.
//!
//! A term adds its weight, with a sign, to a few dimensions that its hash names (a sparse random projection: Li, Hastie,
//! Church, "Very Sparse Random Projections", KDD 2006). Cosines of the projections differ from those of the terms by about
//! 1/√dimension.

use std::collections::HashMap;

use super::Content;
use super::terms::Described;
use crate::random;

/// The dimensions to which a term adds its weight.
const PLACES: u64 = 4;

/// Fixed for ever: vectors of one release can be compared with those of another.
const SEED: u64 = 0x5669_7472_696e_6531;

/// The first pass over the products: how many have each term.
#[derive(Clone, Debug, Default)]
pub struct TfIdfBuilder {
    products: u32,
    /// By the term's hash: the number of products that have it, and the last of these.
    terms: HashMap<u64, (u32, u32)>,
}

impl TfIdfBuilder {
    /// Counts a product. The memory is about 40 bytes for each distinct term.
    pub fn count(&mut self, described: &Described<'_>) {
        self.products += 1;
        let (terms, product) = (&mut self.terms, self.products);
        described.each_term(|term| {
            let (count, last) = terms.entry(hash(term)).or_default();
            if *last != product {
                (*count, *last) = (*count + 1, product);
            }
        });
    }

    /// The weights of all terms that were counted.
    #[must_use]
    pub fn build(self, dimension: usize) -> TfIdf {
        TfIdf { dimension, products: self.products, counts: self.terms }
    }
}

/// The weights of terms, and the projection.
#[derive(Clone, Debug)]
pub struct TfIdf {
    dimension: usize,
    products: u32,
    counts: HashMap<u64, (u32, u32)>,
}

impl TfIdf {
    /// A product's vector: Σ over its terms of (1 + ln tf) · ln((1 + N) / (1 + df)) times the term's projection. A term that
    /// all products have weighs nothing.
    #[must_use]
    pub fn vector(&self, described: &Described<'_>) -> Vec<f32> {
        let mut occurrences: Vec<u64> = Vec::new();
        described.each_term(|term| occurrences.push(hash(term)));
        occurrences.sort_unstable();
        let mut vector = vec![0.0_f64; self.dimension];
        for same in occurrences.chunk_by(|a, b| a == b) {
            let term = same[0];
            let with_term = self.counts.get(&term).map_or(0, |(count, _)| *count);
            let rarity = (f64::from(1 + self.products) / f64::from(1 + with_term)).ln().max(0.0);
            let weight = (1.0 + (same.len() as f64).ln()) * rarity;
            for place in 0..PLACES {
                let bits = random::number(term, place);
                let dimension = ((u128::from(bits) * self.dimension as u128) >> 64) as usize;
                vector[dimension] += if bits & 1 == 0 { weight } else { -weight };
            }
        }
        vector.into_iter().map(|value| value as f32).collect()
    }

    /// The vectors of all products of a catalogue, in its order.
    #[must_use]
    pub fn content<'a>(catalogue: impl Iterator<Item = Described<'a>> + Clone, dimension: usize) -> Content {
        let mut builder = TfIdfBuilder::default();
        catalogue.clone().for_each(|described| builder.count(&described));
        let (products, tf_idf) = (builder.products, builder.build(dimension));
        let mut content = Content::new(products as usize, dimension);
        for (product, described) in (0..).zip(catalogue) {
            content.set(product, &tf_idf.vector(&described));
        }
        content
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

    fn named(name: &str) -> Described<'_> {
        Described { name, ..Described::default() }
    }

    #[test]
    fn products_that_share_rare_words_are_similar() {
        let names = ["red boots", "black boots", "red lamp", "oak table", "glass table", "table", "", "shop"];
        let content = TfIdf::content(names.iter().map(|name| named(name)), 512);
        let first = |product| content.similar(product, 1, |_| false).first().map(|scored| scored.row);
        assert_eq!([first(1), first(3), first(4), first(5)], [Some(0), Some(5), Some(5), Some(3)]);
        assert!(!content.has(6), "a product without a text has no vector");
    }

    #[test]
    fn a_word_of_every_product_says_nothing() {
        let names = ["shop lamp", "shop boots", "shop"];
        let content = TfIdf::content(names.iter().map(|name| named(name)), 64);
        assert!(content.has(0) && !content.has(2));
        assert!(content.similar(0, 3, |_| false).iter().all(|scored| scored.score < 0.6));
    }

    #[test]
    fn cosines_are_those_of_the_terms_within_the_error_of_the_projection() {
        // Two products of ten words each, five of them shared, all equally rare: the cosine is 1/2.
        let word = |product: usize, place: usize| match place {
            0..5 => format!("s{place}x{}", product / 2),
            _ => format!("w{place}x{product}"),
        };
        let name = |product| (0..10).map(|place| word(product, place)).collect::<Vec<_>>().join(" ");
        let names: Vec<String> = (0..400).map(name).collect();
        let rarity = |with_term: f64| (401.0 / (1.0 + with_term)).ln().powi(2);
        let exact = rarity(2.0) / (rarity(2.0) + rarity(1.0));
        let content = TfIdf::content(names.iter().map(|name| named(name)), 1024);
        let errors = (0..200_u32).map(|pair| {
            let found = content.similar(2 * pair, 1, |other| other != 2 * pair + 1);
            f64::from(found.first().map_or(0.0, |scored| scored.score)) - exact
        });
        let squares: f64 = errors.map(|error| error * error).sum::<f64>() / 200.0;
        assert!(squares.sqrt() < 2.0 / 1024.0_f64.sqrt(), "a standard error of {}", squares.sqrt());
    }

    #[test]
    fn vectors_are_the_same_for_ever() {
        let content = TfIdf::content(["red boots", "oak table"].iter().map(|name| named(name)), 8);
        let (boots, table) = content.values.split_at(8);
        assert_eq!(boots, [26754, 0, -13377, 0, 0, 0, -13377, 0]);
        assert_eq!(table, [-13377, 13377, -13377, -13377, 13377, -13377, 0, 0]);
    }
}
