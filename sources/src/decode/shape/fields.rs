//! The pass over the JSON: an object's known fields go into their places, all others are skipped.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
                Key::Properties => self.0.productid = map.next_value_seed(Properties)?,
                Key::ProductId => self.0.product_id = map.next_value()?,
                Key::Timestamp => self.0.timestamp = map.next_value()?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
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
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(match name {
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

/// Reads the product out of `properties`. Anything that is no object has a product of the wrong type; null has none.
struct Properties;

impl<'de> DeserializeSeed<'de> for Properties {
    type Value = Slot<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Properties {
    type Value = Slot<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Slot<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Slot::Other)
    }

    fn visit_unit<E>(self) -> Result<Slot<'de>, E> {
        Ok(Slot::Missing)
    }

    fn visit_str<E>(self, _: &str) -> Result<Slot<'de>, E> {
        Ok(Slot::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Slot<'de>, E> {
        Ok(Slot::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Slot<'de>, E> {
        Ok(Slot::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Slot<'de>, E> {
        Ok(Slot::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Slot<'de>, E> {
        Ok(Slot::Other)
    }
}

/// Whether a field inside `properties` is the product.
struct ProductKey(bool);

impl<'de> Deserialize<'de> for ProductKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(ProductKeyVisitor)
    }
}

struct ProductKeyVisitor;

impl Visitor<'_> for ProductKeyVisitor {
    type Value = ProductKey;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<ProductKey, E> {
        Ok(ProductKey(name == "productid"))
    }
}
