//! The description of a setting: its key, kind, unit, default and sentence; and the section that it belongs to.

use crate::{Kind, Value};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Full key: `server.listen`.
    pub key: &'static str,
    /// The values that it allows.
    pub kind: Kind,
    /// Unit of the value, such as `ms`, `bytes`, `rows`; or its meaning, such as `address`, `name`.
    pub unit: &'static str,
    /// Its value if none is given.
    pub default: fn() -> Value,
    /// One sentence for the example file and the documentation.
    pub sentence: &'static str,
    /// Whether the value may also come from a file named by `<key>_file`, and never shows in messages.
    pub secret: bool,
}

impl Setting {
    /// The value if none is given.
    #[must_use]
    pub fn default(&self) -> Value {
        (self.default)()
    }

    /// Whether it stands for a section of free keys, and so has no value of its own.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self.kind, Kind::Client)
    }

    /// The key without its section: `listen`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }
}

/// A `[section]` of the file with its settings.
#[derive(Debug, Clone)]
pub struct Section {
    /// Name between the brackets: `kafka` or `postgres.tables.orders`.
    pub name: &'static str,
    /// The purpose of the section.
    pub sentence: &'static str,
    /// Its settings in the order of the example file.
    pub settings: Vec<Setting>,
}
