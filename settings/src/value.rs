//! The value of a setting, and its conversion to a field's type.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Secret;

/// A value that its setting allows. Its display form is TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Integer(u64),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl Value {
    /// The text of a setting whose kind allows texts.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            other => unreachable!("the setting's kind is of texts, found {other}"),
        }
    }

    fn integer(&self) -> u64 {
        match self {
            Value::Integer(number) => *number,
            other => unreachable!("the setting's kind is of whole numbers, found {other}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(number) => write!(out, "{number}"),
            Value::Text(text) => write!(out, "{text:?}"),
            Value::List(items) => write!(out, "{items:?}"),
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(items: [&str; N]) -> Self {
        Value::List(items.map(str::to_owned).into())
    }
}

/// The type of a field that can hold a setting's value.
pub trait FromValue {
    /// Converts a value that the setting's kind allows.
    fn from_value(value: &Value) -> Self;
}

impl FromValue for u64 {
    fn from_value(value: &Value) -> Self {
        value.integer()
    }
}

impl FromValue for usize {
    fn from_value(value: &Value) -> Self {
        usize::try_from(value.integer()).expect("the bounds of sizes fit the machine's word")
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Self {
        value.text().to_owned()
    }
}

/// `None` if the text is empty.
impl FromValue for Option<String> {
    fn from_value(value: &Value) -> Self {
        Some(value.text().to_owned()).filter(|text| !text.is_empty())
    }
}

impl FromValue for Vec<String> {
    fn from_value(value: &Value) -> Self {
        match value {
            Value::List(items) => items.clone(),
            other => unreachable!("the setting's kind is of lists, found {other}"),
        }
    }
}

impl FromValue for Secret {
    fn from_value(value: &Value) -> Self {
        Secret::new(value.text())
    }
}

impl FromValue for PathBuf {
    fn from_value(value: &Value) -> Self {
        value.text().into()
    }
}

/// `None` if the path is empty.
impl FromValue for Option<PathBuf> {
    fn from_value(value: &Value) -> Self {
        Option::<String>::from_value(value).map(PathBuf::from)
    }
}

impl FromValue for SocketAddr {
    fn from_value(value: &Value) -> Self {
        value.text().parse().expect("the kind allows addresses only")
    }
}

/// Sixteen bytes of 32 hexadecimal digits.
impl FromValue for [u8; 16] {
    fn from_value(value: &Value) -> Self {
        u128::from_str_radix(value.text(), 16).expect("the kind allows hexadecimal digits only").to_be_bytes()
    }
}

/// Conversion of a setting in seconds into a duration.
#[must_use]
pub fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.integer())
}
