//! Ids: text of 1 to 256 bytes, or integers, which are the same id as their decimal text.

use std::borrow::Cow;

use dataflow::ids::ID_BYTES_MAX;

use crate::Malformed;
use crate::scalar::Scalar;

/// Reads a JSON value. Text is taken as it is (no trimming, `042` is not `42`); an integer of up to 64 bits is the text
/// that JSON allows for it, which is its only decimal text.
#[inline]
pub(super) fn read<'a>(json: &'a str, field: &'static str) -> Result<Cow<'a, str>, Malformed> {
    match Scalar::of(json) {
        Scalar::Text(id) if id.is_empty() => Err(Malformed::EmptyId(field)),
        Scalar::Text(id) if id.len() > ID_BYTES_MAX => Err(Malformed::IdTooLong(field, id.len())),
        Scalar::Text(id) => Ok(id),
        Scalar::Unsigned(_) | Scalar::Negative => Ok(Cow::Borrowed(json)),
        Scalar::HalfPair => Err(Malformed::HalfPair(field)),
        Scalar::Missing => Err(Malformed::MissingField(field)),
        Scalar::Float(_) | Scalar::Other => Err(Malformed::WrongType(field)),
    }
}

/// The identity that a producer gave an event; none if it is empty or neither text nor an integer.
#[inline]
pub(super) fn identity(json: &str) -> Option<Cow<'_, str>> {
    match Scalar::of(json) {
        Scalar::Text(id) if !id.is_empty() => Some(id),
        Scalar::Unsigned(_) | Scalar::Negative => Some(Cow::Borrowed(json)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Result<String, Malformed> {
        read(json, "user_id").map(Cow::into_owned)
    }

    #[test]
    fn integer_and_its_text_are_the_same_id() {
        for integer in ["42", "0", "-1", "18446744073709551615", "-9223372036854775808"] {
            assert_eq!(id(integer).as_deref(), Ok(integer));
            assert_eq!(id(&format!("\"{integer}\"")), id(integer));
        }
    }

    #[test]
    fn text_is_taken_as_it_is() {
        for text in ["042", " 42", "42.0", "-0", "ключ", "null", "a/b"] {
            assert_eq!(id(&format!("\"{text}\"")).as_deref(), Ok(text));
        }
    }

    #[test]
    fn length_counts_bytes_after_escapes_are_resolved() {
        let longest = "é".repeat(ID_BYTES_MAX / 2);
        assert_eq!(id(&format!("\"{longest}\"")), Ok(longest.clone()));
        assert_eq!(id(&format!("\"{}\"", "\\u00e9".repeat(ID_BYTES_MAX / 2))), Ok(longest.clone()));
        let bytes = ID_BYTES_MAX + 1;
        assert_eq!(id(&format!("\"{longest}x\"")), Err(Malformed::IdTooLong("user_id", bytes)));
    }

    #[test]
    fn empty_and_missing_ids_differ() {
        assert_eq!(id("\"\""), Err(Malformed::EmptyId("user_id")));
        assert_eq!(id("null"), Err(Malformed::MissingField("user_id")));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_id() {
        for half in ["\\ud83d", "user-\\ude00", "\\ude00\\ud83d"] {
            assert_eq!(id(&format!("\"{half}\"")), Err(Malformed::HalfPair("user_id")), "{half}");
        }
        assert_eq!(id(r#""\ud83d\ude00""#).as_deref(), Ok("😀"));
    }

    #[test]
    fn other_types_are_no_ids() {
        for json in
            ["1.0", "1e3", "1e999", "18446744073709551616", "-9223372036854775809", "-0", "true", "[1]", "{\"id\":1}"]
        {
            assert_eq!(id(json), Err(Malformed::WrongType("user_id")), "{json}");
        }
    }
}
