//! The members of an event that no list needs and the archive has columns for: its session and its metadata.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The two members.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) session_id: Option<Cow<'a, str>>,
    pub(crate) metadata: Option<&'a str>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

static NAMES: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("\"session_id\""), Finder::new("\"metadata\"")]);

/// The members of a payload that is an event. Most events have neither: their JSON is not read a second time.
pub(crate) fn fields(payload: &[u8]) -> Fields<'_> {
    if !NAMES.iter().any(|name| name.find(payload).is_some()) {
        return Fields::default();
    }
    let payload = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
    let Ok(members) = serde_json::from_slice::<Members<'_>>(payload) else { return Fields::default() };
    Fields { session_id: present(members.session_id).and_then(scalar), metadata: present(members.metadata) }
}

/// The JSON of a member that is not null.
fn present(value: Option<&RawValue>) -> Option<&str> {
    value.map(RawValue::get).filter(|text| *text != "null")
}

/// A text without its quotes, or a number as it is written; none for other values.
fn scalar(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => match json.get(1..json.len() - 1).filter(|text| !text.contains('\\')) {
            Some(text) => Some(Cow::Borrowed(text)),
            None => serde_json::from_str(json).ok().map(Cow::Owned),
        },
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(json)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_they_are_written() {
        for (json, session_id, metadata) in [
            (r#"{"session_id":"s-1"}"#, Some("s-1"), None),
            (r#"{"session_id":7,"metadata":{"a":[1, 2]}}"#, Some("7"), Some(r#"{"a":[1, 2]}"#)),
            (r#"{"session_id":"a\u0041\"","metadata":null}"#, Some("aA\""), None),
            (r#"{"session_id":true,"metadata":"text"}"#, None, Some("\"text\"")),
            (r#"{"properties":{"session_id":"inner"}}"#, None, None),
            ("{}", None, None),
        ] {
            let expected = Fields { session_id: session_id.map(Cow::Borrowed), metadata };
            assert_eq!(fields(json.as_bytes()), expected, "{json}");
        }
    }
}
