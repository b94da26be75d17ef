//! Attributes of the shop's products: from their descriptions to the values by which views are counted.

use std::ops::ControlFlow;
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::product_attributes::{Attribute, ProductAttributes};
use dataflow::rules::KeyNames;
use dataflow::short_text::ShortText;
use serde_json::Value;
use sources::description::{DescriptionColumns, DescriptionsError, Reading};
use sources::descriptions::{DescriptionHome, DescriptionReader};
use store::Follow;

use super::content::descriptions;
use crate::config::Config;
use crate::system::shop_rows;

/// Reads the attributes of all products, again and again.
pub struct AttributeReader {
    reader: DescriptionReader,
    names: KeyNames,
    dictionary: Arc<Dictionary>,
}

impl AttributeReader {
    /// A reader of the attributes that features are made from; none if there are none, or no products are read.
    ///
    /// # Errors
    /// When the settings of the database cannot work.
    pub fn of(
        config: &Config,
        store: Option<Arc<dyn Follow>>,
        dictionary: Arc<Dictionary>,
    ) -> Result<Option<AttributeReader>, DescriptionsError> {
        let names = config.rules.features.attributes;
        let home = descriptions(config, store).filter(|_| !names.is_empty());
        let column = config.content.attributes.clone();
        home.map(|home| AttributeReader::new(home, column, names, dictionary)).transpose()
    }

    /// Reads this column; the store's field has a fixed name.
    fn new(
        home: DescriptionHome,
        column: Option<String>,
        names: KeyNames,
        dictionary: Arc<Dictionary>,
    ) -> Result<AttributeReader, DescriptionsError> {
        let columns = DescriptionColumns { attributes: column, ..DescriptionColumns::default() };
        Ok(AttributeReader { reader: DescriptionReader::new(home, columns)?, names, dictionary })
    }

    /// The attributes of all products; `None` if no product has changed since the last call, or if `go_on` ended the reading.
    ///
    /// # Errors
    /// When the products cannot be read.
    pub fn read(&mut self, go_on: impl Fn() -> bool) -> Result<Option<ProductAttributes>, DescriptionsError> {
        let AttributeReader { reader, names, dictionary } = self;
        let (mut rows, mut refused) = (Vec::new(), 0_u64);
        let reading = reader.read(&mut |described| {
            match dictionary.product(&described.product) {
                Ok(product) => each(&described.attributes, names, |attribute| rows.push((product, attribute))),
                Err(_) => refused += 1,
            }
            if go_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let Reading::Whole { missing } = reading else { return Ok(None) };
        if !missing.is_empty() {
            tracing::warn!(columns = missing.join(", "), "the table of products lacks the attributes of features");
        }
        if refused > 0 {
            tracing::warn!(refused, "some products have the key of another product, and no attributes");
        }
        Ok(Some(ProductAttributes::of(rows)))
    }
}

/// The attributes as they are now, for a command; none if no feature is made from them.
///
/// # Errors
/// When the products cannot be read.
pub fn attributes_now(config: &Config, dictionary: &Arc<Dictionary>) -> anyhow::Result<Option<ProductAttributes>> {
    if config.rules.features.attributes.is_empty() {
        return Ok(None);
    }
    let store = shop_rows::made_file(config)?.map(|store| store as Arc<dyn Follow>);
    let Some(mut reader) = AttributeReader::of(config, store, dictionary.clone())? else { return Ok(None) };
    Ok(reader.read(|| true)?)
}

/// Calls `give` with the values that a text has for these names: a JSON object, or a text such as `colour=red, size=42`. Of a
/// list, each element is a value.
fn each(text: &str, names: &KeyNames, mut give: impl FnMut(Attribute)) {
    let mut one = |name: ShortText, value: &str| {
        let value = ShortText::of(value.trim());
        if !value.is_empty() {
            give((name, value));
        }
    };
    if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
        for name in names.iter() {
            match fields.get(name.as_str()) {
                Some(Value::Array(values)) => values.iter().filter_map(scalar).for_each(|value| one(name, &value)),
                Some(value) => scalar(value).into_iter().for_each(|value| one(name, &value)),
                None => {}
            }
        }
        return;
    }
    for attribute in text.split([',', ';', '\n']) {
        let known = attribute.split_once(['=', ':']);
        if let Some((name, value)) = known.and_then(|(name, value)| Some((names.find(name.trim())?, value))) {
            one(name, value);
        }
    }
}

/// A text, a number or a truth value as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use dataflow::ids::Ids;

    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let names = KeyNames::of(&["colour", "size"]);
        each(text, &names, |(name, value)| all.push((name.as_str().to_owned(), value.as_str().to_owned())));
        all
    }

    #[test]
    fn attributes_are_read_from_json_and_from_text() {
        let of = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
            rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(found(r#"{"colour":"red","size":42,"more":1}"#), of(&[("colour", "red"), ("size", "42")]));
        assert_eq!(
            found(r#"{"colour":["red","blue",[1],null],"size":true}"#)[1..],
            of(&[("colour", "blue"), ("size", "true")])
        );
        assert_eq!(found("colour=dark red, more=1; size: 42"), of(&[("colour", "dark red"), ("size", "42")]));
        for nothing in ["", "{}", r#"{"colour":{"a":1},"size":""}"#, "colour", "colours=red", "[1]"] {
            assert!(found(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_change_of_the_products_is_read() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let file = dir.path().join("product_catalog.csv");
        let write = |rows: &str| fs::write(&file, format!("product_id,attributes\n{rows}")).expect("the disk works");
        write("a,colour=red\nb,colour=blue\na,size=1\n");
        let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
        let (home, names) = (DescriptionHome::Files(dir.path().to_owned()), KeyNames::of(&["colour", "size"]));
        let mut reader = AttributeReader::new(home, Some("attributes".into()), names, dictionary.clone()).unwrap();
        let a = dictionary.product("a").expect("no collision");
        let of_a = |attributes: &ProductAttributes| {
            attributes
                .of_product(a)
                .map(|(name, value)| format!("{}={}", name.as_str(), value.as_str()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of_a(&reader.read(|| true).unwrap().expect("they were not read before")), ["colour=red", "size=1"]);
        assert_eq!(reader.read(|| true).unwrap(), None);
        write("a,colour=dark green\n");
        assert_eq!(of_a(&reader.read(|| true).unwrap().expect("they have changed")), ["colour=dark green"]);
    }
}
