//! Ids: text of 1 to 256 bytes, or integers, which are the same id as their decimal text.

use std::borrow::Cow;

use dataflow::ids::ID_BYTES_MAX;

use super::Malformed;
use super::slot::Slot;

/// Text is taken as it is (no trimming, `042` is not `42`); an integer of up to 64 bits as its canonical decimal text.
#[inline]
pub(super) fn read<'a>(slot: Slot<'a>, field: &'static str) -> Result<Cow<'a, str>, Malformed> {
    match slot {
        Slot::Text(id) if id.is_empty() => Err(Malformed::EmptyId { field }),
        Slot::Text(id) if id.len() > ID_BYTES_MAX => Err(Malformed::IdTooLong { field, bytes: id.len() }),
        Slot::Text(id) => Ok(id),
        Slot::Unsigned(id) => Ok(Cow::Owned(id.to_string())),
        Slot::Negative(id) => Ok(Cow::Owned(id.to_string())),
        Slot::HalfPair => Err(Malformed::HalfPair { field }),
        Slot::Missing => Err(Malformed::MissingField { field }),
        Slot::Float(_) | Slot::Other => Err(Malformed::WrongType { field }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Result<String, Malformed> {
        let slot = Slot::parse(json).expect("the value is JSON");
        read(slot, "user_id").map(Cow::into_owned)
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
        assert_eq!(id(&format!("\"{longest}x\"")), Err(Malformed::IdTooLong { field: "user_id", bytes }));
    }

    #[test]
    fn empty_and_missing_ids_differ() {
        assert_eq!(id("\"\""), Err(Malformed::EmptyId { field: "user_id" }));
        assert_eq!(id("null"), Err(Malformed::MissingField { field: "user_id" }));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_id() {
        for half in ["\\ud83d", "user-\\ude00", "\\ude00\\ud83d"] {
            assert_eq!(id(&format!("\"{half}\"")), Err(Malformed::HalfPair { field: "user_id" }), "{half}");
        }
        assert_eq!(id(r#""\ud83d\ude00""#).as_deref(), Ok("😀"));
    }

    #[test]
    fn other_types_are_no_ids() {
        for json in
            ["1.0", "1e3", "1e999", "18446744073709551616", "-9223372036854775809", "-0", "true", "[1]", "{\"id\":1}"]
        {
            assert_eq!(id(json), Err(Malformed::WrongType { field: "user_id" }), "{json}");
        }
    }
}
