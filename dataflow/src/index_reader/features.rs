//! The features of one user, read from what the user did and bought and from the categories of the products.

use std::collections::BTreeMap;

use super::{IndexReader, ReadView, ValueFeatures, WideView};
use crate::graph::{OpenSessions, Purchases, UserProducts};
use crate::ids::{CategoryKey, OrderKey, ProductKey, UserKey};
use crate::product_attributes::AttributeSlot;
use crate::publish::snapshot::keys;
use crate::publish::{Snapshot, rows};
use crate::sessions::each_gap;
use crate::tables::Activity;
use crate::time::Millis;

/// What a user did with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductFeatures {
    /// The product.
    pub product: ProductKey,
    /// The user's events with it.
    pub activity: Activity,
    /// The user's orders that count and have a live line of it.
    pub purchases: u64,
}

impl ProductFeatures {
    /// Nothing.
    #[must_use]
    pub fn none(product: ProductKey) -> Self {
        ProductFeatures { product, activity: Activity::default(), purchases: 0 }
    }

    /// Nothing, with a product that nobody named.
    #[must_use]
    pub fn unknown() -> Self {
        ProductFeatures::none(ProductKey::NONE)
    }
}

/// What a user did with the products that are now in a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CategoryFeatures {
    /// The category.
    pub category: CategoryKey,
    /// The sum of the views of its products.
    pub views: u64,
    /// The sum of the purchases of its products.
    pub purchases: u64,
}

/// Everything that a user did. The products and categories are in the order of their keys, each with an event or a
/// purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFeatures {
    /// The time of the latest event of any kind.
    pub last_at: Option<Millis>,
    /// By product.
    pub products: Vec<ProductFeatures>,
    /// By category; empty unless sums were asked for.
    pub categories: Vec<CategoryFeatures>,
    /// By value in the metadata of events, in the order of keys and values.
    pub metadata: Vec<ValueFeatures>,
    /// Views by value of the products' attributes, in the order of attributes and values; none if there are views and the
    /// attributes that `features.attributes` names are not read yet, or unless sums were asked for.
    pub attribute_views: Option<Vec<ValueFeatures>>,
}

impl UserFeatures {
    /// What the user did with one product.
    #[must_use]
    pub fn of_product(&self, product: ProductKey) -> ProductFeatures {
        let found = self.products.binary_search_by_key(&product, |features| features.product);
        found.map_or_else(|_| ProductFeatures::none(product), |at| self.products[at])
    }
}

impl IndexReader {
    /// The users in this process who have features, in the order of their keys. Some may have none as of the time of a view.
    #[must_use]
    pub fn users_with_features(&self) -> Vec<UserKey> {
        let users = |worker| {
            let (snapshot, _) = self.snapshots().read(worker);
            [keys(snapshot.indexes.get::<UserProducts>()), keys(snapshot.indexes.get::<Purchases>())]
        };
        let mut all: Vec<UserKey> = (0..self.snapshots().len()).flat_map(users).flatten().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl ReadView<'_> {
    /// What a user did; nothing if features are off. The sums over the products of a category, and over those with a value of an
    /// attribute, take a look-up for each product, and are made only if the slot of the attributes is given. The view must have been
    /// taken for the same user.
    #[must_use]
    pub fn features(&self, user: UserKey, sums: Option<&AttributeSlot>) -> UserFeatures {
        self.features_in(self.snapshot(), user, sums)
    }

    /// The features of a user from the snapshot of the worker that holds it.
    fn features_in(&self, snapshot: &Snapshot, user: UserKey, sums: Option<&AttributeSlot>) -> UserFeatures {
        let mut interacted: Vec<(ProductKey, Activity)> = Vec::new();
        rows::values(snapshot.indexes.get::<UserProducts>(), &user, self.as_of(), &mut interacted);
        // What was taken out may still be stored, and so may what will be.
        interacted.retain(|(_, activity)| activity.last_at().is_some_and(|at| self.lasts(at)));
        self.add_gaps(snapshot, user, &mut interacted);
        let last_at = interacted.iter().filter_map(|(_, activity)| activity.last_at()).max();
        let mut products: Vec<ProductFeatures> = interacted
            .into_iter()
            .filter(|(product, _)| *product != ProductKey::NONE)
            .map(|(product, activity)| ProductFeatures { activity, ..ProductFeatures::none(product) })
            .collect();
        self.add_purchases(snapshot, user, &mut products);
        let categories = sums.map(|_| self.by_category(&products)).unwrap_or_default();
        let attribute_views = sums.and_then(|attributes| self.by_attribute(attributes, &products));
        let metadata = self.metadata_in(snapshot, user);
        UserFeatures { last_at, products, categories, metadata, attribute_views }
    }

    /// Whether features whose latest event was at this time are there as of the view.
    pub(super) fn lasts(&self, at: Millis) -> bool {
        self.rules().features.last_until(at, self.as_of())
    }

    /// Adds the gaps of the sessions that are held. Every view is among the interactions already, unless it was dropped.
    fn add_gaps(&self, snapshot: &Snapshot, user: UserKey, interacted: &mut [(ProductKey, Activity)]) {
        let mut held = Vec::new();
        rows::values(snapshot.indexes.get::<OpenSessions>(), &user, self.as_of(), &mut held);
        each_gap(&held, |gap| {
            if let Ok(at) = interacted.binary_search_by_key(&gap.product, |(product, _)| *product)
                && interacted[at].1.counts(gap.at)
                && self.rules().features.has_gap(gap.at, gap.ms)
            {
                interacted[at].1.add_gap(gap.ms);
            }
        });
    }

    /// Counts the orders of each product. Products that were only bought are added.
    fn add_purchases(&self, snapshot: &Snapshot, user: UserKey, products: &mut Vec<ProductFeatures>) {
        let mut bought: Vec<(ProductKey, OrderKey)> = Vec::new();
        rows::first_values(snapshot.indexes.get::<Purchases>(), &user, self.as_of(), |row, _| {
            bought.push((row.product, row.order().1));
            true
        });
        // An order of several rows is one order.
        bought.sort_unstable();
        bought.dedup();
        let known = products.len();
        for orders in bought.chunk_by(|one, next| one.0 == next.0) {
            let (product, purchases) = (orders[0].0, orders.len() as u64);
            match products[..known].binary_search_by_key(&product, |features| features.product) {
                Ok(at) => products[at].purchases = purchases,
                Err(_) => products.push(ProductFeatures { purchases, ..ProductFeatures::none(product) }),
            }
        }
        products.sort_unstable_by_key(|features| features.product);
    }

    fn by_category(&self, products: &[ProductFeatures]) -> Vec<CategoryFeatures> {
        let mut sums: BTreeMap<CategoryKey, (u64, u64)> = BTreeMap::new();
        let mut categories = Vec::new();
        for features in products.iter().filter(|features| features.activity.views() + features.purchases > 0) {
            self.categories_of(features.product, &mut categories);
            for (category, _) in &categories {
                let (views, purchases) = sums.entry(*category).or_default();
                *views += features.activity.views();
                *purchases += features.purchases;
            }
        }
        let row = |(category, (views, purchases))| CategoryFeatures { category, views, purchases };
        sums.into_iter().map(row).collect()
    }
}

impl WideView<'_> {
    /// What a user did, whichever worker of this process holds the user: see [`ReadView::features`].
    #[must_use]
    pub fn features_of(&self, user: UserKey, sums: Option<&AttributeSlot>) -> UserFeatures {
        self.features_in(self.snapshot_of(user.route()), user, sums)
    }
}
