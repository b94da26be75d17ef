//! The rows of lists as people see them: named columns and their values.
//!
//! A list declares its columns once, beside its row. Answers over HTTP, the change feed and exports write these
//! columns, each in its own format.

use std::sync::Arc;

use crate::dictionary::Dictionary;
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::time::Millis;

/// A column of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name, the same in all outputs.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
}

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An id.
    Id,
    /// A time in milliseconds since the epoch.
    Time,
    /// A number.
    Count,
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A user. The id is known only if users are remembered.
    User(UserKey),
    /// A product.
    Product(ProductKey),
    /// A category.
    Category(CategoryKey),
    /// A time in milliseconds since the epoch.
    Time(Millis),
    /// A number.
    Count(u64),
}

impl Value {
    /// The id that the value stands for, if it stands for an id that is known.
    #[must_use]
    pub fn id(self, dictionary: &Dictionary) -> Option<Arc<str>> {
        match self {
            Value::User(key) => dictionary.user_name(key),
            Value::Product(key) => dictionary.product_name(key),
            Value::Category(key) => dictionary.category_name(key),
            Value::Time(_) | Value::Count(_) => None,
        }
    }

    /// The value as a number, if it is a number.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        match self {
            Value::Time(number) | Value::Count(number) => Some(number),
            Value::User(_) | Value::Product(_) | Value::Category(_) => None,
        }
    }
}
