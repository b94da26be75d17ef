//! The general pass over a JSON object: each member's name, and its value as text.
//!
//! Names and values are found by JSON's grammar alone and are only read where they matter: half of a surrogate pair, or a
//! number beyond all doubles, is no fault in a field that is not used.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::Malformed;
use crate::scalar::text;

/// Calls `member` with the name, and the JSON text of the value, of each member of a JSON object. A name that stands for no
/// characters is given as the empty one, which no field has.
pub(crate) fn members<'a>(json: &'a str, member: impl FnMut(&str, &'a str)) -> Result<(), Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = deserializer.deserialize_map(Members(member)).and_then(|()| deserializer.end());
    read.map_err(|error| match error.classify() {
        // Every member takes any value, so only the outermost value can have the wrong type.
        Category::Data => Malformed::NotAnObject,
        _ => Malformed::NotJson { line: error.line(), column: error.column() },
    })
}

struct Members<F>(F);

impl<'de, F: FnMut(&str, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            (self.0)(&text(name.get()).unwrap_or_default(), value.get());
        }
        Ok(())
    }
}
