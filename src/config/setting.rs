//! What a setting is: its key, kind, unit, default and sentence; and the list of all of them.

use super::kind::{Kind, Value};
use super::raw::Raw;

/// The section whose keys are librdkafka's own.
pub(super) const CLIENT: &str = "kafka.client";

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Full key: `server.listen`.
    pub key: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Unit of the value: `ms`, `bytes`, `rows`; or what it is: `address`, `name`.
    pub unit: &'static str,
    /// Default as TOML source.
    pub default: &'static str,
    /// One sentence for the example file and the documentation.
    pub sentence: &'static str,
    /// Whether the value may also come from a file named by `<key>_file`, and never shows in messages.
    pub secret: bool,
}

impl Setting {
    /// An ordinary setting.
    pub(super) const fn new(
        key: &'static str,
        kind: Kind,
        unit: &'static str,
        default: &'static str,
        sentence: &'static str,
    ) -> Setting {
        Setting { key, kind, unit, default, sentence, secret: false }
    }

    /// A setting that is kept out of messages and may be read from a file of its own.
    pub(super) const fn secret(self) -> Setting {
        Setting { secret: true, ..self }
    }

    /// Whether it stands for a section of free keys, and so has no value of its own.
    pub fn is_free(&self) -> bool {
        matches!(self.kind, Kind::Client)
    }

    /// The default, checked like any value.
    pub(super) fn default_value(&self) -> Value {
        let table: toml::Table = format!("value = {}", self.default).parse().expect("defaults are TOML");
        let raw = match &table["value"] {
            toml::Value::String(text) => Raw::Text(text.clone()),
            toml::Value::Integer(number) => Raw::Integer(*number),
            toml::Value::Array(items) => {
                Raw::List(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            }
            other => unreachable!("defaults are strings, whole numbers or lists of strings, found {other}"),
        };
        self.kind.check(&raw).expect("defaults are allowed values")
    }

    /// The key without its section: `listen`.
    pub fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }
}

/// A `[section]` of the file with its settings.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Name between the brackets: `kafka` or `postgres.tables.orders`.
    pub name: &'static str,
    /// What the section is about.
    pub sentence: &'static str,
    /// Its settings in the order of the example file.
    pub settings: &'static [Setting],
}

/// All sections in the order of the example file.
pub fn sections() -> impl Iterator<Item = &'static Section> {
    [
        &super::server::SECTION,
        &super::dataflow::SECTION,
        &super::rules::SECTION,
        &super::kafka::SECTION,
        &super::client::SECTION,
        &super::postgres::SECTION,
        &super::postgres::PRODUCTS,
        &super::postgres::ORDERS,
        &super::postgres::ORDER_ITEMS,
        &super::files::SECTION,
        &super::checkpoint::SECTION,
        &super::cluster::SECTION,
        &super::sinks::SECTION,
        &super::log::SECTION,
    ]
    .into_iter()
}

/// All settings.
pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    sections().flat_map(|section| section.settings)
}

/// The setting of that full key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

/// Whether `name` is a section, or the beginning of the name of one.
pub(super) fn is_section(name: &str) -> bool {
    sections()
        .any(|section| section.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}
