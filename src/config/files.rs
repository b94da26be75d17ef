//! `[files]`: the embedded source, for which no service has to run.

use std::path::PathBuf;

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "files",
    sentence: "Files instead of services: views.jsonl, product_catalog.csv and orders.csv are read from a directory and followed \
               as they grow. Use it instead of [kafka] and [postgres], not beside them.",
    settings: &[Setting::new(
        "files.dir",
        Kind::Path { empty: false },
        "directory",
        "\"data\"",
        "Directory with the files; what is written (events, removals, dead letters) goes there too.",
    )],
};

/// `[files]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Directory with the files, read and written.
    pub dir: PathBuf,
}

impl Files {
    pub(super) fn read(values: &Values) -> Files {
        Files { dir: values.path("files.dir").expect("the kind does not allow an empty path") }
    }
}
