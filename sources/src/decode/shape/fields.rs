//! The pass over the JSON: an object's known fields go into their places, all others are skipped.
//!
//! Names and values are first found by JSON's grammar alone, and only those that are used are read: half of a surrogate
//! pair, or a number beyond all doubles, is no fault in a field that nobody looks at.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::slot::text;
use super::{Raw, Slot};

/// Fills the fields from an object.
pub(super) struct Fields<'r, 'a>(pub(super) &'r mut Raw<'a>);

impl<'de> Visitor<'de> for Fields<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            match key {
                Key::Event => self.0.event = map.next_value()?,
                Key::EventType => self.0.event_type = map.next_value()?,
                Key::Userid => self.0.userid = map.next_value()?,
                Key::UserId => self.0.user_id = map.next_value()?,
                Key::Properties => self.0.productid = map.next_value::<Properties<'_>>()?.0,
                Key::ProductId => self.0.product_id = map.next_value()?,
                Key::Timestamp => self.0.timestamp = map.next_value()?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A field's name, its escapes resolved, handed to `found`; one that stands for no characters is the empty one, which is
/// no name of ours.
fn name<'de, D: Deserializer<'de>, K>(deserializer: D, found: impl FnOnce(&str) -> K) -> Result<K, D::Error> {
    let name = <&RawValue>::deserialize(deserializer)?;
    Ok(found(&text(name.get()).unwrap_or_default()))
}

/// The outermost fields that are looked at.
enum Key {
    Event,
    EventType,
    Userid,
    UserId,
    Properties,
    ProductId,
    Timestamp,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name(deserializer, |name| match name {
            "event" => Key::Event,
            "event_type" => Key::EventType,
            "userid" => Key::Userid,
            "user_id" => Key::UserId,
            "properties" => Key::Properties,
            "product_id" => Key::ProductId,
            "timestamp" => Key::Timestamp,
            _ => Key::Other,
        })
    }
}

/// The product out of `properties`. Anything that is no object has a product of the wrong type; null has none.
struct Properties<'a>(Slot<'a>);

impl<'de> Deserialize<'de> for Properties<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let properties = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Properties(match properties.as_bytes().first() {
            // Its grammar has been checked.
            Some(b'{') => {
                let read = serde_json::Deserializer::from_str(properties).deserialize_map(Product);
                read.unwrap_or(Slot::Other)
            }
            Some(b'n') => Slot::Missing,
            _ => Slot::Other,
        }))
    }
}

struct Product;

impl<'de> Visitor<'de> for Product {
    type Value = Slot<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Slot<'de>, A::Error> {
        let mut product = Slot::Missing;
        while let Some(ProductKey(is_product)) = map.next_key()? {
            if is_product {
                product = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(product)
    }
}

/// Whether a field inside `properties` is the product.
struct ProductKey(bool);

impl<'de> Deserialize<'de> for ProductKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name(deserializer, |name| ProductKey(name == "productid"))
    }
}
