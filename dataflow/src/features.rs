//! The catalogue of features: each feature is declared once, with its name, key, type, unit and definition.
//!
//! ```text
//! FEATURES ─┬▶ values in answers of the server
//!           ├▶ the description of features that the server answers with
//!           ├▶ the cells of files of features (cells)
//!           └▶ docs/data-dictionary.md (dictionary)
//! ```
//! A feature is a function of the rows of one user ([`UserFeatures`]), so that all values of an answer are as of one tick.

mod cells;
mod dictionary;
mod largest;

use serde::{Deserialize, Serialize};

use crate::freshness::InputKind;
use crate::index_reader::{CategoryFeatures, FeatureRows, ProductFeatures, UserFeatures, ValueFeatures};
use crate::time::Millis;

pub use cells::{FeatureCell, RowProduct};
pub use dictionary::data_dictionary;
pub use largest::largest;

/// The declaration of a feature.
#[derive(Debug)]
pub struct Feature {
    /// The name, the same everywhere.
    pub name: &'static str,
    /// The type of its values.
    pub kind: ValueKind,
    /// The unit of its values.
    pub unit: &'static str,
    /// The input that it is made from.
    pub input: InputKind,
    /// The definition, in one sentence.
    pub definition: &'static str,
    /// The rows that it is made from.
    pub rows: FeatureRows,
    /// How its values are read.
    pub reading: Reading,
}

/// How the values of a feature are read, which also says what they are values of.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    /// One value of a user; none if there is none.
    OfUser(fn(&UserFeatures) -> Option<FeatureValue>),
    /// One value of a user and a product.
    OfProduct(fn(&ProductFeatures) -> Option<FeatureValue>),
    /// One value of a user and a category.
    OfCategory(fn(&CategoryFeatures) -> Option<FeatureValue>),
    /// A number of events for each value under a key, named `KEY=VALUE`.
    OfValue(fn(&UserFeatures) -> &[ValueFeatures]),
    /// A number of views for each value of an attribute, summed over the products that have it now; none before attributes are read.
    OfProductValue(fn(&UserFeatures) -> Option<&[ValueFeatures]>),
}

/// The type of a feature's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A whole number, 0 if nothing happened.
    Count,
    /// A number with a fraction; there may be none.
    Mean,
    /// A time; there may be none.
    Time,
}

/// A value of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum FeatureValue {
    /// A whole number.
    Count(u64),
    /// A number with a fraction.
    Mean(f64),
    /// A time in milliseconds since the epoch.
    Time(Millis),
}

impl Feature {
    /// The names of the ids that a value belongs to.
    #[must_use]
    pub fn key(&self) -> &'static [&'static str] {
        match self.reading {
            Reading::OfUser(_) => &["user"],
            Reading::OfProduct(_) => &["user", "product"],
            Reading::OfCategory(_) => &["user", "category"],
            Reading::OfValue(_) | Reading::OfProductValue(_) => &["user", "value"],
        }
    }

    /// When a record shows in the feature.
    #[must_use]
    pub fn freshness(&self) -> &'static str {
        match self.reading {
            Reading::OfProductValue(_) => {
                "views in the tick in which their record is read, attributes when the products are read"
            }
            _ => "in the tick in which its record is read",
        }
    }
}

impl ValueKind {
    /// The name of the type in descriptions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ValueKind::Count => "integer",
            ValueKind::Mean => "number",
            ValueKind::Time => "timestamp",
        }
    }
}

impl FeatureValue {
    /// Whether the value is that of a user who did nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == FeatureValue::Count(0)
    }

    /// The value as a number, by which values are ordered.
    #[must_use]
    pub fn number(self) -> f64 {
        match self {
            FeatureValue::Count(count) => count as f64,
            FeatureValue::Mean(mean) => mean,
            FeatureValue::Time(at) => at as f64,
        }
    }
}

