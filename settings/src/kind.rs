//! The values that a setting allows.

/// The values that a setting allows.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number within bounds, both included.
    Integer {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
    },
    /// A text that passes a check.
    Text {
        /// The allowed values, in words.
        allowed: &'static str,
        /// The check.
        takes: fn(&str) -> bool,
    },
    /// As [`Kind::Text`]; the file may also hold it as a number.
    Scalar {
        /// The allowed values, in words.
        allowed: &'static str,
        /// The check.
        takes: fn(&str) -> bool,
    },
    /// A list of distinct texts that passes a check. A list with one empty text counts as empty.
    List {
        /// The allowed values, in words.
        allowed: &'static str,
        /// The check.
        takes: fn(&[String]) -> bool,
    },
    /// An address to listen on: IP and port.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A path, which may be empty if the setting allows it.
    Path {
        /// Whether an empty path is allowed and means "none".
        empty: bool,
    },
    /// Sixteen bytes as 32 hexadecimal digits.
    Key,
    /// A section of free keys, handed to librdkafka.
    Client,
}

/// A whole number from `min` to `max`, both included.
#[must_use]
pub const fn whole(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

impl Kind {
    /// The allowed values, in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Text { allowed, .. } | Kind::Scalar { allowed, .. } | Kind::List { allowed, .. } => {
                (*allowed).to_owned()
            }
            Kind::Address => "an IP address and a port, such as 127.0.0.1:8080 or [::]:8080".into(),
            Kind::Choice(words) => format!("one of {}", quoted(words)),
            Kind::Path { empty: false } => "a path".into(),
            Kind::Path { empty: true } => "a path, or \"\" for none".into(),
            Kind::Key => "32 hexadecimal digits".into(),
            Kind::Client => "keys of librdkafka".into(),
        }
    }

    /// The allowed values in a few words, if the unit alone does not tell them.
    #[must_use]
    pub fn brief(&self) -> Option<String> {
        match self {
            Kind::Integer { min, max } => Some(format!("{min} to {max}")),
            Kind::Choice(words) => Some(quoted(words)),
            Kind::Key => Some(self.allowed()),
            _ => None,
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}
