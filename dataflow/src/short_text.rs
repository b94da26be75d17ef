//! [`ShortText`]: a text of a few bytes that is kept in the rows themselves, without a dictionary.
//!
//! Values of events may say something of a person, and there may be any number of them. A dictionary would keep each for ever;
//! in its row, a value leaves with the row.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// The first bytes of a text, cut between two characters. Short texts are in the order of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShortText {
    /// Zeros behind the text.
    bytes: [u8; ShortText::BYTES_MAX],
    len: u8,
}

impl ShortText {
    /// The most bytes of UTF-8 that it holds.
    pub const BYTES_MAX: usize = 31;

    /// The empty text.
    pub const EMPTY: ShortText = ShortText { bytes: [0; ShortText::BYTES_MAX], len: 0 };

    /// As many of the first characters of a text as fit.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let len = text.floor_char_boundary(ShortText::BYTES_MAX);
        let mut bytes = [0; ShortText::BYTES_MAX];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        ShortText { bytes, len: u8::try_from(len).expect("a short text has few bytes") }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len.into()]).expect("it was cut between two characters")
    }

    /// Whether it is the empty text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Writes only the name of the type, because the text may say something of a person.
impl fmt::Debug for ShortText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ShortText(..)")
    }
}

impl Serialize for ShortText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ShortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AsText)
    }
}

struct AsText;

impl Visitor<'_> for AsText {
    type Value = ShortText;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a text of at most {} bytes", ShortText::BYTES_MAX)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ShortText, E> {
        if text.len() > ShortText::BYTES_MAX {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(ShortText::of(text))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error as ValueError;

    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let long = "é".repeat(20);
        for (text, kept) in [("", ""), ("mobile", "mobile"), (&long, &long[..30]), ("a\0", "a\0")] {
            assert_eq!(ShortText::of(text).as_str(), kept);
        }
        assert_eq!(ShortText::of(&"x".repeat(31)).as_str().len(), 31);
        assert_eq!(format!("{:?}", ShortText::of("ada@example.org")), "ShortText(..)");
    }

    #[test]
    fn the_order_is_that_of_the_texts() {
        let mut texts = ["b", "a\0", "", "a", "é", "ab"];
        let mut short = texts.map(ShortText::of);
        texts.sort_unstable();
        short.sort_unstable();
        assert_eq!(short.map(|text| text.as_str().to_owned()), texts);
    }

    #[test]
    fn only_a_short_text_is_read() {
        let read = |text: &str| ShortText::deserialize(IntoDeserializer::<ValueError>::into_deserializer(text));
        assert_eq!(read("search"), Ok(ShortText::of("search")));
        assert!(read(&"x".repeat(32)).is_err());
    }
}
