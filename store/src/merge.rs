//! Merge patches (RFC 7396) on the JSON of a row. Numbers of the patch keep the form in which they were given.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Fault;
use crate::reader::Members;

/// The JSON of a row after `patch`.
///
/// # Errors
/// When the patch is no object, or names a member twice.
pub(crate) fn merge(row: &str, patch: &[u8]) -> Result<String, Fault> {
    let patch = std::str::from_utf8(patch).map_err(|_| Fault::new("", "must be UTF-8"))?;
    let (Members(mut members), Members(changes)) = (Members::read(row)?, Members::read(patch)?);
    let merged: Vec<(String, Box<RawValue>)> = changes
        .iter()
        .map(|(name, change)| {
            let before = members.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw);
            (name.clone(), member(before, change))
        })
        .collect();
    members.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    members.extend(merged.iter().map(|(name, raw)| (name.clone(), &**raw)));
    let texts: Vec<String> =
        members.iter().map(|(name, raw)| format!("{}:{}", Value::from(&**name), raw.get())).collect();
    Ok(format!("{{{}}}", texts.join(",")))
}

/// A member after its part of the patch.
fn member(before: Option<&RawValue>, change: &RawValue) -> Box<RawValue> {
    let object = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok().filter(Value::is_object);
    let Some(change_object) = object(change) else { return change.to_owned() };
    let mut value = before.and_then(object).unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    apply(&mut value, change_object);
    serde_json::value::to_raw_value(&value).expect("a JSON value is plain data")
}

fn apply(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, change) in patch {
        if change.is_null() {
            target.remove(&name);
        } else {
            apply(target.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_that_a_row_can_have() {
        for (row, patch, merged) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merge(row, patch.as_bytes()).expect("both are objects"), merged);
        }
        assert!(merge("{}", b"[]").is_err());
    }
}
