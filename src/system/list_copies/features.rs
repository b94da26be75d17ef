//! The values of features of one user, each feature as a list.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::features::{self, FeatureValue, Reading};
use dataflow::ids::UserKey;
use dataflow::index_reader::{IndexReader, UserFeatures, ValueFeatures};
use dataflow::time::Time;
use sinks::copies::{CopiedRow, Shown};

/// The most values of a feature that are copied of one user.
const VALUES_MAX: usize = 1000;

/// The features of the user that was read last: the lists of a user are read one after the other.
#[derive(Default)]
pub(super) struct UserValues(Option<(UserKey, Time, UserFeatures)>);

impl UserValues {
    /// The values of a feature of a user, the greatest first; values of nothing are left out.
    pub(super) fn read(&mut self, reader: &IndexReader, user: UserKey, feature: &str) -> Shown {
        let view = reader.view(user);
        let as_of = view.as_of();
        let is_known = self.0.as_ref().is_some_and(|(known, time, _)| (*known, *time) == (user, as_of));
        if !is_known {
            self.0 = Some((user, as_of, view.features(user, Some(reader.attributes()))));
        }
        let Some(((_, _, values), feature)) = self.0.as_ref().zip(features::find(feature)) else {
            return Shown::Rows(as_of, Vec::new());
        };
        // Before the attributes of products are read, a copy is left as it is.
        let Some(mut rows) = rows(values, &feature.reading, reader.dictionary()) else { return Shown::Elsewhere };
        let number = |row: &CopiedRow| row.value.unwrap_or_default();
        rows.sort_by(|one, other| number(other).total_cmp(&number(one)).then_with(|| one.product.cmp(&other.product)));
        rows.truncate(VALUES_MAX);
        Shown::Rows(as_of, rows)
    }
}

/// The values in no order; none if they are not known yet.
fn rows(values: &UserFeatures, reading: &Reading, dictionary: &Dictionary) -> Option<Vec<CopiedRow>> {
    let row = |id: Option<Arc<str>>, value: Option<FeatureValue>| {
        let value = value.filter(|value| !value.is_zero())?;
        Some(CopiedRow { product: id?, value: Some(value.number()) })
    };
    let by_value = |values: &[ValueFeatures]| {
        let count = |events| Some(FeatureValue::Count(events));
        values.iter().filter_map(|of| row(Some(of.name().into()), count(of.events))).collect()
    };
    let rows = match reading {
        Reading::OfUser(read) => row(Some("".into()), read(values)).into_iter().collect(),
        Reading::OfProduct(read) => {
            values.products.iter().filter_map(|of| row(dictionary.product_name(of.product), read(of))).collect()
        }
        Reading::OfCategory(read) => {
            values.categories.iter().filter_map(|of| row(dictionary.category_name(of.category), read(of))).collect()
        }
        Reading::OfValue(read) => by_value(read(values)),
        Reading::OfProductValue(read) => by_value(read(values)?),
    };
    Some(rows)
}
