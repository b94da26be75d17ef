//! One JSON value as far as events need it: scalars are read, nested values are only recognised.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::words::{eight_digits, has_backslash};

/// A field's value before it is known what it should be.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    /// Missing or null.
    Missing,
    Text(Cow<'a, str>),
    /// A text with half of a surrogate pair, such as `"\ud83d"`: JSON's grammar allows it, but it stands for no characters.
    HalfPair,
    Unsigned(u64),
    /// An integer below zero.
    Negative,
    /// Written with a fraction or an exponent, or an integer beyond 64 bits; infinite if it is beyond doubles as well.
    Float(f64),
    /// A boolean, an array or an object.
    Other,
}

impl<'a> Scalar<'a> {
    /// Reads the text of one JSON value, whose grammar has been checked; the empty text is that of a missing field.
    #[inline(always)]
    pub(super) fn of(json: &'a str) -> Scalar<'a> {
        match json.as_bytes().first() {
            Some(b'"') => match plain_text(json) {
                Some(text) => Scalar::Text(Cow::Borrowed(text)),
                None => text(json).map_or(Scalar::HalfPair, Scalar::Text),
            },
            Some(b'n') | None => Scalar::Missing,
            Some(b'-' | b'0'..=b'9') => number(json),
            Some(_) => Scalar::Other,
        }
    }

    /// Reads text that should be one JSON value; none if it is not.
    pub(super) fn parse(json: &'a str) -> Option<Scalar<'a>> {
        serde_json::from_str::<&RawValue>(json).map(|value| Scalar::of(value.get())).ok()
    }
}

/// The characters of a JSON string; none if it has half of a surrogate pair.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    match plain_text(json) {
        Some(text) => Some(Cow::Borrowed(text)),
        // The grammar was checked when the string was found, so nothing else can be wrong with it.
        None => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// The characters of a JSON string without escapes.
#[inline]
fn plain_text(json: &str) -> Option<&str> {
    let inner = json.get(1..json.len() - 1)?;
    (!has_backslash(inner.as_bytes())).then_some(inner)
}

/// A number. Digits, and digits with a fraction, are read here because they are most numbers.
#[inline]
fn number<'a>(json: &str) -> Scalar<'a> {
    let (mut number, mut rest) = (0_u64, json.as_bytes());
    if let Some((eight, after)) = rest.split_first_chunk()
        && let Some(first) = eight_digits(*eight)
    {
        (number, rest) = (first, after);
    }
    let (mut fraction, mut is_fraction) = (0, false);
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            fraction += usize::from(is_fraction);
        } else if *byte == b'.' {
            is_fraction = true;
        } else {
            return any_number(json);
        }
    }
    match is_fraction {
        false if json.len() < DIGITS_U64 => Scalar::Unsigned(number),
        // Both are doubles without a loss, so the quotient is the double nearest to the number.
        true if json.len() <= DIGITS_F64 + 1 => Scalar::Float(number as f64 / POWERS_OF_TEN[fraction]),
        _ => any_number(json),
    }
}

fn any_number<'a>(json: &str) -> Scalar<'a> {
    match (json.parse(), json.parse()) {
        (Ok(number), _) => Scalar::Unsigned(number),
        (Err(_), Ok(..0_i64)) => Scalar::Negative,
        // Every JSON number is a number to Rust; beyond all doubles it is infinite.
        _ => Scalar::Float(json.parse().unwrap_or(f64::INFINITY)),
    }
}

/// Integers of fewer digits fit into 64 bits.
const DIGITS_U64: usize = 20;

/// Integers of so many digits are doubles without a loss.
const DIGITS_F64: usize = 15;

const POWERS_OF_TEN: [f64; DIGITS_F64 + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(json: &str) -> String {
        format!("{:?}", Scalar::parse(json).expect("the value is JSON"))
    }

    #[test]
    fn every_value_has_its_scalar() {
        for (json, expected) in [
            ("null", "Missing"),
            (r#""""#, r#"Text("")"#),
            (r#" "a" "#, r#"Text("a")"#),
            (r#""a\"\u00e9\ud83d\ude00""#, "Text(\"a\\\"é😀\")"),
            ("7", "Unsigned(7)"),
            ("-7", "Negative"),
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
            assert_eq!(scalar(json), expected, "{json}");
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
            assert_eq!(scalar(&format!("\"{half}\"")), "HalfPair", "{half}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_no_scalar() {
        for json in ["", "\"", "\"\\ud8\"", "\"\\ud83d", "\"\\x\"", "\"\t\"", "01", "1e", "nul", "[1", "{\"a\"}"] {
            assert!(Scalar::parse(json).is_none(), "{json}");
        }
    }
}
