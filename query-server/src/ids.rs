//! Ids in paths: percent-decoded once, UTF-8, of an allowed length. Ids in bodies: texts or whole numbers.

use std::borrow::Cow;

use dataflow::ids::ID_BYTES_MAX;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::problem::Problem;

/// The id in a path segment.
///
/// # Errors
/// When it is empty, too long, not UTF-8, or has a `%` without two hexadecimal digits behind it.
pub(crate) fn id(segment: &str) -> Result<Cow<'_, str>, Problem> {
    let id = if segment.as_bytes().contains(&b'%') { decode(segment)? } else { Cow::Borrowed(segment) };
    match id.len() {
        1..=ID_BYTES_MAX => Ok(id),
        _ => Err(Problem::BadPath("an id in the path must have 1 to 256 bytes")),
    }
}

/// The id that a value in a body gives: a text of any length, or a whole number, which is the same id as its decimal text.
pub(crate) fn of_json(value: Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Problem> {
    if !is_well_formed(segment) {
        return Err(Problem::BadPath("a percent sign in the path must be followed by two hexadecimal digits"));
    }
    percent_decode_str(segment).decode_utf8().map_err(|_| Problem::BadPath("an id in the path must be UTF-8"))
}

/// Whether two hexadecimal digits follow every `%`. The decoder itself would keep any other `%` as it is.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    bytes.iter().enumerate().all(|(at, byte)| *byte != b'%' || (hex(at + 1) && hex(at + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_once() {
        assert_eq!(id("user-120").unwrap(), "user-120");
        assert_eq!(id("a%2Fb").unwrap(), "a/b");
        assert_eq!(id("a%252Fb").unwrap(), "a%2Fb");
        assert_eq!(id("%C3%BC").unwrap(), "ü");
        assert_eq!(id("a+b").unwrap(), "a+b");
    }

    #[test]
    fn malformed_ids_are_refused() {
        for bad in ["", "%", "%4", "%zz", "a%4", "%FF", "%C3", "%C3%28", "%%41"] {
            assert!(id(bad).is_err(), "{bad}");
        }
        assert!(id(&"x".repeat(256)).is_ok());
        assert!(id(&"x".repeat(257)).is_err());
        assert!(id(&"%41".repeat(256)).is_ok());
        assert!(id(&"%41".repeat(257)).is_err());
    }
}
