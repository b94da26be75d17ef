//! `[sinks]`: what is written besides answers.

use std::path::PathBuf;

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "sinks",
    sentence: "What is written besides answers.",
    settings: &[Setting::new(
        "sinks.changes",
        Kind::Path { empty: true },
        "file",
        "\"\"",
        "File to which every list's changes are appended as JSON lines with their tick; empty writes none.",
    )],
};

/// `[sinks]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sinks {
    /// File for every list's changes, if they are wanted.
    pub changes: Option<PathBuf>,
}

impl Sinks {
    pub(super) fn read(values: &Values) -> Sinks {
        Sinks { changes: values.path("sinks.changes") }
    }
}
