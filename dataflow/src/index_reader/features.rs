//! The features of users, read from what they did and bought and from the categories of the products.
//!
//! ```text
//! users ─▶ places: all users side by side, index by index ─▶ rows of one user after the other ─▶ UserFeatures
//! ```
//! A request says once which rows its features are made from ([`WantedRows`]), and no others are read.

mod definition;
mod places;
mod reader;
mod walk;
mod wanted;

use super::{IndexReader, ReadView, ValueFeatures, WideView};
use crate::graph::{Purchases, UserProducts};
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::product_attributes::AttributeSlot;
use crate::publish::snapshot::keys;
use crate::tables::Activity;
use crate::time::Millis;

pub(super) use definition::Definition;
pub use reader::{FeatureReader, FoundUsers};
pub use walk::{FeatureWalk, FeatureWalks, Wanted};
pub use wanted::{FeatureRows, WantedRows};

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
    /// How features are made as of the time of the view.
    pub(super) fn definition(&self) -> Definition<'_> {
        Definition { rules: &self.rules().features, as_of: self.as_of() }
    }

    /// What a user did; nothing if features are off. The sums over the products of a category, and over those with a value of an
    /// attribute, take a look-up for each product, and are made only if the slot of the attributes is given. The view must have been
    /// taken for the same user.
    #[must_use]
    pub fn features(&self, user: UserKey, sums: Option<&AttributeSlot>) -> UserFeatures {
        let mut reader = FeatureReader::default();
        reader.find(self, [user], WantedRows::all(sums)).features(0).clone()
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
        let mut reader = FeatureReader::default();
        reader.find_wide(self, [user], WantedRows::all(sums)).features(0).clone()
    }
}
