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
    /// For each product its views, and the first of them.
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
        self.products.entry(product).or_insert((0, at)).0 += 1;
    }

    /// Measures the lists that were made for a user with this history, who then viewed `product`.
    pub(super) fn ask(
        &mut self,
        (user, product, at): (UserKey, ProductKey, Millis),
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
        let day = self.days.entry(at - at % DAY_MS).or_insert_with(|| (vec![0.0; self.names.len()], 0));
        day.1 += 1;
        let all = made.of_sources.iter().chain([&made.of_chain]);
        for ((list, tally), hits) in all.zip(&mut self.tallies).zip(&mut day.0) {
            let relevant = [product];
            let answer = Answer { user: user.route(), list, relevant: &relevant, all_views: self.views };
            let views = |product: &ProductKey| self.products.get(product).map_or(0, |(views, _)| *views);
            let is_new = |product: &ProductKey| {
                self.products.get(product).is_none_or(|(_, first)| first.saturating_add(DAY_MS) > at)
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
        let measured =
            |(name, tally): (&&'static str, &Tally<ProductKey>)| Some((*name, tally.measured(self.products.len())?));
        self.names.iter().zip(&self.tallies).filter_map(measured).collect()
    }

    /// The recall of each day, by name.
    pub(super) fn by_day(&self) -> impl Iterator<Item = (Millis, Vec<f64>)> + '_ {
        self.days.iter().map(|(day, (hits, asks))| (*day, hits.iter().map(|hits| hits / *asks as f64).collect()))
    }
}
