//! Partial comparison of JSON.

use serde_json::Value;

/// Where `found` is not what was expected, and how; keys of objects that are not expected are passed over.
pub(crate) fn difference(expected: &Value, found: &Value, place: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().find_map(|(key, expected)| {
            let place = format!("{place}/{key}");
            match found.get(key) {
                Some(found) => difference(expected, found, &place),
                None => Some(format!("{place} is missing")),
            }
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (expected, found))| difference(expected, found, &format!("{place}/{index}"))),
        _ if expected == found => None,
        _ => Some(format!("{place} should be {expected} and is {found}")),
    }
}
