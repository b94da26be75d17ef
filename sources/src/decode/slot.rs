//! One JSON value as far as an event cares: scalars are kept, everything nested is skipped.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A field's value before it is known what it should be. It takes any value, so that a field of the other shape, which
/// is an extra field in this one, cannot make a record fail.
#[derive(Debug, Default)]
pub(super) enum Slot<'a> {
    /// Not there, or null.
    #[default]
    Missing,
    Text(Cow<'a, str>),
    /// A text with half of a surrogate pair, such as `"\ud83d"`: JSON's grammar allows it, but it stands for no characters.
    HalfPair,
    Unsigned(u64),
    /// An integer below zero.
    Negative(i64),
    /// Written with a fraction or an exponent, or an integer beyond 64 bits; infinite where it is beyond doubles as well.
    Float(f64),
    /// A boolean, an array or an object.
    Other,
}

impl<'a> Slot<'a> {
    /// Reads the text of one JSON value, whatever it is.
    pub(super) fn of(value: &'a RawValue) -> Slot<'a> {
        let json = value.get();
        match json.as_bytes().first() {
            Some(b'"') => text(json).map_or(Slot::HalfPair, Slot::Text),
            Some(b'n') | None => Slot::Missing,
            Some(b'-' | b'0'..=b'9') => number(json),
            Some(_) => Slot::Other,
        }
    }

    /// Reads what should be one JSON value; none if it is not.
    pub(super) fn parse(json: &'a str) -> Option<Slot<'a>> {
        serde_json::from_str(json).or_else(|_| serde_json::from_str(json).map(Slot::of)).ok()
    }
}

/// Half of a surrogate pair and a number beyond all doubles are errors here: [`Slot::of`] takes them.
impl<'de> Deserialize<'de> for Slot<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SlotVisitor)
    }
}

struct SlotVisitor;

impl<'de> Visitor<'de> for SlotVisitor {
    type Value = Slot<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Slot<'de>, E> {
        Ok(Slot::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Slot<'de>, E> {
        Ok(Slot::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Slot<'de>, E> {
        Ok(Slot::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Slot<'de>, E> {
        Ok(Slot::Negative(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Slot<'de>, E> {
        Ok(Slot::Float(value))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Slot<'de>, E> {
        Ok(Slot::Other)
    }

    fn visit_unit<E>(self) -> Result<Slot<'de>, E> {
        Ok(Slot::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Slot<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Slot::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Slot<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Slot::Other)
    }
}

/// The characters of a JSON text; none if it has half of a surrogate pair.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.get(1..json.len() - 1)?;
    if !inner.as_bytes().contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    // The grammar was checked when the text was found, so nothing else can be wrong with it.
    serde_json::from_str(json).ok().map(Cow::Owned)
}

/// A JSON number. Only one beyond all doubles cannot be read, and that is as good as infinite.
fn number(json: &str) -> Slot<'_> {
    let infinite = if json.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    serde_json::Deserializer::from_str(json).deserialize_any(SlotVisitor).unwrap_or(Slot::Float(infinite))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(json: &str) -> String {
        format!("{:?}", Slot::parse(json).expect("the value is JSON"))
    }

    #[test]
    fn every_value_has_its_slot() {
        for (json, expected) in [
            ("null", "Missing"),
            (r#""""#, r#"Text("")"#),
            (r#" "a" "#, r#"Text("a")"#),
            (r#""a\"\u00e9\ud83d\ude00""#, "Text(\"a\\\"é😀\")"),
            ("7", "Unsigned(7)"),
            ("-7", "Negative(-7)"),
            ("-0", "Float(-0.0)"),
            ("1.5", "Float(1.5)"),
            ("1e999", "Float(inf)"),
            ("-1e999", "Float(-inf)"),
            ("1e-999", "Float(0.0)"),
            ("true", "Other"),
            ("false", "Other"),
            (r#"["\ud83d",1e999]"#, "Other"),
            (r#"{"\ud83d":{"\ude00":1e999}}"#, "Other"),
        ] {
            assert_eq!(slot(json), expected, "{json}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_told_from_text() {
        for half in [
            "\\ud83d",
            "\\ude00",
            "\\ude00\\ud83d",
            "a\\ud83d\\n",
            "\\ud83d\\ud83d\\ude00",
            "\\ud83d\\u0041",
            "\\uDBFF",
        ] {
            assert_eq!(slot(&format!("\"{half}\"")), "HalfPair", "{half}");
        }
    }

    #[test]
    fn what_is_no_json_is_no_slot() {
        for json in ["", "\"", "\"\\ud8\"", "\"\\ud83d", "\"\\x\"", "\"\t\"", "01", "1e", "nul", "[1", "{\"a\"}"] {
            assert!(Slot::parse(json).is_none(), "{json}");
        }
    }
}
