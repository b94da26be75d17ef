//! What values a setting takes, and the check of one value.

use std::net::SocketAddr;
use std::path::PathBuf;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::raw::Raw;

/// Longest name of a Kafka topic.
const TOPIC_BYTES_MAX: usize = 249;
/// Longest identifier PostgreSQL keeps.
const IDENTIFIER_BYTES_MAX: usize = 63;

/// What values a setting takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number within bounds, both included.
    Integer {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
    },
    /// Any text that is not empty.
    Text,
    /// `HOST:PORT` pairs of Kafka brokers, separated by commas.
    Brokers,
    /// A connection string PostgreSQL's own tools take.
    PostgresUrl,
    /// An address to listen on: IP and port.
    Address,
    /// One of these words; `planned` words are known and named as not available.
    Choice {
        /// The words to choose from.
        allowed: &'static [&'static str],
        /// Words of a later version.
        planned: &'static [&'static str],
    },
    /// The name of a Kafka topic.
    Topic,
    /// Names of Kafka topics, at least one.
    Topics,
    /// The name of a column.
    Column,
    /// The name of a column; empty for none.
    ColumnOrNone,
    /// Values of a column, none twice; the list may be empty.
    ColumnValues,
    /// The name of a table, with or without its schema.
    Table,
    /// A name that PostgreSQL takes without quotes, of a replication slot or a publication.
    Slot,
    /// The number a PostgreSQL cluster is given when it is made; empty for none.
    System,
    /// A path; empty where it may be.
    Path {
        /// Whether an empty path is allowed and means "none".
        empty: bool,
    },
    /// Sixteen bytes as 32 hexadecimal digits.
    Key,
    /// A level or a filter of log lines.
    Filter,
    /// A section of free keys, handed to librdkafka.
    Client,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Integer(u64),
    Text(String),
    Address(SocketAddr),
    List(Vec<String>),
    Path(PathBuf),
    Key([u8; 16]),
}

impl Kind {
    /// What is allowed, in words.
    pub fn allowed(&self) -> String {
        match self {
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Text => "a text that is not empty".into(),
            Kind::Brokers => "HOST:PORT, or several separated by commas".into(),
            Kind::PostgresUrl => "a connection string such as postgresql://user@host:5432/database".into(),
            Kind::Address => "an IP address and a port, such as 127.0.0.1:8080 or [::]:8080".into(),
            Kind::Choice { allowed, planned } => {
                let mut words = format!("one of {}", quoted(allowed));
                if !planned.is_empty() {
                    words += &format!(" ({} is not available in this version)", quoted(planned));
                }
                words
            }
            Kind::Topic => format!("a topic's name: 1 to {TOPIC_BYTES_MAX} of letters, digits, `.`, `_` and `-`"),
            Kind::Topics => "a list of topics' names, none twice, such as [\"views\", \"clicks\"]".into(),
            Kind::Column => {
                format!(
                    "a column's name: letters, digits, `_`, `-` and `$`, at most {IDENTIFIER_BYTES_MAX}, not starting with a digit"
                )
            }
            Kind::ColumnOrNone => format!("{}, or \"\" for none", Kind::Column.allowed()),
            Kind::ColumnValues => "a list of texts, none empty and none twice, such as [\"paid\", \"shipped\"]".into(),
            Kind::Table => "a table's name, with or without its schema, such as orders or shop.orders".into(),
            Kind::Slot => format!("a name: 1 to {IDENTIFIER_BYTES_MAX} of a to z, 0 to 9 and `_`"),
            Kind::System => "a system identifier of PostgreSQL: digits, or \"\" for none".into(),
            Kind::Path { empty: false } => "a path".into(),
            Kind::Path { empty: true } => "a path, or \"\" for none".into(),
            Kind::Key => "32 hexadecimal digits".into(),
            Kind::Filter => "error, warn, info, debug, trace or off, or a filter such as info,sources=debug".into(),
            Kind::Client => "keys of librdkafka".into(),
        }
    }

