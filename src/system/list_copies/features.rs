//! The values of features of one user, each feature as a list.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::features::{self, FeatureValue, Reading, largest};
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
    /// The values of a feature of a user that an answer has, the greatest first, ties by name.
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
        let rows = rows(values, &feature.reading, reader.dictionary());
        rows.map_or(Shown::Elsewhere, |rows| Shown::Rows(as_of, rows))
    }
}

/// The greatest values; none if they are not known yet.
fn rows(values: &UserFeatures, reading: &Reading, dictionary: &Dictionary) -> Option<Vec<CopiedRow>> {
    let by_value = |values: &[ValueFeatures]| {
        let values = values.iter().map(|of| ((of.key, of.value), Some(FeatureValue::Count(of.events))));
        named(values, |(key, value)| Some(ValueFeatures { key, value, events: 0 }.name().into()))
    };
    let rows = match reading {
        Reading::OfUser(read) => named([((), read(values))].into_iter(), |()| Some("".into())),
        Reading::OfProduct(read) => {
            named(values.products.iter().map(|of| (of.product, read(of))), |product| dictionary.product_name(product))
        }
        Reading::OfCategory(read) => {
            let values = values.categories.iter().map(|of| (of.category, read(of)));
            named(values, |category| dictionary.category_name(category))
        }
        Reading::OfValue(read) => by_value(read(values)),
        Reading::OfProductValue(read) => by_value(read(values)?),
    };
    Some(rows)
}

/// The greatest values, chosen as for an answer, and then ties by name.
fn named<K: Ord + Copy>(
    values: impl Iterator<Item = (K, Option<FeatureValue>)>,
    name: impl Fn(K) -> Option<Arc<str>>,
) -> Vec<CopiedRow> {
    let mut entries = Vec::new();
    largest(&mut entries, values, VALUES_MAX);
    let row = |(key, value): (K, FeatureValue)| Some(CopiedRow { product: name(key)?, value: Some(value.number()) });
    let mut rows: Vec<CopiedRow> = entries.into_iter().filter_map(row).collect();
    let number = |row: &CopiedRow| row.value.unwrap_or_default();
    rows.sort_by(|one, other| number(other).total_cmp(&number(one)).then_with(|| one.product.cmp(&other.product)));
    rows
}

#[cfg(test)]
mod tests {
    use dataflow::ids::Ids;
    use dataflow::index_reader::ProductFeatures;

    use super::*;

    #[test]
    fn of_too_many_equal_values_a_copy_has_those_of_an_answer() {
        let dictionary = Dictionary::new(Ids::new([0; 16]));
        let of = |number: usize| {
            let product = dictionary.product(&format!("p{number:04}")).expect("no other product has this key");
            let purchases = if number == 7 { 2 } else { 1 };
            ProductFeatures { purchases, ..ProductFeatures::none(product) }
        };
        let products: Vec<ProductFeatures> = (0..VALUES_MAX + 100).map(of).collect();
        let mut shown = Vec::new();
        let purchases = |of: &ProductFeatures| Some(FeatureValue::Count(of.purchases));
        largest(&mut shown, products.iter().map(|of| (of.product, purchases(of))), VALUES_MAX);
        let name = |product| dictionary.product_name(product).expect("it is remembered");
        let mut expected: Vec<Arc<str>> = shown.iter().map(|(product, _)| name(*product)).collect();
        // The greatest value stays in front of the ties.
        expected[1..].sort();
        assert_eq!(&*expected[0], "p0007");
        let values = UserFeatures { products, ..UserFeatures::default() };
        let reading = &features::find("user_product_purchases").expect("it is declared").reading;
        let rows = rows(&values, reading, &dictionary).expect("they are known");
        assert!(rows.iter().map(|row| &row.product).eq(&expected));
    }
}
