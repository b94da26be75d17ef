//! Checked values by key, read by the sections: every setting has one, given or default.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::kind::Value;
use super::layers::{Found, Layers};
use super::problem::Problem;
use super::raw::Raw;
use super::setting::{self, Setting};

/// Largest file that holds one secret.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// Checked values by full key.
#[derive(Debug)]
pub(super) struct Values {
    values: BTreeMap<String, Value>,
    sections: BTreeSet<String>,
}

impl Values {
    /// Checks what was given against each setting's kind and adds the defaults.
    pub(super) fn check(layers: &Layers, problems: &mut Vec<Problem>) -> Values {
        let mut values = BTreeMap::new();
        for setting in setting::settings().filter(|setting| !setting.is_free()) {
            let value = match layers.found.get(setting.key) {
                Some(found) => checked(setting.key, setting, found, problems),
                None => Some(setting.default_value()),
            };
            values.extend(value.map(|value| (setting.key.to_owned(), value)));
        }
        let client = setting::find(setting::CLIENT).expect("the client's section is registered");
        for (key, found) in layers.found.range(format!("{}.", setting::CLIENT)..) {
            let Some(_) = key.strip_prefix(setting::CLIENT).filter(|rest| rest.starts_with('.')) else { break };
            values.extend(checked(key, client, found, problems).map(|value| (key.clone(), value)));
        }
        Values { values, sections: layers.sections.clone() }
    }

    /// Whether anything of the section was given.
    pub(super) fn has_section(&self, name: &str) -> bool {
        self.sections.contains(name)
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &str) -> u64 {
        match self.value(key) {
            Value::Integer(number) => *number,
            other => unreachable!("{key} is registered as a number, found {other:?}"),
        }
    }

    /// A whole number that counts things in memory.
    pub(super) fn size(&self, key: &str) -> usize {
        usize::try_from(self.integer(key)).expect("the bounds of sizes fit the machine's word")
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> String {
        match self.value(key) {
            Value::Text(text) => text.clone(),
            other => unreachable!("{key} is registered as a text, found {other:?}"),
        }
    }

    /// A list of texts.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Value::List(items) => items.clone(),
            other => unreachable!("{key} is registered as a list, found {other:?}"),
        }
    }

    /// An address to listen on.
    pub(super) fn address(&self, key: &str) -> SocketAddr {
        match self.value(key) {
            Value::Address(address) => *address,
            other => unreachable!("{key} is registered as an address, found {other:?}"),
        }
    }

    /// A path; `None` if it is empty.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        match self.value(key) {
            Value::Path(path) => (!path.as_os_str().is_empty()).then(|| path.clone()),
            other => unreachable!("{key} is registered as a path, found {other:?}"),
        }
    }

    /// Sixteen bytes.
    pub(super) fn key(&self, key: &str) -> [u8; 16] {
        match self.value(key) {
            Value::Key(bytes) => *bytes,
            other => unreachable!("{key} is registered as a key, found {other:?}"),
        }
    }

    /// The free keys of `[kafka.client]`.
    pub(super) fn client(&self) -> BTreeMap<String, String> {
        let prefix = format!("{}.", setting::CLIENT);
        let inside =
            self.values.range(prefix.clone()..).map_while(|(key, value)| Some((key.strip_prefix(&prefix)?, value)));
        inside
            .map(|(key, value)| match value {
                Value::Text(text) => (key.to_owned(), text.clone()),
                other => unreachable!("values of {prefix} are texts, found {other:?}"),
            })
            .collect()
    }

    fn value(&self, key: &str) -> &Value {
        self.values.get(key).expect("a section reads registered keys only, and each has a value")
    }
}

fn checked(key: &str, setting: &Setting, found: &Found, problems: &mut Vec<Problem>) -> Option<Value> {
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
    let value = setting.kind.check(&raw);
    if value.is_none() {
        let found = if setting.secret { "not usable (the value is hidden)".to_owned() } else { raw.describe() };
        problems.push(Problem::Value { origin, key: key.to_owned(), found, allowed: setting.kind.allowed() });
    }
    value
}

/// The content of the file a secret lies in, without the line end editors add.
fn secret(found: &Found) -> Result<String, (PathBuf, String)> {
    let path = PathBuf::from(found.raw.text().unwrap_or_default());
    match std::fs::read_to_string(&path) {
        Ok(text) if text.len() <= SECRET_BYTES_MAX => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Ok(_) => Err((path, format!("it is larger than {SECRET_BYTES_MAX} bytes"))),
        Err(error) => Err((path, error.to_string())),
    }
}
