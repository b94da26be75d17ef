//! `[files]`: the embedded source, for which no service has to run.

use std::path::PathBuf;

use settings::Kind;

settings::section! {
    /// Files instead of services: views.jsonl, product_catalog.csv and orders.csv are read from a directory and
    /// followed as they grow. Use this section instead of [kafka] and [postgres], not together with them.
    pub struct Files in "files" {
        /// Directory with the files. Vitrine writes events, removals and dead letters there too.
        dir: PathBuf = "data", "directory", Kind::Path { empty: false };
    }
}
