//! The values of one user's features as the cells of a row, with ids in place of keys: what files of features hold.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Feature, FeatureValue, Reading};
use crate::dictionary::Dictionary;
use crate::ids::ProductKey;
use crate::index_reader::{FeatureRows, UserFeatures, ValueFeatures};

/// Which values of features of products a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowProduct {
    /// The values of all products of the user, as a map.
    All,
    /// The value of one product; none for a row that names no product.
    One(Option<ProductKey>),
}

/// The cell of a feature in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FeatureCell {
    /// One value; none if there is none.
    One(Option<FeatureValue>),
    /// Values by the id of a product or category, or by a value under a key, in the order of these texts, without those that are 0 or absent.
    Map(Vec<(Arc<str>, FeatureValue)>),
}

impl Feature {
    /// Whether the cell of this feature is a map, in rows of one product each or in rows of all products.
    #[must_use]
    pub fn is_map(&self, of_one_product: bool) -> bool {
        match self.reading {
            Reading::OfUser(_) => false,
            Reading::OfProduct(_) => !of_one_product,
            Reading::OfCategory(_) | Reading::OfValue(_) | Reading::OfProductValue(_) => true,
        }
    }

    /// Whether the feature is summed over products by what they are now.
    #[must_use]
    pub fn needs_sums(&self) -> bool {
        self.rows.has(FeatureRows::CATEGORIES) || self.rows.has(FeatureRows::ATTRIBUTES)
    }

    /// The cell of this feature in a user's row.
    #[must_use]
    pub fn cell(&self, of: &UserFeatures, product: RowProduct, dictionary: &Dictionary) -> FeatureCell {
        match (self.reading, product) {
            (Reading::OfUser(read), _) => FeatureCell::One(read(of)),
            (Reading::OfProduct(read), RowProduct::One(product)) => {
                FeatureCell::One(product.and_then(|product| read(&of.of_product(product))))
            }
            (Reading::OfProduct(read), RowProduct::All) => {
                map(of.products.iter().map(|of| (dictionary.product_name(of.product), read(of))))
            }
            (Reading::OfCategory(read), _) => {
                map(of.categories.iter().map(|of| (dictionary.category_name(of.category), read(of))))
            }
            (Reading::OfValue(read), _) => values(read(of)),
            (Reading::OfProductValue(read), _) => values(read(of).unwrap_or_default()),
        }
    }
}

fn values(values: &[ValueFeatures]) -> FeatureCell {
    map(values.iter().map(|of| (Some(of.name().into()), Some(FeatureValue::Count(of.events)))))
}

fn map(entries: impl Iterator<Item = (Option<Arc<str>>, Option<FeatureValue>)>) -> FeatureCell {
    let present =
        |(id, value): (Option<Arc<str>>, Option<FeatureValue>)| Some((id?, value.filter(|value| !value.is_zero())?));
    let mut entries: Vec<(Arc<str>, FeatureValue)> = entries.filter_map(present).collect();
    entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    FeatureCell::Map(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::find;
    use crate::ids::Ids;
    use crate::index_reader::ProductFeatures;
    use crate::tables::{Activity, Interaction};

    #[test]
    fn features_of_products_are_maps_unless_the_row_has_a_product() {
        let ids = Dictionary::new(Ids::new([0; 16]));
        let [lamp, cup, tea] = ["lamp", "cup", "tea"].map(|id| ids.product(id).unwrap());
        let view = Activity::of(Interaction::View { time_on_page_ms: None }, 7);
        let product = |key| ProductFeatures { activity: view, ..ProductFeatures::none(key) };
        let mut products =
            vec![product(lamp), product(cup), ProductFeatures { purchases: 1, ..ProductFeatures::none(tea) }];
        products.sort_unstable_by_key(|of| of.product);
        let of = UserFeatures { last_at: Some(7), products, ..UserFeatures::default() };
        let cell = |name: &str, product| find(name).unwrap().cell(&of, product, &ids);
        let count = |count| Some(FeatureValue::Count(count));
        let views = FeatureCell::Map(["cup", "lamp"].map(|id| (id.into(), FeatureValue::Count(1))).to_vec());
        assert_eq!(cell("user_product_views", RowProduct::All), views);
        assert_eq!(cell("user_product_views", RowProduct::One(Some(cup))), FeatureCell::One(count(1)));
        assert_eq!(cell("user_product_views", RowProduct::One(Some(tea))), FeatureCell::One(count(0)));
        assert_eq!(cell("user_product_views", RowProduct::One(None)), FeatureCell::One(None));
        for product in [RowProduct::All, RowProduct::One(None)] {
            assert_eq!(cell("user_last_interaction", product), FeatureCell::One(Some(FeatureValue::Time(7))));
            assert_eq!(cell("user_category_views", product), FeatureCell::Map(Vec::new()));
        }
    }
}
