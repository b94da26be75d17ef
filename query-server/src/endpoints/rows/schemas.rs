//! Schemas and answers of rows. The fields are declared in the store.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};

use super::Resource;

/// The most rows of a batch.
pub(super) const BATCH_ROWS_MAX: usize = 1000;

type Schemas = Vec<(String, RefOr<Schema>)>;

/// The answer to a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchDone {
    /// How many rows were written.
    pub(super) written: usize,
    /// How many of them were not there before.
    pub(super) created: usize,
    /// A value for `after`, with which a request waits until the rows are visible.
    pub(super) token: String,
}

/// A row.
pub(super) fn row_schema<R: Resource>(schemas: &mut Schemas) -> RefOr<Schema> {
    named::<R>("Row", R::KIND.schema(), schemas)
}

/// A row whose id is in the path.
pub(super) fn replacement_schema<R: Resource>(schemas: &mut Schemas) -> RefOr<Schema> {
    named::<R>("Replacement", R::KIND.replacement_schema(), schemas)
}

/// A merge patch of a row.
pub(super) fn patch_schema<R: Resource>(schemas: &mut Schemas) -> RefOr<Schema> {
    named::<R>("Patch", R::KIND.patch_schema(), schemas)
}

/// The rows of a batch.
pub(super) fn rows_schema<R: Resource>(schemas: &mut Schemas) -> RefOr<Schema> {
    let row = row_schema::<R>(schemas);
    parsed(json!({"type": "array", "items": row, "minItems": 1, "maxItems": BATCH_ROWS_MAX}))
}

/// A page of rows.
pub(super) fn page_schema<R: Resource>(schemas: &mut Schemas) -> RefOr<Schema> {
    let row = row_schema::<R>(schemas);
    let page = json!({
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": row},
            "next_cursor": {"type": ["string", "null"], "description": "A value for `cursor`; null on the last page"},
        },
        "required": ["items", "next_cursor"],
    });
    named::<R>("Page", page, schemas)
}

fn named<R: Resource>(what: &str, schema: Value, schemas: &mut Schemas) -> RefOr<Schema> {
    let singular = R::KIND.singular();
    let name = format!("{}{}{what}", singular[..1].to_uppercase(), &singular[1..]);
    schemas.push((name.clone(), parsed(schema)));
    Ref::from_schema_name(name).into()
}

fn parsed(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema).expect("the store's schemas are schemas of OpenAPI")
}
