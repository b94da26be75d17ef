//! The features of one user, read from what the user did and bought and from the categories of the products.

mod definition;
mod walk;

use super::{IndexReader, ReadView, ValueFeatures, WideView};
use crate::graph::{OpenSessions, Purchases, UserProducts};
use crate::ids::{CategoryKey, OrderKey, ProductKey, UserKey};
use crate::product_attributes::AttributeSlot;
use crate::publish::snapshot::keys;
use crate::publish::{Snapshot, rows};
use crate::sessions::{Gap, each_gap};
use crate::tables::Activity;
use crate::time::Millis;

pub(super) use definition::Definition;
use definition::Sums;
pub use walk::{FeatureWalk, FeatureWalks, Wanted};

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

    /// Whether the user did nothing with it.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == ProductFeatures::none(self.product)
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
        let (mut interacted, mut held) = (Vec::new(), Vec::new());
        rows::values(snapshot.indexes.get::<UserProducts>(), &user, self.as_of(), &mut interacted);
        rows::values(snapshot.indexes.get::<OpenSessions>(), &user, self.as_of(), &mut held);
        let mut bought: Vec<(ProductKey, OrderKey)> = Vec::new();
        rows::first_values(snapshot.indexes.get::<Purchases>(), &user, self.as_of(), |row, _| {
            bought.push((row.product, row.order().1));
            true
        });
        let gaps = |give: &mut dyn FnMut(Gap)| each_gap(held.iter().copied(), give);
        let (alone_at, products) = self.definition().products(interacted, gaps, bought);
        let mut features = UserFeatures { last_at: alone_at.max(last_at(&products)), ..UserFeatures::default() };
        if let Some(attributes) = sums {
            let mut sums = Sums::new(attributes);
            sums.add(self, &products);
            features.categories = sums.categories();
            features.attribute_views = sums.attribute_views(&self.rules().features, &products);
        }
        features.metadata = self.metadata_in(snapshot, user);
        UserFeatures { products, ..features }
    }

    /// How features are made as of the time of the view.
    pub(super) fn definition(&self) -> Definition<'_> {
        Definition { rules: &self.rules().features, as_of: self.as_of() }
    }
}

/// The time of the latest event with one of these products.
fn last_at(products: &[ProductFeatures]) -> Option<Millis> {
    products.iter().filter_map(|of| of.activity.last_at()).max()
}

impl WideView<'_> {
    /// What a user did, whichever worker of this process holds the user: see [`ReadView::features`].
    #[must_use]
    pub fn features_of(&self, user: UserKey, sums: Option<&AttributeSlot>) -> UserFeatures {
        self.features_in(self.snapshot_of(user.route()), user, sums)
    }
}
