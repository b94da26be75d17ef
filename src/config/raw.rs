//! A value as it was found, before it is checked against the setting's kind.

use super::problem::Origin;

/// A value as it was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// Text from the environment, a flag or an expanded `${VAR}`: may stand for a number or a list.
    Loose(String),
    /// A string of the file.
    Text(String),
    /// A whole number of the file.
    Integer(i64),
    /// A truth value of the file.
    Boolean(bool),
    /// A list of strings of the file.
    List(Vec<String>),
    /// Anything else the file may hold, by the name of its type.
    Other(&'static str),
}

impl Raw {
    /// The value in words for a message.
    pub(super) fn describe(&self) -> String {
        match self {
            Raw::Loose(text) | Raw::Text(text) => format!("{text:?}"),
            Raw::Integer(number) => number.to_string(),
            Raw::Boolean(truth) => truth.to_string(),
            Raw::List(items) => format!("{items:?}"),
            Raw::Other(kind) => format!("of type {kind}"),
        }
    }

    /// The whole number it stands for.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Raw::Integer(number) => Some(*number),
            Raw::Loose(text) => text.trim().replace('_', "").parse().ok(),
            _ => None,
        }
    }

    /// The text it is.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Raw::Text(text) | Raw::Loose(text) => Some(text),
            _ => None,
        }
    }

    /// The list it stands for; text of the environment is split at commas, unless it is written as a list of the file.
    pub(super) fn list(&self) -> Option<Vec<String>> {
        match self {
            Raw::List(items) => Some(items.clone()),
            Raw::Loose(text) if text.trim_start().starts_with('[') => written_list(text),
            Raw::Loose(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
            _ => None,
        }
    }

    /// The text of a scalar, as librdkafka wants all its values.
    pub(super) fn scalar(&self) -> Option<String> {
        match self {
            Raw::Text(text) | Raw::Loose(text) => Some(text.clone()),
            Raw::Integer(number) => Some(number.to_string()),
            Raw::Boolean(truth) => Some(truth.to_string()),
            Raw::List(_) | Raw::Other(_) => None,
        }
    }
}

/// A list of strings as TOML writes it, such as `["a", "b"]`.
fn written_list(text: &str) -> Option<Vec<String>> {
    let table: toml::Table = format!("list = {text}").parse().ok()?;
    let items = table.get("list").filter(|_| table.len() == 1)?.as_array()?;
    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// One key and value of a layer, before the key is looked up.
#[derive(Debug)]
pub(super) struct KeyValue {
    pub(super) key: String,
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_the_environment_is_written_with_commas_or_as_in_the_file() {
        let list = |text: &str| Raw::Loose(text.to_owned()).list();
        let both = Some(vec!["paid".to_owned(), "on its way, again".to_owned()]);
        assert_eq!(list(r#"["paid", "on its way, again"]"#), both);
        assert_eq!(list("paid, sent"), Some(vec!["paid".to_owned(), "sent".to_owned()]));
        assert_eq!(list("[]"), Some(Vec::new()));
        for wrong in ["[paid]", "[\"paid\"", "[1, 2]", "[]\nother = 1"] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
    }
}
