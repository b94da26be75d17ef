//! The settings that all processes of a cluster must share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use settings::{Kind, Setting, Value};
use sha2::{Digest, Sha256};

use super::values::CheckedValues;

/// Settings of one process. Two machines may know the same brokers by different addresses.
const OF_A_PROCESS: &[&str] = &["cluster.process", "kafka.brokers", "server.threads"];

/// Sections of one process.
const SECTIONS_OF_A_PROCESS: &[&str] = &["log."];

/// The sections that change something by being there at all.
const OPTIONAL_SECTIONS: &[&str] = &["kafka", "postgres", "files", "store", "checkpoint"];

/// The values that must be the same in all processes: a digest of each by its key.
///
/// Addresses to listen on are those of a process. Paths, secrets and the settings of clients may differ from machine to machine; of
/// paths and secrets it must be the same whether there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedSettings(BTreeMap<String, u64>);

impl SharedSettings {
    pub(super) fn of(values: &CheckedValues) -> SharedSettings {
        let sections = OPTIONAL_SECTIONS.iter().map(|name| (format!("[{name}]"), values.has_section(name).to_string()));
        let settings = super::setting::settings().filter(|setting| !setting.is_free());
        let settings =
            settings.filter_map(|setting| Some((setting.key.to_owned(), shared(setting, &values.given(setting))?)));
        SharedSettings(sections.chain(settings).map(|(key, value)| (key, digest(&value))).collect())
    }

    /// The keys of the values that differ.
    pub(crate) fn unlike<'a>(&'a self, theirs: &'a SharedSettings) -> Vec<&'a str> {
        let keys = self.0.keys().chain(theirs.0.keys().filter(|key| !self.0.contains_key(*key)));
        keys.filter(|key| self.0.get(*key) != theirs.0.get(*key)).map(String::as_str).collect()
    }
}

/// What must be the same of a value.
fn shared(setting: &Setting, value: &Value) -> Option<String> {
    let is_of_a_process = matches!(setting.kind, Kind::Address)
        || OF_A_PROCESS.contains(&setting.key)
        || SECTIONS_OF_A_PROCESS.iter().any(|section| setting.key.starts_with(section));
    if is_of_a_process {
        return None;
    }
    let is_of_the_machine = setting.secret || matches!(setting.kind, Kind::Path { .. });
    Some(if is_of_the_machine { value.text().is_empty().to_string() } else { value.to_string() })
}

fn digest(value: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Sha256::digest(value).0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flag, Request};
    use super::*;

    fn shared(flags: &[(&str, &str)]) -> SharedSettings {
        let flag =
            |(key, value): &(&str, &str)| Flag { name: "--set".into(), key: (*key).into(), value: (*value).into() };
        let request = Request { flags: flags.iter().map(flag).collect(), ..Request::default() };
        Config::load(&request).expect("sound settings").shared
    }

    #[test]
    fn what_changes_an_answer_must_be_the_same() {
        let ours = shared(&[("kafka.views", "views")]);
        for (key, value) in [
            ("features.enabled", "on"),
            ("models.co_views.enabled", "on"),
            ("recommendations.test.name", "warm"),
            ("dataflow.tick_ms", "2"),
            ("archive.to", "s3://bucket"),
            ("sinks.audit", "audit.jsonl"),
            ("kafka.views", "clicks"),
        ] {
            assert_eq!(ours.unlike(&shared(&[("kafka.views", "views"), (key, value)])), [key]);
        }
        let with_database = shared(&[("kafka.views", "views"), ("postgres.mode", "refresh")]);
        assert_eq!(ours.unlike(&with_database), ["[postgres]", "postgres.mode"]);
    }

    #[test]
    fn what_belongs_to_a_machine_may_differ() {
        let [ours, theirs] = ["1", "2"].map(|machine| {
            shared(&[
                ("kafka.brokers", &format!("broker-{machine}:9092")),
                ("postgres.url", &format!("postgresql://machine-{machine}/shop")),
                ("server.listen", &format!("127.0.0.1:808{machine}")),
                ("server.threads", machine),
                ("sinks.audit", &format!("{machine}/audit.jsonl")),
                ("log.level", if machine == "1" { "info" } else { "debug" }),
            ])
        });
        assert_eq!(ours.unlike(&theirs), [""; 0]);
    }
}
