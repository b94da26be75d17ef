//! Checked values by key, read by the sections: every setting has one, given or default.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use settings::{FromValue as _, Secret, Setting, Value};

use super::layers::{GivenValue, Layers};
use super::problem::Problem;
use super::raw::Raw;
use super::{client, kind, setting};

/// Largest file that holds one secret.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// Checked values by full key.
#[derive(Debug)]
pub(super) struct CheckedValues {
    values: BTreeMap<String, Value>,
    sections: BTreeSet<String>,
}

impl CheckedValues {
    /// Checks what was given against each setting's kind and adds the defaults.
    pub(super) fn check(layers: &Layers, problems: &mut Vec<Problem>) -> CheckedValues {
        let mut values = BTreeMap::new();
        for setting in setting::settings().filter(|setting| !setting.is_free()) {
            let value = match layers.found.get(setting.key) {
                Some(found) => checked(setting.key, setting, found, problems),
                None => Some(setting.default()),
            };
            values.extend(value.map(|value| (setting.key.to_owned(), value)));
        }
        for (key, found) in layers.found.range(format!("{}.", client::CLIENT)..) {
            let Some(_) = key.strip_prefix(client::CLIENT).filter(|rest| rest.starts_with('.')) else { break };
            values.extend(checked(key, &client::KEYS, found, problems).map(|value| (key.clone(), value)));
        }
        CheckedValues { values, sections: layers.sections.clone() }
    }

    /// Whether anything of the section was given.
    pub(super) fn has_section(&self, name: &str) -> bool {
        self.sections.contains(name)
    }

    /// The value of a setting, for the sections to read.
    pub(super) fn given(&self, setting: &Setting) -> Value {
        self.values.get(setting.key).expect("each setting of the sections has a value").clone()
    }

    /// The free keys of `[kafka.client]`.
    pub(super) fn client(&self) -> BTreeMap<String, Secret> {
        let prefix = format!("{}.", client::CLIENT);
        let inside = self.values.range(prefix.clone()..);
        let inside = inside.map_while(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value)));
        inside.map(|(key, value)| (key, Secret::from_value(value))).collect()
    }
}

fn checked(key: &str, setting: &Setting, found: &GivenValue, problems: &mut Vec<Problem>) -> Option<Value> {
    let origin = found.origin.clone();
    let raw = match found.indirect {
        true => match secret(found) {
            Ok(text) => Raw::Loose(text),
            Err((path, reason)) => {
                problems.push(Problem::SecretFile { origin, key: format!("{key}_file"), path, reason });
                return None;
            }
        },
        false => found.raw.clone(),
    };
    let value = kind::check(&setting.kind, &raw);
    if value.is_none() {
        let found = if setting.secret { "not usable (the value is hidden)".to_owned() } else { raw.describe() };
        problems.push(Problem::Value { origin, key: key.to_owned(), found, allowed: setting.kind.allowed() });
    }
    value
}

/// The content of a secret's file, without the line end that editors add.
fn secret(found: &GivenValue) -> Result<String, (PathBuf, String)> {
    let path = PathBuf::from(found.raw.text().unwrap_or_default());
    match std::fs::read_to_string(&path) {
        Ok(text) if text.len() <= SECRET_BYTES_MAX => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Ok(_) => Err((path, format!("it is larger than {SECRET_BYTES_MAX} bytes"))),
        Err(error) => Err((path, error.to_string())),
    }
}
