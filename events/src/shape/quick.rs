//! The same pass as `members`, by hand, for plain lines: no line ends or tabs between tokens, little nesting.
//!
//! Parsing is among the largest parts of a backfill's CPU time, and this takes about two thirds of what the general
//! parser takes for the same line. It only ever answers "these are the fields" or "not plain": malformed and unusual lines
//! are left to the general pass, which alone defines what a payload means. A property test compares the two.

mod cursor;
mod scan;

use super::field::Field;
use super::{RawFields, metadata};
pub(super) use cursor::JsonCursor;
pub(super) use scan::COUNTED_BYTES_MAX;

/// Fills in the fields of a plain line; none if the line is not plain, and then some may be filled in already.
pub(super) fn read<'a>(line: &'a str, fields: &mut RawFields<'a>) -> Option<()> {
    let mut cursor = JsonCursor::new(line)?;
    cursor.token(b'{')?;
    cursor.members(|cursor, name| {
        match name {
            b"properties" => *fields.field(Field::Productid) = product(cursor)?,
            b"metadata" => read_metadata(cursor, fields)?,
            b"context" => *fields.field(Field::Source) = source(cursor)?,
            _ => fields.set(name, cursor.value()?),
        }
        Some(())
    })?;
    cursor.end()
}

/// The product in the object `properties`.
fn product<'a>(cursor: &mut JsonCursor<'a>) -> Option<&'a str> {
    let mut product = "";
    cursor.token(b'{')?;
    cursor.members(|cursor, name| {
        let value = cursor.value()?;
        if Field::named_in_properties(name).is_some() {
            product = value;
        }
        Some(())
    })?;
    Some(product)
}

/// The source in the object `context`.
fn source<'a>(cursor: &mut JsonCursor<'a>) -> Option<&'a str> {
    let mut source = "";
    cursor.token(b'{')?;
    cursor.members(|cursor, name| {
        let value = cursor.value()?;
        if Field::named_in_context(name).is_some() {
            source = value;
        }
        Some(())
    })?;
    Some(source)
}

/// Takes the fields from the object `metadata`.
fn read_metadata<'a>(cursor: &mut JsonCursor<'a>, fields: &mut RawFields<'a>) -> Option<()> {
    fields.clear_metadata();
    let start = cursor.at();
    cursor.token(b'{')?;
    cursor.members(|cursor, name| {
        let value = cursor.value()?;
        if let Some(field) = Field::named_in_metadata(name) {
            *fields.field(field) = value;
        }
        Some(())
    })?;
    fields.metadata = cursor.since(start)?;
    (fields.metadata.len() <= metadata::BYTES_MAX).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plain(line: &str) -> bool {
        read(line, &mut RawFields::default()).is_some()
    }

    #[test]
    fn documented_lines_are_plain() {
        for line in [
            r#"{"event":"ProductView","messageid":"5b8e6f0e","userid":"user-120","properties":{"productid":"product-393"},"context":{"source":"mobile-app"},"timestamp":1731000000.123}"#,
            r#"{"event": "ProductRemoved", "messageid": "…", "userid": 120, "properties": {"productid": 393}, "timestamp": 1731000000}"#,
            r#"{"user_id":120,"product_id":393,"event_type":"view","timestamp":"2026-11-20T10:15:00Z","session_id":"s-77","metadata":{"page_url":"/p/393","referrer":"search","time_on_page_ms":5400}}"#,
            r#"{"event_type":"click","user_id":"a\u00e9\ud83d\"","metadata":{},"a":[-1,0,1.5e-7,[],{}]}"#,
            r#" { "a" : [ 1 , 0.5 , true , false , null , { "b" : [ "c" ] } ] , "event_type" : "click" } "#,
        ] {
            assert!(is_plain(line), "{line}");
        }
    }

    #[test]
    fn lines_that_are_not_json_are_not_plain() {
        for line in [
            "",
            "{",
            "}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":1}}",
            "{\"a\":1} x",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":1e+}",
            "{\"a\":--1}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":\"\\",
            "{\"\\u0061\":1}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":tru}",
            "{\"a\":\"b}",
            "{\"a\":[1,]}",
            "{\"a\":[1}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":\"\t\"}",
            "{\"a\":1;\"b\":2}",
            "{\"a\":[1}}",
            "{\"a\":1]",
            "{\"a\":1\"",
            "{\"timestamp\":01}",
            "{\"timestamp\":1.}",
        ] {
            assert!(!is_plain(line), "{line}");
        }
    }

    #[test]
    fn deep_nesting_is_left_to_the_general_parser() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_plain(&nested(8)));
        assert!(!is_plain(&nested(9)));
    }
}
