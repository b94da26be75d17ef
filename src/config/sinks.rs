//! `[sinks]`: files that are written besides answers.

use std::path::PathBuf;

use settings::Kind;

settings::section! {
    /// What is written besides answers.
    pub struct Sinks in "sinks" {
        /// File to which every list's changes are appended as JSON lines with their tick; empty writes none.
        changes: Option<PathBuf> = "", "file", Kind::Path { empty: true };
    }
}
