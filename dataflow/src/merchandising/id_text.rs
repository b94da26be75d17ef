//! [`IdText`]: an id in a rule, as people and logs write it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// An id. A whole number of up to 64 bits is the same id as its decimal text, as in events. It can only be read from formats
/// that say of which type a value is, such as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdText(pub String);

struct TextOrNumber;

impl<'de> Deserialize<'de> for IdText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber)
    }
}

/// Reads the id of a field that need not be there.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<IdText>::deserialize(deserializer)?.map(|id| id.0))
}

impl Visitor<'_> for TextOrNumber {
    type Value = IdText;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a whole number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<IdText, E> {
        Ok(IdText(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<IdText, E> {
        Ok(IdText(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<IdText, E> {
        Ok(IdText(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<IdText, E> {
        Ok(IdText(number.to_string()))
    }
}
