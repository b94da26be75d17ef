//! `[sinks]`: files that are written besides answers.

use std::path::PathBuf;

use settings::Kind;

settings::section! {
    /// Files that Vitrine writes besides its log and checkpoints.
    pub struct Sinks in "sinks" {
        /// File to which every change of a list is appended as a JSON line with its tick. "": no file.
        changes: Option<PathBuf> = "", "file", Kind::Path { empty: true };
    }
}
