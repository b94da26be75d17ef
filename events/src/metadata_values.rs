//! The values under the keys of `metadata` that are counted.

use std::borrow::Cow;

use dataflow::rules::KeyNames;
use dataflow::short_text::ShortText;

use crate::scalar::Scalar;
use crate::shape::members;

/// A key, and the value under it.
pub(crate) type KeyValue = (ShortText, ShortText);

/// The values under these keys of an object, whose grammar was checked. Empty texts, null, arrays and objects are none.
pub(crate) fn values(metadata: &str, keys: &KeyNames) -> Vec<KeyValue> {
    let mut values = Vec::new();
    if metadata.is_empty() || keys.is_empty() {
        return values;
    }
    let read = members(metadata, |name, value| {
        if let Some(key) = keys.find(name) {
            // Of a key that is given twice, the last value counts.
            values.retain(|(known, _)| *known != key);
            values.extend(text(value).filter(|text| !text.is_empty()).map(|text| (key, ShortText::of(&text))));
        }
    });
    if read.is_ok() { values } else { Vec::new() }
}

/// A value as text: numbers and words as they are written.
fn text(json: &str) -> Option<Cow<'_, str>> {
    match Scalar::of(json) {
        Scalar::Text(text) => Some(text),
        Scalar::Unsigned(_) | Scalar::Negative | Scalar::Float(_) => Some(json.into()),
        Scalar::Other if json == "true" || json == "false" => Some(json.into()),
        Scalar::Missing | Scalar::HalfPair | Scalar::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_numbers_and_words_are_values() {
        let keys = KeyNames::of(&["device", "n"]);
        let long = "é".repeat(40);
        let object = |device: &str| format!(r#"{{"device":{device},"other":1}}"#);
        for (device, value) in [
            (r#""mobile""#, Some("mobile")),
            (r#""a\"b""#, Some("a\"b")),
            ("7", Some("7")),
            ("-1.50", Some("-1.50")),
            ("true", Some("true")),
            (&*format!("\"{long}\""), Some(&long[..30])),
            ("\"\"", None),
            ("null", None),
            ("[1]", None),
            ("{}", None),
            (r#""\ud83d""#, None),
        ] {
            let expected: Vec<KeyValue> =
                value.map(|value| (ShortText::of("device"), ShortText::of(value))).into_iter().collect();
            assert_eq!(values(&object(device), &keys), expected, "{device}");
        }
        let both = r#"{"n":1,"device":"tv","n":2,"device":"app","n":null}"#;
        assert_eq!(values(both, &keys), [(ShortText::of("device"), ShortText::of("app"))]);
        assert_eq!((values("", &keys), values(both, &KeyNames::NONE)), (vec![], vec![]));
    }
}
