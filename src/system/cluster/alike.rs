//! The settings that all processes must share, and the errors of processes that differ.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The settings of a process that concern the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) version: String,
    pub(super) processes: usize,
    pub(super) workers: usize,
    pub(super) id_key: String,
    pub(super) rules: String,
    pub(super) views: Option<String>,
    /// May differ: two machines may know the same brokers by different addresses.
    pub(super) brokers: Option<String>,
    pub(super) checkpoints: bool,
    pub(super) changes: bool,
    /// The copies of lists: each process writes its share of them.
    pub(super) copies: String,
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
        let words = |is_unlike: bool, what: &str| (is_unlike, what.to_owned());
        let settings = [
            numbers("numbers of processes", self.processes, theirs.processes),
            numbers("numbers of workers", self.workers, theirs.workers),
            words(self.id_key != theirs.id_key, "values of `dataflow.id_key`"),
            words(self.rules != theirs.rules, "values in [rules], [models] or [recommendations]"),
            words(self.views != theirs.views, "topics"),
            words(self.checkpoints != theirs.checkpoints, "settings of whether checkpoints are kept"),
            words(self.changes != theirs.changes, "settings of whether changes are written"),
            words(self.copies != theirs.copies, "values in [sinks.kafka] or [sinks.postgres]"),
        ];
        let (_, what) = settings.into_iter().find(|(is_unlike, _)| *is_unlike)?;
        Some(Unlike { what: format!("processes {own} and {other} of the cluster have different {what}"), lasts: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Facts {
        /// The settings of two processes with one worker each.
        pub(in crate::system::cluster) fn of_two() -> Facts {
            Facts {
                version: "1".into(),
                processes: 2,
                workers: 1,
                id_key: "k".into(),
                rules: "r".into(),
                views: None,
                brokers: Some("a:1".into()),
                checkpoints: true,
                changes: false,
                copies: String::new(),
            }
        }
    }

    #[test]
    fn brokers_may_have_other_addresses_and_versions_may_change_but_settings_stay() {
        let ours = Facts::of_two();
        assert_eq!(ours.unlike(&Facts { brokers: Some("b:1".into()), ..ours.clone() }, [0, 1]), None);
        let newer = Facts { version: "2".into(), workers: 9, ..ours.clone() };
        assert!(!ours.unlike(&newer, [0, 1]).unwrap().lasts, "an upgrade that is under way");
        let other = ours.unlike(&Facts { views: Some("v".into()), ..ours.clone() }, [0, 1]).unwrap();
        assert!(other.lasts && other.to_string().ends_with("different topics"), "{other}");
    }
}
