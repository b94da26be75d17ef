//! The declaration of one query parameter.

use utoipa::openapi::schema::Type;

/// A parameter's name, the type of its value in JSON Schema, and a sentence on it.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) value: Type,
    pub(crate) description: &'static str,
}

impl Parameter {
    /// A text.
    pub(crate) const fn text(name: &'static str, description: &'static str) -> Parameter {
        Parameter { name, value: Type::String, description }
    }

    /// A whole number.
    pub(crate) const fn number(name: &'static str, description: &'static str) -> Parameter {
        Parameter { name, value: Type::Integer, description }
    }

    /// `true` or `false`.
    pub(crate) const fn flag(name: &'static str, description: &'static str) -> Parameter {
        Parameter { name, value: Type::Boolean, description }
    }
}
