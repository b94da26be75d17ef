//! The object `metadata`: the fields that Vitrine reads from it, and its bounds.

use super::RawFields;
use super::field::Field;
use super::members;
use crate::Malformed;

/// The largest `metadata`, in bytes of JSON.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// Objects and arrays inside `metadata`, one within another, at most. The quick pass has the same bound for every value.
const DEPTH_MAX: usize = 8;

impl<'a> RawFields<'a> {
    /// Takes the fields from the value of `metadata`; none if that is null.
    pub(super) fn set_metadata(&mut self, metadata: &'a str) -> Result<(), Malformed> {
        self.clear_metadata();
        if metadata == "null" {
            return Ok(());
        }
        if !metadata.starts_with('{') {
            return Err(Malformed::MetadataNoObject);
        }
        if metadata.len() > BYTES_MAX {
            return Err(Malformed::MetadataTooLarge(metadata.len()));
        }
        if depth(metadata) > DEPTH_MAX {
            return Err(Malformed::MetadataTooDeep);
        }
        self.metadata = metadata;
        members(metadata, |name, value| {
            if let Some(field) = Field::named_in_metadata(name.as_bytes()) {
                *self.field(field) = value;
            }
        })
    }

    /// Forgets the fields of an earlier `metadata`.
    pub(super) fn clear_metadata(&mut self) {
        self.metadata = "";
        for field in [Field::TimeOnPage, Field::OrderId, Field::AnswerIdInMetadata] {
            *self.field(field) = "";
        }
    }
}

/// How many objects and arrays are one within another inside an object whose grammar was checked.
fn depth(object: &str) -> usize {
    let (mut open, mut most, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in object.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                open += 1;
                most = most.max(open);
            }
            b'}' | b']' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_what_is_inside() {
        for (object, inside) in
            [("{}", 0), (r#"{"a":"[[{\"["}"#, 0), (r#"{"a":[],"b":{}}"#, 1), (r#"{"a":[{"b":[1]}]}"#, 3)]
        {
            assert_eq!(depth(object), inside, "{object}");
        }
    }
}