    /// What is allowed in a few words, where the unit alone does not say it.
    pub(super) fn brief(&self) -> Option<String> {
        match self {
            Kind::Integer { min, max } => Some(format!("{min} to {max}")),
            Kind::Choice { allowed, .. } => Some(quoted(allowed)),
            Kind::Key => Some(self.allowed()),
            _ => None,
        }
    }

    /// The checked value, or `None` if the setting does not take it.
    pub(super) fn check(&self, raw: &Raw) -> Option<Value> {
        match self {
            Kind::Integer { min, max } => {
                let number = u64::try_from(raw.integer()?).ok()?;
                (*min..=*max).contains(&number).then_some(Value::Integer(number))
            }
            Kind::Text => text_if(raw, |text| !text.trim().is_empty()),
            Kind::Brokers => text_if(raw, is_brokers),
            Kind::PostgresUrl => text_if(raw, |text| !text.is_empty() && sources::postgres::Target::of(text).is_ok()),
            Kind::Address => Some(Value::Address(raw.text()?.trim().parse().ok()?)),
            Kind::Choice { allowed, .. } => text_if(raw, |text| allowed.contains(&text)),
            Kind::Topic => text_if(raw, is_topic),
            Kind::Topics => {
                let items = raw.list()?;
                let distinct = items.iter().enumerate().all(|(at, item)| is_topic(item) && !items[..at].contains(item));
                (distinct && !items.is_empty()).then_some(Value::List(items))
            }
            Kind::Column => text_if(raw, is_identifier),
            Kind::ColumnOrNone => text_if(raw, |text| text.is_empty() || is_identifier(text)),
            Kind::ColumnValues => {
                let items = raw.list()?;
                let items = if items == [""] { Vec::new() } else { items };
                let distinct =
                    items.iter().enumerate().all(|(at, item)| !item.is_empty() && !items[..at].contains(item));
                distinct.then_some(Value::List(items))
            }
            Kind::Table => text_if(raw, |text| match text.split_once('.') {
                Some((schema, table)) => is_identifier(schema) && is_identifier(table),
                None => is_identifier(text),
            }),
            Kind::Slot => text_if(raw, is_slot),
            Kind::System => raw.scalar().filter(|text| text.is_empty() || is_system(text)).map(Value::Text),
            Kind::Path { empty } => {
                let text = raw.text()?;
                (*empty || !text.is_empty()).then(|| Value::Path(PathBuf::from(text)))
            }
            Kind::Key => key(raw.text()?).map(Value::Key),
            Kind::Filter => text_if(raw, is_filter),
            Kind::Client => raw.scalar().map(Value::Text),
        }
    }
}

