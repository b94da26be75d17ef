//! The pass over the JSON: an object's known fields go into their places, all others are skipped.
//!
//! It is done in one of two ways. The strict one reads every name and every value of a known name as it comes. What it
//! cannot read may be half of a surrogate pair, or a number beyond all doubles, which are no fault where nobody looks at
//! them. So the lenient one, which takes longer, finds names and values by JSON's grammar alone and reads them only then.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::slot::text;
use super::{Raw, Slot};

/// Fills the fields from an object.
pub(super) struct Fields<'r, 'a, const STRICT: bool>(pub(super) &'r mut Raw<'a>);

impl<'de, const STRICT: bool> Visitor<'de> for Fields<'_, 'de, STRICT> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = name::<_, _, STRICT>(&mut map, Key::of)? {
            match key {
                Key::Event => self.0.event = value::<_, STRICT>(&mut map)?,
                Key::EventType => self.0.event_type = value::<_, STRICT>(&mut map)?,
                Key::Userid => self.0.userid = value::<_, STRICT>(&mut map)?,
                Key::UserId => self.0.user_id = value::<_, STRICT>(&mut map)?,
                Key::Properties if STRICT => self.0.productid = map.next_value_seed(Properties)?,
                Key::Properties => self.0.productid = product_of(map.next_value()?),
                Key::ProductId => self.0.product_id = value::<_, STRICT>(&mut map)?,
                Key::Timestamp => self.0.timestamp = value::<_, STRICT>(&mut map)?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The next name, as `found` takes it. To the lenient pass one that stands for no characters is the empty one, which is
/// none of ours.
#[inline]
fn name<'de, A: MapAccess<'de>, K, const STRICT: bool>(
    map: &mut A,
    found: impl FnOnce(&str) -> K,
) -> Result<Option<K>, A::Error> {
    if STRICT {
        return map.next_key_seed(Name(found));
    }
    let name = map.next_key::<&RawValue>()?;
    Ok(name.map(|name| found(&text(name.get()).unwrap_or_default())))
}

/// The next value.
#[inline]
fn value<'de, A: MapAccess<'de>, const STRICT: bool>(map: &mut A) -> Result<Slot<'de>, A::Error> {
    if STRICT { map.next_value() } else { map.next_value().map(Slot::of) }
}

/// Hands a name to a function.
struct Name<F>(F);

impl<'de, K, F: FnOnce(&str) -> K> DeserializeSeed<'de> for Name<F> {
    type Value = K;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<K, F: FnOnce(&str) -> K> Visitor<'_> for Name<F> {
    type Value = K;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    #[inline]
    fn visit_str<E>(self, name: &str) -> Result<K, E> {
        Ok((self.0)(name))
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

impl Key {
    #[inline]
    fn of(name: &str) -> Key {
        match name {
            "event" => Key::Event,
            "event_type" => Key::EventType,
            "userid" => Key::Userid,
            "user_id" => Key::UserId,
            "properties" => Key::Properties,
            "product_id" => Key::ProductId,
            "timestamp" => Key::Timestamp,
            _ => Key::Other,
        }
    }
}

/// The product in the object `properties`.
fn product<'de, A: MapAccess<'de>, const STRICT: bool>(mut map: A) -> Result<Slot<'de>, A::Error> {
    let mut product = Slot::Missing;
    while let Some(is_product) = name::<_, _, STRICT>(&mut map, |name| name == "productid")? {
        if is_product {
            product = value::<_, STRICT>(&mut map)?;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(product)
}

/// As [`Properties`], for the lenient pass.
fn product_of(properties: &RawValue) -> Slot<'_> {
    struct Product;

    impl<'de> Visitor<'de> for Product {
        type Value = Slot<'de>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Slot<'de>, A::Error> {
            product::<_, false>(map)
        }
    }

    match properties.get().as_bytes().first() {
        // Its grammar has been checked, so that nothing can be wrong with it.
        Some(b'{') => {
            let product = serde_json::Deserializer::from_str(properties.get()).deserialize_map(Product);
            product.unwrap_or(Slot::Other)
        }
        Some(b'n') => Slot::Missing,
        _ => Slot::Other,
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

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Slot<'de>, A::Error> {
        product::<_, true>(map)
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