/// All features, in the order of answers and descriptions.
pub static FEATURES: [Feature; 10] = [
    Feature {
        name: "user_product_views",
        kind: ValueKind::Count,
        unit: "events",
        input: InputKind::Views,
        definition: "The number of view events of the user and the product.",
        rows: FeatureRows::INTERACTIONS,
        reading: Reading::OfProduct(|of| Some(FeatureValue::Count(of.activity.views()))),
    },
    Feature {
        name: "user_product_clicks",
        kind: ValueKind::Count,
        unit: "events",
        input: InputKind::Views,
        definition: "The number of click events of the user and the product.",
        rows: FeatureRows::INTERACTIONS,
        reading: Reading::OfProduct(|of| Some(FeatureValue::Count(of.activity.clicks()))),
    },
    Feature {
        name: "user_product_add_to_cart",
        kind: ValueKind::Count,
        unit: "events",
        input: InputKind::Views,
        definition: "The number of add_to_cart events of the user and the product.",
        rows: FeatureRows::INTERACTIONS,
        reading: Reading::OfProduct(|of| Some(FeatureValue::Count(of.activity.carts()))),
    },
    Feature {
        name: "user_product_avg_time",
        kind: ValueKind::Mean,
        unit: "ms",
        input: InputKind::Views,
        definition: "The mean time on the page over the view events of the user and the product whose time is known, each \
                     at most 30 minutes: `metadata.time_on_page_ms`, or else the gap to the next event of the same \
                     session; null if none is known.",
        rows: FeatureRows::SESSIONS,
        reading: Reading::OfProduct(|of| match of.activity.time_on_page() {
            (_, 0) => None,
            (sum, views) => Some(FeatureValue::Mean(sum as f64 / views as f64)),
        }),
    },
    Feature {
        name: "user_product_purchases",
        kind: ValueKind::Count,
        unit: "orders",
        input: InputKind::Shop,
        definition: "The number of distinct orders of the user with a live line of the product, from the tables, from \
                     purchase events, or both, as `rules.purchases` says.",
        rows: FeatureRows::PURCHASES,
        reading: Reading::OfProduct(|of| Some(FeatureValue::Count(of.purchases))),
    },
    Feature {
        name: "user_category_views",
        kind: ValueKind::Count,
        unit: "events",
        input: InputKind::Views,
        definition: "The sum of `user_product_views` over the products that are in the category now.",
        rows: FeatureRows::CATEGORIES,
        reading: Reading::OfCategory(|of| Some(FeatureValue::Count(of.views))),
    },
    Feature {
        name: "user_category_purchases",
        kind: ValueKind::Count,
        unit: "orders",
        input: InputKind::Shop,
        definition: "The sum of `user_product_purchases` over the products that are in the category now.",
        rows: FeatureRows::PURCHASES.and(FeatureRows::CATEGORIES),
        reading: Reading::OfCategory(|of| Some(FeatureValue::Count(of.purchases))),
    },
    Feature {
        name: "user_last_interaction",
        kind: ValueKind::Time,
        unit: "UTC",
        input: InputKind::Views,
        definition: "The time of the user's latest event of any type that lasts; null if there is none.",
        rows: FeatureRows::INTERACTIONS,
        reading: Reading::OfUser(|of| of.last_at.map(FeatureValue::Time)),
    },
    Feature {
        name: "user_metadata",
        kind: ValueKind::Count,
        unit: "events",
        input: InputKind::Views,
        definition: "The number of the user's events of any type with each value under each key that `features.metadata` \
                     names, as `KEY=VALUE`. At most `features.values_max` values of a key are shown, those whose first \
                     events are the earliest (ties by value); events with any other value count as `KEY=other`.",
        rows: FeatureRows::METADATA,
        reading: Reading::OfValue(|of| &of.metadata),
    },
    Feature {
        name: "user_attribute_views",
        kind: ValueKind::Count,
        unit: "events",
        input: InputKind::Views,
        definition: "The sum of `user_product_views` over the products that have the value of an attribute now, for each \
                     value of the attributes that `features.attributes` names, as `ATTRIBUTE=VALUE`.",
        rows: FeatureRows::ATTRIBUTES,
        reading: Reading::OfProductValue(|of| of.attribute_views.as_deref()),
    },
];

/// The rows that some features are made from.
#[must_use]
pub fn rows_of(features: &[&Feature]) -> FeatureRows {
    features.iter().fold(FeatureRows::INTERACTIONS, |rows, feature| rows.and(feature.rows))
}

/// The feature with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;
    use crate::ids::Ids;
    use crate::tables::{Activity, Interaction};

    #[test]
    fn names_are_unique_and_definitions_are_sentences() {
        for feature in &FEATURES {
            assert!(find(feature.name).is_some_and(|found| std::ptr::eq(found, feature)), "{}", feature.name);
            assert!(feature.definition.ends_with('.'), "{}", feature.definition);
            assert_eq!(feature.key()[0], "user");
        }
    }

    #[test]
    fn a_mean_is_absent_without_a_time() {
        let product = Dictionary::new(Ids::new([0; 16])).product("lamp").unwrap();
        let value = |time_on_page_ms| {
            let activity = Activity::of(Interaction::View { time_on_page_ms }, 1);
            let Reading::OfProduct(read) = find("user_product_avg_time").unwrap().reading else { unreachable!() };
            read(&ProductFeatures { activity, ..ProductFeatures::none(product) })
        };
        assert_eq!(value(None), None);
        assert_eq!(value(Some(0)), Some(FeatureValue::Mean(0.0)));
        assert_eq!(value(Some(5400)), Some(FeatureValue::Mean(5400.0)));
    }
}
