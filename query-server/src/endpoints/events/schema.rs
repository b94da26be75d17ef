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
