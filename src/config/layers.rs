//! All layers laid over each other: for each key the value of the highest layer that gives it, and where.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Origin, Problem};
use super::raw::{KeyValue, Raw};
use super::{Request, client, environment, file, nearest, setting};

/// Ending of a key that names a file which holds the value.
const FILE_ENDING: &str = "_file";

/// A value as it was given, and its origin.
#[derive(Debug, Clone)]
pub(super) struct GivenValue {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
    /// Whether the value is the path of a file that holds the value itself.
    pub(super) indirect: bool,
}

/// What was given, by full key; keys of `[kafka.client]` stand as `kafka.client.<key>`.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) found: BTreeMap<String, GivenValue>,
    pub(super) sections: BTreeSet<String>,
}

/// Gathers the file, the environment and the flags.
pub(super) fn gather(request: &Request, problems: &mut Vec<Problem>) -> Layers {
    let mut layers = Layers::default();
    if let Some(path) = &request.file {
        let given = file::read(path, &request.environment, &mut layers.sections, problems);
        layers.lay(given, problems);
    }
    layers.lay(environment::read(&request.environment), problems);
    problems.extend(environment::mistaken(&request.environment));
    // Each flag is a layer of its own: if two flags give the same setting, the last flag applies.
    for flag in &request.flags {
        let (key, raw, origin) = (flag.key.clone(), Raw::Loose(flag.value.clone()), Origin::Flag(flag.name.clone()));
        layers.lay(vec![KeyValue { key, raw, origin }], problems);
    }
    layers
}

impl Layers {
    /// Where a key was given; the default if nowhere.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.found.get(key).map_or(Origin::Default, |found| found.origin.clone())
    }

    /// The place of any key of a section, for messages on the section as a whole.
    pub(super) fn origin_of_section(&self, section: &str) -> Origin {
        let inside = |key: &str| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        let found = self.found.iter().find(|(key, _)| inside(key));
        found.map_or(Origin::Default, |(_, found)| found.origin.clone())
    }

    fn lay(&mut self, layer: Vec<KeyValue>, problems: &mut Vec<Problem>) {
        let mut seen = BTreeSet::new();
        for KeyValue { key, raw, origin } in layer {
            let Some((key, indirect)) = known(&key) else {
                problems.push(Problem::Unknown { nearest: nearest::setting(&key), what: "setting", key, origin });
                continue;
            };
            if !seen.insert(key.clone()) {
                problems.push(Problem::Twice { origin, key });
                continue;
            }
            if let Some((section, _)) = key.split_once('.') {
                self.sections.insert(section.to_owned());
            }
            self.found.insert(key, GivenValue { raw, origin, indirect });
        }
    }
}

/// The setting's key and whether the given one was its `_file` form.
fn known(key: &str) -> Option<(String, bool)> {
    if setting::find(key).is_some_and(|setting| !setting.is_free()) {
        return Some((key.to_owned(), false));
    }
    let direct = key.strip_suffix(FILE_ENDING);
    if let Some(direct) = direct.filter(|direct| setting::find(direct).is_some_and(|setting| setting.secret)) {
        return Some((direct.to_owned(), true));
    }
    let name = key.strip_prefix(client::CLIENT)?.strip_prefix('.').filter(|name| !name.is_empty())?;
    // librdkafka has keys of its own that end in "location"; none ends in "_file".
    let (name, indirect) = name.strip_suffix(FILE_ENDING).map_or((name, false), |name| (name, true));
    Some((format!("{}.{name}", client::CLIENT), indirect))
}
