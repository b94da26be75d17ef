//! The JSON Schema of rows, made from the declared fields.

use serde_json::{Map, Value, json};

use crate::decimal::WHOLE_DIGITS_MAX;
use crate::field::{Field, Shape};
use crate::kind::{ID_BYTES_MAX, Kind};

/// The most digits after the point that a setting allows.
const PRICE_DIGITS_MAX: u32 = 4;

impl Kind {
    /// The schema of a row as a request gives it.
    #[must_use]
    pub fn schema(self) -> Value {
        object(self.fields(), true)
    }

    /// The schema of a row whose id is given beside it, so that the row need not have it.
    #[must_use]
    pub fn replacement_schema(self) -> Value {
        let mut schema = self.schema();
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|name| name.as_str() != Some(self.key()));
        }
        schema
    }

    /// The schema of a merge patch: every field may be absent, and null removes it.
    #[must_use]
    pub fn patch_schema(self) -> Value {
        object(self.fields(), false)
    }
}

fn object(fields: &'static [Field], whole: bool) -> Value {
    let property = |field: &Field| {
        let mut schema = schema(&field.shape);
        if (!whole || !field.required)
            && let Some(kind) = schema.get_mut("type")
        {
            let mut kinds = match kind.take() {
                Value::Array(kinds) => kinds,
                one => vec![one],
            };
            kinds.push("null".into());
            *kind = kinds.into();
        }
        schema["description"] = field.sentence.into();
        (field.name.to_owned(), schema)
    };
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    let required: Vec<&str> = fields.iter().filter(|field| whole && field.required).map(|field| field.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Id => json!({"type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX}),
        Shape::Text(most) => json!({"type": "string", "maxLength": most}),
        Shape::Price => json!({
            "type": ["string", "number"],
            "minimum": 0,
            "pattern": format!("^[0-9]{{1,{WHOLE_DIGITS_MAX}}}(\\.[0-9]{{1,{PRICE_DIGITS_MAX}}})?$"),
        }),
        Shape::Truth => json!({"type": "boolean"}),
        Shape::Whole(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Object(_) => json!({"type": "object", "additionalProperties": true}),
        Shape::Numbers(most) => json!({"type": "array", "items": {"type": "number"}, "maxItems": most}),
        Shape::Time => json!({"type": ["string", "integer"], "minimum": 0, "format": "date-time"}),
        Shape::Word(words) => json!({"type": "string", "enum": words}),
        Shape::Rows(fields, most) => {
            json!({"type": "array", "items": object(fields, true), "minItems": 1, "maxItems": most})
        }
    }
}
