//! The similar products of a product, in the order in which people see them.

mod cache;

use std::cmp::Reverse;

use dataflow::graph::Neighbor;
use dataflow::ids::ProductKey;
use dataflow::index_reader::for_you::WEIGHT_OF_USER_MAX;
use dataflow::index_reader::{Scorer, WideView};
use dataflow::rules::Rules;
use dataflow::time::Diff;

use crate::slots::ServedContent;
use crate::source_name::SourceName;

use self::cache::{KEPT, SimilarCache, Version};

/// A product that is similar to another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimilarProduct {
    /// The similar product.
    pub product: ProductKey,
    /// Why it is similar.
    pub reason: SimilarReason,
}

/// Why a product is similar to another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SimilarReason {
    /// Both were viewed together.
    CoViewed {
        /// C of both products: how often and how closely they were viewed together.
        weight: u64,
    },
    /// Both have similar texts or embeddings.
    Alike {
        /// The cosine of their vectors.
        cosine: f32,
    },
}

impl SimilarReason {
    /// The source of the similarity.
    #[must_use]
    pub fn source(self) -> SourceName {
        match self {
            SimilarReason::CoViewed { .. } => SourceName::CoViews,
            SimilarReason::Alike { .. } => SourceName::Content,
        }
    }
}

/// The memory for similar products, used again for every list.
#[derive(Default)]
pub(crate) struct SimilarMemory {
    /// The heaviest neighbors of a product.
    neighbors: Vec<(Neighbor, Diff)>,
    /// Its similar products.
    rows: Vec<SimilarProduct>,
    cache: SimilarCache,
}

impl SimilarMemory {
    /// The first `size` similar products of a product, as people see them; none if there are fewer than `items_min`. What
    /// co-views do not fill is filled from content vectors, if there are any.
    pub(crate) fn first(
        &mut self,
        view: &WideView<'_>,
        product: ProductKey,
        (size, items_min): (usize, usize),
        scorer: &mut Scorer,
        content: Option<&ServedContent>,
    ) -> &[SimilarProduct] {
        let SimilarMemory { neighbors, rows: similar, cache } = self;
        let wanted = size.max(items_min);
        let version = view.similar_version().filter(|_| wanted <= KEPT);
        let mut rank = |size, rows: &mut Vec<SimilarProduct>| {
            let (relevance, may_show) = (scorer.relevance(), |product| view.may_show(product));
            view.similar(product, neighbors);
            first_relevant(neighbors, size, relevance, scorer.viewers(view), may_show, rows);
            if let Some(served) = content {
                fill(rows, product, size, served, may_show);
            }
        };
        let rows: &[SimilarProduct] = match version {
            Some(graph) => {
                let version = Version { graph, content: content.map_or(0, |served| served.version) };
                cache.get_or_make(product, version, |rows| rank(KEPT, rows))
            }
            None => {
                rank(wanted, similar);
                similar
            }
        };
        let is_shown = Rules::is_shown(rows.len(), items_min);
        &rows[..if is_shown { size.min(rows.len()) } else { 0 }]
    }
}

/// Fills the list of a product up to `size` products with those like it, without products that are in the list.
fn fill(
    rows: &mut Vec<SimilarProduct>,
    product: ProductKey,
    size: usize,
    served: &ServedContent,
    may_show: impl Fn(ProductKey) -> bool,
) {
    let missing = size.saturating_sub(rows.len());
    if missing == 0 {
        return;
    }
    let skip = |other| rows.iter().any(|row| row.product == other) || !may_show(other);
    let alike = served.vectors.similar(product, missing, skip);
    rows.extend(
        alike.into_iter().map(|(product, cosine)| SimilarProduct { product, reason: SimilarReason::Alike { cosine } }),
    );
}

