//! Features of users.
//!
//! ```json
//! {"user-id":"user-120","user_product_views":{"product-393":3},"user_last_interaction":"2026-11-20T10:15:00.000Z",
//!  "as_of":"2026-11-20T10:15:00.120Z"}
//! ```
//! A feature of a product, a category or a value is a map, or one value where the answer is about one product. Maps have the
//! largest values first, ties in some fixed order. Views by attribute are null before the attributes are read.

pub(crate) mod schemas;
pub(crate) mod table;

use std::io::Write;

use dataflow::dictionary::Dictionary;
use dataflow::features::{Feature, FeatureValue, Reading};
use dataflow::ids::ProductKey;
use dataflow::index_reader::{ProductFeatures, UserFeatures, ValueFeatures};

use super::instant;
use super::json::{comma, number, string};
use super::names::NameCache;

/// The values of one user, for all products and categories or for one product.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) of: &'a UserFeatures,
    /// The product, if there is only one.
    pub(crate) product: Option<&'a ProductFeatures>,
    /// The most entries of a map.
    pub(crate) limit: usize,
}

impl Values<'_> {
    /// Writes the value of a feature.
    pub(crate) fn write(
        self,
        out: &mut Vec<u8>,
        feature: &Feature,
        (names, dictionary): (&mut NameCache, &Dictionary),
    ) {
        match feature.reading {
            Reading::OfUser(read) => scalar(out, read(self.of)),
            Reading::OfProduct(read) => match self.product {
                Some(product) => scalar(out, read(product)),
                None => {
                    let entries = self.of.products.iter().map(|of| (of.product, read(of)));
                    let entries = largest(entries, self.limit);
                    out.push(b'{');
                    let product = |(product, _): &(ProductKey, FeatureValue)| *product;
                    names.list(out, dictionary, &entries, product, b"", |out, _, (_, found)| entry(out, *found));
                    out.push(b'}');
                }
            },
            Reading::OfCategory(read) => {
                let entries = self.of.categories.iter().map(|of| (of.category, read(of)));
                out.push(b'{');
                for (category, found) in largest(entries, self.limit) {
                    let Some(name) = dictionary.category_name(category) else { continue };
                    comma(out);
                    string(out, &name);
                    entry(out, found);
                }
                out.push(b'}');
            }
            Reading::OfValue(read) => events_by_value(out, read(self.of), self.limit),
            Reading::OfProductValue(read) => match read(self.of) {
                Some(values) => events_by_value(out, values, self.limit),
                None => scalar(out, None),
            },
        }
    }
}

/// Writes the map of events by value.
fn events_by_value(out: &mut Vec<u8>, values: &[ValueFeatures], most: usize) {
    let entries = values.iter().map(|of| ((of.key, of.value), Some(FeatureValue::Count(of.events))));
    out.push(b'{');
    for ((key, value), found) in largest(entries, most) {
        comma(out);
        string(out, &format!("{}={}", key.as_str(), value.as_str()));
        entry(out, found);
    }
    out.push(b'}');
}

/// Writes the value of a map's entry, behind its name.
fn entry(out: &mut Vec<u8>, value: FeatureValue) {
    out.push(b':');
    scalar(out, Some(value));
}

/// The entries with the largest values, largest first, ties by key; entries of users who did nothing are left out.
fn largest<K: Ord + Copy>(
    entries: impl Iterator<Item = (K, Option<FeatureValue>)>,
    most: usize,
) -> Vec<(K, FeatureValue)> {
    let mut entries: Vec<(K, FeatureValue)> =
        entries.filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_zero())?))).collect();
    let order = |one: &(K, FeatureValue), other: &(K, FeatureValue)| {
        other.1.number().total_cmp(&one.1.number()).then(one.0.cmp(&other.0))
    };
    if entries.len() > most {
        entries.select_nth_unstable_by(most - 1, order);
        entries.truncate(most);
    }
    entries.sort_unstable_by(order);
    entries
}

/// Writes a value, or null.
fn scalar(out: &mut Vec<u8>, value: Option<FeatureValue>) {
    match value {
        None => out.extend_from_slice(b"null"),
        Some(FeatureValue::Count(count)) => number(out, count),
        // With a fraction always, so that its type is the same everywhere.
        Some(FeatureValue::Mean(mean)) => write!(out, "{mean:?}").expect("a Vec takes everything"),
        Some(FeatureValue::Time(at)) => string(out, &instant::text(at)),
    }
}

/// Writes the name of a member.
pub(crate) fn member(out: &mut Vec<u8>, name: &str) {
    comma(out);
    string(out, name);
    out.push(b':');
}

/// Writes the values of some features of one user as the members of an object, and `as_of`.
pub(crate) fn object(
    out: &mut Vec<u8>,
    ids: &[(&str, &str)],
    features: &[&Feature],
    values: Values<'_>,
    (names, dictionary): (&mut NameCache, &Dictionary),
    as_of: &str,
) {
    out.push(b'{');
    for (name, id) in ids {
        member(out, name);
        string(out, id);
    }
    for feature in features {
        member(out, feature.name);
        values.write(out, feature, (&mut *names, dictionary));
    }
    member(out, "as_of");
    string(out, as_of);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_entries_come_first_and_nothing_is_left_out() {
        let count = |count| Some(FeatureValue::Count(count));
        let entries = [(1, count(2)), (2, count(0)), (3, None), (4, count(5)), (5, count(2)), (6, count(9))];
        let keys = |most| largest(entries.into_iter(), most).into_iter().map(|(key, _)| key).collect::<Vec<i32>>();
        assert_eq!(keys(10), [6, 4, 1, 5]);
        assert_eq!(keys(3), [6, 4, 1]);
        assert_eq!(keys(1), [6]);
    }

    #[test]
    fn views_by_attribute_are_null_before_the_attributes_are_read() {
        let dictionary = Dictionary::new(dataflow::ids::Ids::new([0; 16]));
        let feature = dataflow::features::find("user_attribute_views").unwrap();
        let written = |attribute_views| {
            let (mut out, of) = (Vec::new(), UserFeatures { attribute_views, ..UserFeatures::default() });
            let values = Values { of: &of, product: None, limit: 10 };
            values.write(&mut out, feature, (&mut NameCache::default(), &dictionary));
            String::from_utf8(out).unwrap()
        };
        assert_eq!((written(None), written(Some(Vec::new()))), ("null".into(), "{}".into()));
    }

    #[test]
    fn every_type_has_its_json() {
        let written = |value| {
            let mut out = Vec::new();
            scalar(&mut out, value);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(None), "null");
        assert_eq!(written(Some(FeatureValue::Count(3))), "3");
        assert_eq!(written(Some(FeatureValue::Mean(5400.0))), "5400.0");
        assert_eq!(written(Some(FeatureValue::Mean(1.0 / 3.0))), "0.3333333333333333");
        assert_eq!(written(Some(FeatureValue::Time(1_795_169_700_120))), r#""2026-11-20T10:15:00.120Z""#);
    }
}
