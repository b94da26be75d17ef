//! The measures of many answers of one source of lists, gathered one by one.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::interval::{Cluster, Interval, normal};
use super::{novelty, ranking};

/// The length up to which lists are measured.
pub const LENGTH: usize = 10;

/// The measures whose means are taken, in the order of [`Measured::means`].
pub const NAMES: [&str; 5] = ["recall@10", "NDCG@10", "MRR@10", "novelty (bits)", "share of new products"];

/// One answer, and what came next.
pub struct Answer<'a, P> {
    /// The user, as a number that is equal for equal users.
    pub user: u64,
    /// The list, best first.
    pub list: &'a [P],
    /// What came next.
    pub relevant: &'a [P],
    /// All views up to now.
    pub all_views: u64,
}

/// The measures of one source so far. The memory is about 100 bytes for each user and 20 for each product shown.
#[derive(Clone, Debug)]
pub struct Tally<P> {
    users: HashMap<u64, ([f64; NAMES.len()], u32)>,
    shown: HashSet<P>,
    asks: u64,
    empty: u64,
}

/// The measures of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The number of answers.
    pub asks: u64,
    /// The number of answers without a product.
    pub empty: u64,
    /// The mean of each of [`NAMES`], with its 95 % interval over users by the normal approximation.
    pub means: [Interval; NAMES.len()],
    /// The share of the products of the catalogue that were shown at least once.
    pub coverage: f64,
}

impl<P> Default for Tally<P> {
    fn default() -> Self {
        Tally { users: HashMap::new(), shown: HashSet::new(), asks: 0, empty: 0 }
    }
}

impl<P: Copy + Eq + Hash> Tally<P> {
    /// Adds an answer. `views` gives the views of a product up to now, and `is_new` whether it is new.
    pub fn add(&mut self, answer: &Answer<'_, P>, views: impl Fn(&P) -> u64, is_new: impl Fn(&P) -> bool) {
        let list = &answer.list[..answer.list.len().min(LENGTH)];
        let (sums, asks) = self.users.entry(answer.user).or_default();
        let values = [
            ranking::recall(list, answer.relevant, LENGTH),
            ranking::ndcg(list, answer.relevant, LENGTH),
            ranking::reciprocal_rank(list, answer.relevant, LENGTH),
            novelty::novelty(list, answer.all_views, views),
            novelty::share_of_new(list, is_new),
        ];
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        *asks += 1;
        self.shown.extend(list);
        self.asks += 1;
        self.empty += u64::from(list.is_empty());
    }

    /// The measures, over a catalogue of `products` products; `is_one` tells whether a product shown is one of them. `None`
    /// without an answer.
    #[must_use]
    pub fn measured(&self, products: usize, is_one: impl Fn(&P) -> bool) -> Option<Measured> {
        // The order of a hash map is not fixed, and the last bits of a sum depend on it.
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_unstable_by_key(|(user, _)| **user);
        let mean = |measure: usize| {
            let clusters = users.iter().map(|(_, (sums, asks))| Cluster { sum: sums[measure], asks: *asks });
            normal(&clusters.collect::<Vec<_>>())
        };
        let means = [mean(0)?, mean(1)?, mean(2)?, mean(3)?, mean(4)?];
        let coverage = novelty::coverage(&self.shown, products, is_one);
        Some(Measured { asks: self.asks, empty: self.empty, means, coverage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_over_asks_and_coverage_over_products() {
        let mut tally = Tally::default();
        assert_eq!(tally.measured(4, |_| true), None);
        let mut add = |user, list: &[u8], relevant: &[u8]| {
            tally.add(&Answer { user, list, relevant, all_views: 8 }, |_| 2, |product| *product == 3);
        };
        add(1, &[1, 2], &[2]);
        add(1, &[1, 2], &[1]);
        add(2, &[3], &[9]);
        add(2, &[], &[9]);
        assert_eq!(tally.measured(1, |product| *product == 1).unwrap().coverage, 1.0);
        let found = tally.measured(6, |_| true).unwrap();
        assert_eq!((found.asks, found.empty, found.coverage), (4, 1, 0.5));
        let means = found.means.map(|interval| interval.mean);
        let ndcg = (1.0 / 3.0_f64.log2() + 1.0) / 4.0;
        assert_eq!(means, [0.5, ndcg, 0.375, 1.5, 0.25]);
        assert!(found.means[0].low < 0.5 && found.means[0].high > 0.5);
    }
}
