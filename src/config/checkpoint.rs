//! `[checkpoint]`: what a restart goes on from.

use std::path::PathBuf;

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "checkpoint",
    sentence: "Checkpoints, from which a restart goes on. Without this section everything is read again at every start.",
    settings: &[
        Setting::new(
            "checkpoint.dir",
            Kind::Path { empty: false },
            "directory",
            "\"checkpoints\"",
            "Directory for checkpoints, made if need be; the processes of a cluster share it.",
        ),
        Setting::new(
            "checkpoint.every_s",
            Kind::Integer { min: 1, max: 86_400 },
            "s",
            "60",
            "Time from one checkpoint to the next; after a crash the sources are read again from the last one on.",
        ),
        Setting::new(
            "checkpoint.keep",
            Kind::Integer { min: 1, max: 1000 },
            "checkpoints",
            "2",
            "Checkpoints that stay; from 2 on also one with other files than those, should these be damaged.",
        ),
        Setting::new(
            "checkpoint.journal_max",
            Kind::Integer { min: 1000, max: 1_000_000_000 },
            "updates",
            "2000000",
            "Updates a worker notes between two checkpoints, about 50 bytes each; half of them bring the next one early, more than all make it hold everything.",
        ),
    ],
};

/// `[checkpoint]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Checkpoint {
    pub dir: PathBuf,
    pub every_s: u64,
    pub keep: usize,
    pub journal_max: usize,
}

impl Checkpoint {
    pub(super) fn read(values: &Values) -> Checkpoint {
        Checkpoint {
            dir: values.path("checkpoint.dir").expect("the kind does not allow an empty path"),
            every_s: values.integer("checkpoint.every_s"),
            keep: values.size("checkpoint.keep"),
            journal_max: values.size("checkpoint.journal_max"),
        }
    }
}