/// The `size` most relevant neighbors that may be shown, ties by product, into `best` (cleared first). `neighbors` are
/// the heaviest first.
///
/// A product has at least as many viewers as users that its weight needs, and its relevance never grows with its number
/// of viewers. So the number is looked up only of neighbors that may be among the first.
fn first_relevant(
    neighbors: &[(Neighbor, Diff)],
    size: usize,
    relevance: impl Fn(u64, u64) -> u64,
    mut viewers: impl FnMut(ProductKey) -> u64,
    may_show: impl Fn(ProductKey) -> bool,
    best: &mut Vec<SimilarProduct>,
) {
    best.clear();
    let mut places: Vec<(Reverse<u64>, ProductKey)> = Vec::with_capacity(size + 1);
    for (neighbor, _) in neighbors {
        let (product, weight) = (neighbor.product, neighbor.weight());
        let worst = places.get(size - 1).copied();
        let at_most = relevance(weight, weight.div_ceil(WEIGHT_OF_USER_MAX));
        if worst.is_some_and(|worst| (Reverse(at_most), product) > worst) {
            continue;
        }
        let place = (Reverse(relevance(weight, viewers(product))), product);
        if worst.is_none_or(|worst| place < worst) && may_show(product) {
            let at = places.partition_point(|better| *better < place);
            places.insert(at, place);
            best.insert(at, SimilarProduct { product, reason: SimilarReason::CoViewed { weight } });
            places.truncate(size);
            best.truncate(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
    use harness::Dice;

    use super::*;

    /// n^(-1/4) as the scorer has it, times 2^16.
    fn relevance(weight: u64, viewers: u64) -> u64 {
        let root = ((1u128 << 64) / u128::from(viewers.max(1))).isqrt().isqrt();
        weight * u64::try_from(root).expect("17 bits")
    }

    #[test]
    fn the_first_are_those_of_a_whole_sort() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let mut dice = Dice::new(1);
        for round in 0..200 {
            let mut rows: Vec<(Neighbor, u64)> = (0..dice.below(60))
                .map(|number| {
                    let product = dictionary.product(&format!("product-{number}")).expect("no collision");
                    let weight = 1 + dice.below(500_u64);
                    // At least the users that the weight needs, and often many more.
                    (Neighbor::new(weight, product), weight.div_ceil(64) + dice.below(3) * dice.below(400))
                })
                .collect();
            rows.sort_unstable();
            let viewers =
                |product: ProductKey| rows.iter().find(|row| row.0.product == product).expect("it is there").1;
            let may_show = |product: ProductKey| !product.route().is_multiple_of(5);
            let mut expected: Vec<Neighbor> =
                rows.iter().map(|(row, _)| *row).filter(|row| may_show(row.product)).collect();
            expected.sort_by_key(|row| (Reverse(relevance(row.weight(), viewers(row.product))), row.product));
            let neighbors: Vec<(Neighbor, Diff)> = rows.iter().map(|(row, _)| (*row, 1)).collect();
            for size in [1, 10, 100] {
                let mut best = Vec::new();
                first_relevant(&neighbors, size, relevance, viewers, may_show, &mut best);
                let best: Vec<ProductKey> = best.iter().map(|row| row.product).collect();
                let first: Vec<ProductKey> = expected.iter().take(size).map(|row| row.product).collect();
                assert_eq!(best, first, "round {round}, size {size}");
            }
        }
    }

    #[test]
    fn a_short_list_is_filled_with_products_that_are_alike() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let keys: Vec<ProductKey> =
            (0..6).map(|number| dictionary.product(&format!("product-{number}")).expect("no collision")).collect();
        let mut embeddings = models::content::Embeddings::default();
        // Product 0 is the one asked about; the others turn away from it, one after the other.
        (0..6_u8).for_each(|number| embeddings.add(vec![1.0, f32::from(number)]));
        let vectors = models::content::Content::new(embeddings.vectors().0, keys.clone(), 0.0);
        let served = ServedContent { version: 1, vectors };
        let viewed = SimilarProduct { product: keys[2], reason: SimilarReason::CoViewed { weight: 9 } };
        let filled = |mut rows: Vec<SimilarProduct>, size| {
            fill(&mut rows, keys[0], size, &served, |product| product != keys[3]);
            let number = |row: &SimilarProduct| keys.iter().position(|key| *key == row.product).expect("it has a key");
            rows.iter().map(|row| (number(row), row.reason.source())).collect::<Vec<_>>()
        };
        let (views, content) = (SourceName::CoViews, SourceName::Content);
        assert_eq!(filled(vec![viewed], 3), [(2, views), (1, content), (4, content)], "3 may not be shown");
        assert_eq!(filled(vec![viewed], 9), [(2, views), (1, content), (4, content), (5, content)]);
        assert_eq!(filled(vec![viewed], 1), [(2, views)]);
        assert_eq!(filled(vec![], 2), [(1, content), (2, content)]);
    }
}
