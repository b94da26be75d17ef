//! The definitions of what is learned, recomputed from all histories in the plainest way. Shares no code with the graph or
//! its readers except ids and settings.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::ids::ProductKey;
use dataflow::rules::{CoViews, Weighting};
use dataflow::time::Millis;

/// One recommended product, its score, and the rows behind it: the product viewed, its place, and C.
pub(crate) type Recommended = (ProductKey, u64, Vec<(ProductKey, usize, u64)>);

/// Viewers and similar products of every product, from the histories of one time.
#[derive(Debug)]
pub(crate) struct Learned {
    rules: CoViews,
    /// n.
    viewers: BTreeMap<ProductKey, u128>,
    /// C.
    pairs: BTreeMap<(ProductKey, ProductKey), u128>,
}

impl Learned {
    pub(crate) fn new(histories: impl Iterator<Item = Vec<(ProductKey, Millis)>>, rules: CoViews) -> Self {
        let mut learned = Learned { rules, viewers: BTreeMap::new(), pairs: BTreeMap::new() };
        let distance_max = match (rules.distance, rules.weighting) {
            (0, Weighting::Clicks) => 10,
            (0, Weighting::Films) => 20,
            (distance, _) => distance,
        };
        for history in histories {
            for (i, (a, _)) in history.iter().enumerate() {
                *learned.viewers.entry(*a).or_default() += 1;
                for (j, (b, _)) in history.iter().enumerate() {
                    let distance = i.abs_diff(j);
                    if (1..=distance_max).contains(&distance) {
                        *learned.pairs.entry((*a, *b)).or_default() += root(4096 / distance as u128);
                    }
                }
            }
        }
        learned
    }

    pub(crate) fn viewers(&self, product: ProductKey) -> u64 {
        self.viewers.get(&product).copied().unwrap_or(0) as u64
    }

    /// The similar products with C: heaviest first.
    pub(crate) fn similar(&self, product: ProductKey) -> Vec<(ProductKey, u64)> {
        let rows = self.pairs.iter().filter(|((a, _), _)| *a == product);
        let mut rows: Vec<(ProductKey, u64)> = rows.map(|((_, b), weight)| (*b, *weight as u64)).collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        rows.truncate(self.rules.similar);
        rows
    }

    /// The similar products in the order of people.
    pub(crate) fn similar_shown(
        &self,
        product: ProductKey,
        may_show: impl Fn(ProductKey) -> bool,
    ) -> Vec<(ProductKey, u64)> {
        let mut rows = self.similar(product);
        rows.retain(|(product, _)| may_show(*product));
        let relevance = |row: &(ProductKey, u64)| u128::from(row.1) * self.candidate_root(row.0);
        rows.sort_by(|a, b| relevance(b).cmp(&relevance(a)).then(a.0.cmp(&b.0)));
        rows
    }

    /// The best products after a history.
    pub(crate) fn for_you(
        &self,
        history: &[ProductKey],
        exclude: &[ProductKey],
        size: usize,
        may_show: impl Fn(ProductKey) -> bool,
    ) -> Vec<Recommended> {
        let mut sums: BTreeMap<ProductKey, u128> = BTreeMap::new();
        let mut because: BTreeMap<ProductKey, Vec<(ProductKey, usize, u64)>> = BTreeMap::new();
        for (place, viewed) in history.iter().enumerate().take(self.rules.newest) {
            for (product, weight) in self.similar(*viewed) {
                let viewers = u128::from(self.viewers(*viewed));
                let term = self.place_weight(place) * u128::from(weight) * root((1 << 40) / viewers);
                *sums.entry(product).or_default() += term / 65_536;
                because.entry(product).or_default().push((*viewed, place, weight));
            }
        }
        let left_out: BTreeSet<ProductKey> = history.iter().chain(exclude).copied().collect();
        sums.retain(|product, _| !left_out.contains(product) && may_show(*product));
        let score = |(product, sum): (ProductKey, u128)| {
            let score = (sum * self.candidate_root(product) / 65_536) as u64;
            (product, score, because[&product].clone())
        };
        let mut scored: Vec<Recommended> = sums.into_iter().map(score).filter(|(_, score, _)| *score > 0).collect();
        scored.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        scored.truncate(size);
        scored
    }

    fn place_weight(&self, place: usize) -> u128 {
        match self.rules.weighting {
            Weighting::Clicks => 65_536 / (place as u128 + 1),
            // The third root of 2^(48 - place), rounded down.
            Weighting::Films => (0..=65_536u128).rev().find(|x| x.pow(3) << place <= 1 << 48).unwrap_or(0),
        }
    }

    fn candidate_root(&self, product: ProductKey) -> u128 {
        let viewers = u128::from(self.viewers(product));
        let fourth = root(root((1 << 64) / viewers));
        match self.rules.weighting {
            Weighting::Clicks => fourth,
            Weighting::Films => root(root((1 << 40) / viewers) * fourth / 16),
        }
    }
}

/// The square root, rounded down, bit by bit.
fn root(n: u128) -> u128 {
    (0..64).rev().fold(0, |found: u128, bit| {
        let next = found | 1 << bit;
        if next * next <= n { next } else { found }
    })
}
