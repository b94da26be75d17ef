//! Features of users.
//!
//! ```json
//! {"user-id":"user-120","user_product_views":{"product-393":3},"user_last_interaction":"2026-11-20T10:15:00.000Z",
//!  "as_of":"2026-11-20T10:15:00.120Z"}
//! ```
//! A feature of a product, a category or a value is a map, or one value where the answer is about one product. Maps have the
//! largest values first, ties in the order of keys. Views by attribute are null before the attributes are read.

pub(crate) mod schemas;
pub(crate) mod table;

use std::io::Write;

use dataflow::dictionary::Dictionary;
use dataflow::features::{Feature, FeatureValue, Reading, largest};
use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::index_reader::{ProductFeatures, UserFeatures, ValueFeatures};
use dataflow::short_text::ShortText;

use super::instant;
use super::json::{comma, in_string, number, string};
use super::names::NameCache;

/// A feature of an answer.
#[derive(Clone)]
pub(crate) struct FeatureColumn {
    pub(crate) feature: &'static Feature,
    /// A comma, the name and a colon: features stand behind ids.
    member: Box<[u8]>,
}

impl FeatureColumn {
    pub(crate) fn of(feature: &'static Feature) -> FeatureColumn {
        let mut member = vec![b','];
        string(&mut member, feature.name);
        member.push(b':');
        FeatureColumn { feature, member: member.into() }
    }

    /// Writes the name, for the value that follows.
    pub(crate) fn name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.member);
    }
}

/// The values of one user, for all products and categories or for one product.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) of: &'a UserFeatures,
    /// The product, if there is only one.
    pub(crate) product: Option<&'a ProductFeatures>,
    /// The most entries of a map.
    pub(crate) limit: usize,
}

/// The entries of one map, used again for the next one.
#[derive(Default)]
pub(crate) struct MapEntries {
    products: Vec<(ProductKey, FeatureValue)>,
    categories: Vec<(CategoryKey, FeatureValue)>,
    values: Vec<((ShortText, ShortText), FeatureValue)>,
}

/// Writes values of features.
pub(crate) struct ValueWriter<'a> {
    pub(crate) names: &'a mut NameCache,
    pub(crate) dictionary: &'a Dictionary,
    pub(crate) entries: &'a mut MapEntries,
}

impl ValueWriter<'_> {
    /// Writes the value of a feature.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, feature: &Feature, values: Values<'_>) {
        let Values { of, product, limit } = values;
        match feature.reading {
            Reading::OfUser(read) => scalar(out, read(of)),
            Reading::OfProduct(read) => match product {
                Some(product) => scalar(out, read(product)),
                None => self.by_product(out, of.products.iter().map(|of| (of.product, read(of))), limit),
            },
            Reading::OfCategory(read) => {
                self.by_category(out, of.categories.iter().map(|of| (of.category, read(of))), limit);
            }
            Reading::OfValue(read) => self.events_by_value(out, read(of), limit),
            Reading::OfProductValue(read) => match read(of) {
                Some(values) => self.events_by_value(out, values, limit),
                None => scalar(out, None),
            },
        }
    }

    fn by_product(
        &mut self,
        out: &mut Vec<u8>,
        values: impl Iterator<Item = (ProductKey, Option<FeatureValue>)>,
        most: usize,
    ) {
        let entries = &mut self.entries.products;
        largest(entries, values, most);
        out.push(b'{');
        let product = |(product, _): &(ProductKey, FeatureValue)| *product;
        self.names.list(out, self.dictionary, entries, product, b"", |out, _, (_, found)| entry(out, *found));
        out.push(b'}');
    }

    fn by_category(
        &mut self,
        out: &mut Vec<u8>,
        values: impl Iterator<Item = (CategoryKey, Option<FeatureValue>)>,
        most: usize,
    ) {
        let entries = &mut self.entries.categories;
        largest(entries, values, most);
        out.push(b'{');
        if !entries.is_empty() {
            self.dictionary.category_names(
                entries,
                |(category, _)| *category,
                |(_, found), name| {
                    comma(out);
                    string(out, name);
                    entry(out, *found);
                },
            );
        }
        out.push(b'}');
    }

    /// Writes the map of events by value.
    fn events_by_value(&mut self, out: &mut Vec<u8>, values: &[ValueFeatures], most: usize) {
        let entries = &mut self.entries.values;
        largest(entries, values.iter().map(|of| ((of.key, of.value), Some(FeatureValue::Count(of.events)))), most);
        out.push(b'{');
        for ((key, value), found) in entries {
            comma(out);
            out.push(b'"');
            in_string(out, key.as_str());
            out.push(b'=');
            in_string(out, value.as_str());
            out.push(b'"');
            entry(out, *found);
        }
        out.push(b'}');
    }
}

/// Writes the value of a map's entry, behind its name.
fn entry(out: &mut Vec<u8>, value: FeatureValue) {
    out.push(b':');
    scalar(out, Some(value));
}

/// Writes a value, or null.
fn scalar(out: &mut Vec<u8>, value: Option<FeatureValue>) {
    match value {
        None => out.extend_from_slice(b"null"),
        Some(FeatureValue::Count(count)) => number(out, count),
        Some(FeatureValue::Mean(mean)) => fraction(out, mean),
        Some(FeatureValue::Time(at)) => {
            out.push(b'"');
            instant::write(out, at);
            out.push(b'"');
        }
    }
}

/// Whole numbers below this are written without an exponent.
const WHOLE_MAX: f64 = 1e15;

/// Writes a number with a fraction always, so that its type is the same everywhere.
fn fraction(out: &mut Vec<u8>, value: f64) {
    if value.fract() == 0.0 && value.is_sign_positive() && value < WHOLE_MAX {
        number(out, value as u64);
        out.extend_from_slice(b".0");
    } else {
        write!(out, "{value:?}").expect("a Vec takes everything");
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
    columns: &[FeatureColumn],
    values: Values<'_>,
    writer: &mut ValueWriter<'_>,
    as_of: &str,
) {
    out.push(b'{');
    for (name, id) in ids {
        member(out, name);
        string(out, id);
    }
    for column in columns {
        column.name(out);
        writer.write(out, column.feature, values);
    }
    member(out, "as_of");
    string(out, as_of);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_by_attribute_are_null_before_the_attributes_are_read() {
        let dictionary = Dictionary::new(dataflow::ids::Ids::new([0; 16]));
        let feature = dataflow::features::find("user_attribute_views").unwrap();
        let written = |attribute_views| {
            let (mut out, of) = (Vec::new(), UserFeatures { attribute_views, ..UserFeatures::default() });
            let values = Values { of: &of, product: None, limit: 10 };
            let (mut names, mut entries) = (NameCache::default(), MapEntries::default());
            let mut writer = ValueWriter { names: &mut names, dictionary: &dictionary, entries: &mut entries };
            writer.write(&mut out, feature, values);
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
        for mean in [0.0, -0.0, 1.0, 999_999_999_999_999.0, 1e15, 1e16, 1.5e300, 0.1, 1e-7] {
            assert_eq!(written(Some(FeatureValue::Mean(mean))), format!("{mean:?}"));
        }
        assert_eq!(written(Some(FeatureValue::Time(1_795_169_700_120))), r#""2026-11-20T10:15:00.120Z""#);
    }
}
