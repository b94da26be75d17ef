//! The shapes of events for the OpenAPI document. The crate `events` reads events, and `docs/events.md` is their reference.

use std::collections::BTreeMap;

use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};

/// Named JSON Schemas, `Events` among them.
const SCHEMAS: &str = include_str!("schema.json");

/// The body of a request: one event or several.
pub(super) fn events(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    let named: BTreeMap<String, RefOr<Schema>> = serde_json::from_str(SCHEMAS).expect("the file holds JSON Schemas");
    schemas.extend(named);
    Ref::from_schema_name("Events").into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_schemas_are_handed_out_as_they_are_written() {
        let mut schemas = Vec::new();
        events(&mut schemas);
        let written: BTreeMap<String, Value> = serde_json::from_str(SCHEMAS).unwrap();
        assert!(written.contains_key("Events") && schemas.len() == written.len());
        for (name, schema) in schemas {
            assert_eq!(serde_json::to_value(schema).unwrap(), written[&name], "{name}");
        }
    }
}