fn text_if(raw: &Raw, allowed: impl Fn(&str) -> bool) -> Option<Value> {
    let text = raw.text()?;
    allowed(text).then(|| Value::Text(text.to_owned()))
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

fn is_brokers(text: &str) -> bool {
    text.split(',').all(|broker| {
        broker.trim().rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    })
}

/// A word alone would name a target, and a misspelt level would be silence.
fn is_filter(text: &str) -> bool {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let is_clear = |part: &str| part.contains(['=', '[']) || is_level(part.trim());
    text.split(',').all(is_clear) && EnvFilter::try_new(text).is_ok()
}

fn is_topic(text: &str) -> bool {
    (1..=TOPIC_BYTES_MAX).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_slot(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=IDENTIFIER_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_system(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

/// Identifiers are quoted wherever they enter SQL; this keeps quotes and blanks out of them as well.
fn is_identifier(text: &str) -> bool {
    (1..=IDENTIFIER_BYTES_MAX).contains(&text.len())
        && !text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && text.chars().all(|letter| letter.is_alphanumeric() || "_-$".contains(letter))
}

fn key(text: &str) -> Option<[u8; 16]> {
    let mut key = [0; 16];
    if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(kind: Kind, text: &str) -> bool {
        kind.check(&Raw::Text(text.into())).is_some()
    }

    #[test]
    fn numbers_keep_their_bounds() {
        let kind = Kind::Integer { min: 1, max: 10 };
        assert_eq!(kind.check(&Raw::Integer(10)), Some(Value::Integer(10)));
        assert_eq!(kind.check(&Raw::Loose("7".into())), Some(Value::Integer(7)));
        for wrong in
            [Raw::Integer(0), Raw::Integer(11), Raw::Integer(-1), Raw::Text("7".into()), Raw::Loose("7x".into())]
        {
            assert_eq!(kind.check(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_system_identifier_is_a_number_however_it_is_written() {
        assert!(takes(Kind::System, "7440123456789012345") && takes(Kind::System, "18446744073709551615"));
        assert!(takes(Kind::System, "") && Kind::System.check(&Raw::Integer(7)).is_some());
        for wrong in ["18446744073709551616", "-7", "+7", "7a", " "] {
            assert!(!takes(Kind::System, wrong), "{wrong:?}");
        }
        assert!(Kind::System.check(&Raw::Integer(-7)).is_none());
    }

    #[test]
    fn identifiers_cannot_carry_sql() {
        assert!(takes(Kind::Table, "orders") && takes(Kind::Table, "shop.orders") && takes(Kind::Column, "größe"));
        for wrong in ["", "a b", "a\"b", "a;b", "a.b.c", "1a", "a'", ".", "a."] {
            assert!(!takes(Kind::Table, wrong), "{wrong:?}");
        }
        assert!(!takes(Kind::Column, "a.b"));
    }

    #[test]
    fn lists_of_topics_are_not_empty_and_without_repeats() {
        let list = |items: &[&str]| Kind::Topics.check(&Raw::List(items.iter().map(|&item| item.into()).collect()));
        assert!(list(&["views", "clicks"]).is_some());
        assert!(list(&[]).is_none() && list(&["views", "views"]).is_none() && list(&["a b"]).is_none());
        assert_eq!(Kind::Topics.check(&Raw::Loose("a, b".into())), Some(Value::List(vec!["a".into(), "b".into()])));
    }

    #[test]
    fn values_of_a_column_are_texts_without_repeats() {
        let list =
            |items: &[&str]| Kind::ColumnValues.check(&Raw::List(items.iter().map(|&item| item.into()).collect()));
        assert!(list(&[]).is_some() && list(&["paid", "in transit"]).is_some());
        assert!(list(&["paid", ""]).is_none() && list(&["paid", "paid"]).is_none());
        assert_eq!(Kind::ColumnValues.check(&Raw::Loose(String::new())), Some(Value::List(Vec::new())));
        assert!(
            takes(Kind::ColumnOrNone, "") && takes(Kind::ColumnOrNone, "state") && !takes(Kind::ColumnOrNone, "a b")
        );
    }

    #[test]
    fn addresses_brokers_keys_and_filters() {
        assert!(
            takes(Kind::Address, "[::1]:0") && !takes(Kind::Address, "localhost") && !takes(Kind::Address, "1.2.3.4")
        );
        assert!(takes(Kind::Brokers, "a:9092,b:9092") && !takes(Kind::Brokers, "a") && !takes(Kind::Brokers, "a:0"));
        assert!(takes(Kind::Key, "00112233445566778899aabbccddeeff") && !takes(Kind::Key, "0011"));
        for filter in ["info", "OFF", "warn,sources=debug", "sources=debug, info", "info,[step]=debug"] {
            assert!(takes(Kind::Filter, filter), "{filter}");
        }
        for wrong in ["", "loud", "wran", "info,sources", "sources=loud", "info,"] {
            assert!(!takes(Kind::Filter, wrong), "{wrong}");
        }
        assert!(takes(Kind::PostgresUrl, "postgresql://a@b/c") && !takes(Kind::PostgresUrl, "mysql://a@b/c"));
    }
}
