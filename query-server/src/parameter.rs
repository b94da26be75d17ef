//! The declaration of one query parameter.

use utoipa::openapi::schema::Type;

/// A parameter's name, the type of its value in JSON Schema, and a sentence on it.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) value: Type,
    pub(crate) description: &'static str,
}
