//! The settings that all processes must share, and the errors of processes that differ.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::SharedSettings;

/// The keys that an error names.
const KEYS_MAX: usize = 5;

/// The settings of a process that concern the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) version: String,
    pub(super) processes: usize,
    pub(super) workers: usize,
    pub(super) id_key: String,
    pub(super) settings: SharedSettings,
}

/// Two processes with the same key that cannot work together: this start cannot succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub(super) struct Unlike {
    what: String,
    /// Whether the error is permanent, until a setting changes.
    pub(super) lasts: bool,
}

impl Unlike {
    /// Process 0 has been restarted meanwhile.
    pub(super) fn of_other_start([own, other]: [usize; 2]) -> Unlike {
        Unlike { what: format!("processes {own} and {other} of the cluster are of different starts"), lasts: false }
    }

    /// The token that process 0 left beside its checkpoints is not in the directory of process `own`.
    pub(super) fn of_other_directory(own: usize, dir: &Path) -> Unlike {
        let what = format!(
            "process {own} of the cluster does not find in {} the token that process 0 created in its directory of \
             checkpoints: `checkpoint.dir` must be one directory that all processes share",
            dir.display()
        );
        Unlike { what, lasts: true }
    }
}

impl Facts {
    /// The difference that keeps two processes with these numbers from working together; the second one has the
    /// settings `theirs`.
    pub(super) fn unlike(&self, theirs: &Facts, [own, other]: [usize; 2]) -> Option<Unlike> {
        if self.version != theirs.version {
            let (ours, theirs) = (&self.version, &theirs.version);
            // This is temporary: programs are replaced one after another.
            let what =
                format!("processes {own} and {other} of the cluster are of different versions: {ours} and {theirs}");
            return Some(Unlike { what, lasts: false });
        }
        let numbers = |what: &str, ours: usize, theirs: usize| (ours != theirs, format!("{what}: {ours} and {theirs}"));
        let unlike = self.settings.unlike(&theirs.settings);
        let facts = [
            numbers("numbers of processes", self.processes, theirs.processes),
            numbers("numbers of workers", self.workers, theirs.workers),
            (self.id_key != theirs.id_key, "values of `dataflow.id_key`".to_owned()),
            (!unlike.is_empty(), format!("settings: {}", named(&unlike))),
        ];
        let (_, what) = facts.into_iter().find(|(is_unlike, _)| *is_unlike)?;
        Some(Unlike { what: format!("processes {own} and {other} of the cluster have different {what}"), lasts: true })
    }
}

/// Keys in words; of many, the first.
fn named(keys: &[&str]) -> String {
    let shown: Vec<String> = keys.iter().take(KEYS_MAX).map(|key| format!("`{key}`")).collect();
    match keys.len().saturating_sub(KEYS_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Request};

    impl Facts {
        /// The settings of two processes with one worker each.
        pub(in crate::system::cluster) fn of_two() -> Facts {
            Facts {
                version: "1".into(),
                processes: 2,
                workers: 1,
                id_key: "k".into(),
                settings: SharedSettings::default(),
            }
        }
    }

    #[test]
    fn versions_may_change_but_settings_stay() {
        let ours = Facts::of_two();
        assert_eq!(ours.unlike(&ours.clone(), [0, 1]), None);
        let newer = Facts { version: "2".into(), workers: 9, ..ours.clone() };
        assert!(!ours.unlike(&newer, [0, 1]).unwrap().lasts, "an upgrade that is under way");
        let settings = Config::load(&Request::default()).expect("all settings have defaults").shared;
        let other = ours.unlike(&Facts { settings, ..ours.clone() }, [0, 1]).unwrap();
        assert!(other.lasts, "{other}");
        let what = other.to_string();
        assert!(what.contains("different settings: `[checkpoint]`, ") && what.ends_with(" more"), "{what}");
    }

    #[test]
    fn all_of_a_few_keys_are_named() {
        assert_eq!(named(&["a.b"]), "`a.b`");
        assert_eq!(named(&["a", "b", "c", "d", "e", "f"]), "`a`, `b`, `c`, `d`, `e` and 1 more");
    }
}
