//! The member of an event that no list needs and the archive has a column for: its metadata.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"metadata\""));

/// The metadata of a payload that is an event, as JSON. Most events have none: their JSON is not read a second time.
pub(crate) fn metadata(payload: &[u8]) -> Option<&str> {
    NAME.find(payload)?;
    let payload = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
    let members = serde_json::from_slice::<Members<'_>>(payload).ok()?;
    members.metadata.map(RawValue::get).filter(|text| *text != "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_read_as_they_are_written() {
        for (json, expected) in [
            (r#"{"session_id":"s-1"}"#, None),
            (r#"{"metadata":{"a":[1, 2]}}"#, Some(r#"{"a":[1, 2]}"#)),
            ("\u{feff}{\"metadata\":{}}", Some("{}")),
            (r#"{"metadata":null}"#, None),
            (r#"{"metadata":"text"}"#, Some("\"text\"")),
            (r#"{"properties":{"metadata":"inner"}}"#, None),
            ("{}", None),
        ] {
            assert_eq!(metadata(json.as_bytes()), expected, "{json}");
        }
    }
}
