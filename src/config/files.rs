//! `[files]`: the embedded source, for which no service has to run.

use std::path::PathBuf;

use settings::Kind;

settings::section! {
    /// Files instead of services: views.jsonl, product_catalog.csv and orders.csv are read from a directory and
    /// followed as they grow. Use it instead of [kafka] and [postgres], not beside them.
    pub struct Files in "files" {
        /// Directory with the files; what is written (events, removals, dead letters) goes there too.
        dir: PathBuf = "data", "directory", Kind::Path { empty: false };
    }
}
