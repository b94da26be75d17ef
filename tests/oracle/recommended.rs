//! Best sellers for one user, recomputed from the best-seller lists and the history.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::rules::Rules;
use dataflow::time::Millis;

use crate::given::World;
use crate::merchandising::On;
use crate::plain::{Shelves, Which, by_buyers};

/// Best sellers for one user.
#[derive(Debug)]
pub(crate) struct Recommended {
    pub(crate) personal: bool,
    pub(crate) merged_from: Vec<Which>,
    /// Each with its buyers, and whether the lists have it.
    pub(crate) products: Vec<((ProductKey, u64), bool)>,
}

impl Shelves {
    /// The recommendations of a user.
    pub(crate) fn recommend(&self, world: &World, user: UserKey, rules: &Rules) -> Recommended {
        let mut seen: BTreeMap<CategoryKey, Vec<Millis>> = BTreeMap::new();
        for (product, at) in &self.histories[&user] {
            for &category in self.categories_of.get(product).into_iter().flatten() {
                seen.entry(category).or_default().push(*at);
            }
        }
        let mut ranked: Vec<CategoryKey> = seen.keys().copied().collect();
        let most_recent = |category: &CategoryKey| seen[category].iter().copied().max();
        ranked.sort_by(|a, b| {
            let by_products = seen[b].len().cmp(&seen[a].len());
            by_products.then(most_recent(b).cmp(&most_recent(a))).then(a.cmp(b))
        });
        ranked.truncate(rules.categories_max);
        let lists: Vec<Which> = ranked.into_iter().map(Some).collect();
        let merged: BTreeSet<(ProductKey, u64)> = lists.iter().flat_map(|which| self.best(*which)).copied().collect();
        let mut products: Vec<(ProductKey, u64)> = merged.into_iter().collect();
        by_buyers(&mut products, usize::MAX);
        let personal = !products.is_empty();
        if !personal {
            products = self.best(None).to_vec();
        }
        let own: Vec<ProductKey> = products.iter().map(|(product, _)| *product).collect();
        let mut arranged = self.arranged(world, On::Recommendations, &own, rules);
        arranged.truncate(rules.list_size);
        let products = arranged.into_iter().map(|(product, own)| (self.with_buyers(product), own)).collect();
        Recommended { personal, merged_from: if personal { lists } else { vec![None] }, products }
    }
}
