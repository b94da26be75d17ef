//! The measures of each source and of the whole chain, gathered view by view.

use std::collections::{BTreeMap, HashMap};

use dataflow::ids::{ProductKey, UserKey};
use dataflow::rules::DAY_MS;
use dataflow::time::Millis;
use models::evaluation::{Answer, LENGTH, Measured, Tally, ranking};
use recommend::SourceName;

use super::sources::Made;

/// The name of the whole chain in tables.
const CHAIN: &str = "the chain";

/// The measures so far. The memory is about 100 bytes for each user and source, and 60 for each product.
pub(super) struct Tallies {
    names: Vec<&'static str>,
    tallies: Vec<Tally<ProductKey>>,
    /// By day: for each name the hits, and the number of asks.
    days: BTreeMap<Millis, (Vec<f64>, u64)>,
    /// For each product its views, and the time of the earliest of them.
    products: HashMap<ProductKey, (u64, Millis)>,
    views: u64,
    /// Views of a product that the user had in its history.
    repeated: u64,
    /// Views of users without a history.
    first: u64,
}

impl Tallies {
    /// For the sources of a chain, in its order.
    pub(super) fn new(sources: impl Iterator<Item = SourceName>) -> Tallies {
        let mut names: Vec<&'static str> = sources.map(SourceName::word).collect();
        names.push(CHAIN);
        let tallies = names.iter().map(|_| Tally::default()).collect();
        let (days, products) = (BTreeMap::new(), HashMap::new());
        Tallies { names, tallies, days, products, views: 0, repeated: 0, first: 0 }
    }

    /// Counts a view of a product.
    pub(super) fn saw(&mut self, product: ProductKey, at: Millis) {
        self.views += 1;
        let (views, first) = self.products.entry(product).or_insert((0, at));
        *views += 1;
        *first = at.min(*first);
    }

    /// Measures the lists that were made at `now` for a user with this history, who then viewed `product`.
    pub(super) fn ask(
        &mut self,
        (user, product, now): (UserKey, ProductKey, Millis),
        history: &[ProductKey],
        made: &Made,
    ) {
        if history.is_empty() {
            self.first += 1;
            return;
        }
        if history.contains(&product) {
            self.repeated += 1;
            return;
        }
        let day = self.days.entry(now - now % DAY_MS).or_insert_with(|| (vec![0.0; self.names.len()], 0));
        day.1 += 1;
        let all = made.of_sources.iter().chain([&made.of_chain]);
        for ((list, tally), hits) in all.zip(&mut self.tallies).zip(&mut day.0) {
            let relevant = [product];
            let answer = Answer { user: user.route(), list, relevant: &relevant, all_views: self.views };
            let views = |product: &ProductKey| self.products.get(product).map_or(0, |(views, _)| *views);
            let is_new = |product: &ProductKey| {
                self.products.get(product).is_some_and(|(_, first)| first.saturating_add(DAY_MS) > now)
            };
            tally.add(&answer, views, is_new);
            *hits += ranking::recall(list, &relevant, LENGTH);
        }
    }

    /// The number of views that asked nothing: of products in the user's history, and of users without one.
    pub(super) fn not_asked(&self) -> (u64, u64) {
        (self.repeated, self.first)
    }

    /// The measures by name; none if nothing was asked.
    pub(super) fn measured(&self) -> Vec<(&'static str, Measured)> {
        let is_viewed = |product: &ProductKey| self.products.contains_key(product);
        let measured = |(name, tally): (&&'static str, &Tally<ProductKey>)| {
            Some((*name, tally.measured(self.products.len(), is_viewed)?))
        };
        self.names.iter().zip(&self.tallies).filter_map(measured).collect()
    }

    /// The recall of each day, by name.
    pub(super) fn by_day(&self) -> impl Iterator<Item = (Millis, Vec<f64>)> + '_ {
        self.days.iter().map(|(day, (hits, asks))| (*day, hits.iter().map(|hits| hits / *asks as f64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    use super::*;

    /// The share of new products and the coverage of one list of three products: one was viewed at these times, one a day
    /// before, and one never. It is made for a view of a fourth product.
    fn measured(views: &[Millis], now: Millis) -> (f64, f64) {
        let ids = Dictionary::new(Ids::new([1; 16]));
        let product = |id| ids.product(id).expect("no two ids have a key");
        let [viewed, old, unseen, next] = ["viewed", "old", "unseen", "next"].map(product);
        let mut tallies = Tallies::new([SourceName::BestSellers].into_iter());
        views.iter().for_each(|at| tallies.saw(viewed, *at));
        tallies.saw(old, now - DAY_MS);
        let list = vec![viewed, old, unseen];
        let made = Made { of_sources: vec![list.clone()], of_chain: list };
        tallies.ask((ids.user("ada"), next, now), &[old], &made);
        let (_, measured) = tallies.measured().swap_remove(0);
        (measured.means[4].mean, measured.coverage)
    }

    #[test]
    fn a_product_is_new_for_a_day_after_its_earliest_view() {
        let now = 10 * DAY_MS;
        assert_eq!(measured(&[now - 1, now - 5], now).0, 1.0 / 3.0);
        assert_eq!(measured(&[now - 1, now - DAY_MS], now).0, 0.0, "the earliest view came late");
    }

    #[test]
    fn coverage_counts_only_products_that_were_viewed() {
        assert_eq!(measured(&[5], 10 * DAY_MS).1, 1.0);
    }
}
