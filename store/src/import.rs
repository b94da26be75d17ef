//! Import: the rows of a file into the store, in one transaction.
//!
//! ```text
//! CSV or JSON lines ─▶ records with line numbers ─▶ rows within bounds ─▶ upserts in one transaction ─▶ commit
//!                                  └─ bad lines ─▶ report                                           └▶ or nothing
//! ```
//! A file with a bad line is not imported: the report names the first bad lines and counts all of them. Memory does not
//! depend on the length of the file.

mod columns;
mod record;
mod report;

use std::io::BufRead;

use crate::kind::Kind;
use crate::bounds::Bounds;

pub(crate) use record::{FileRows, ImportLine};
pub use report::{BadField, ImportReport};

/// What an import does with rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// Rows of the file replace rows with the same id.
    Upsert,
    /// As upsert, and rows of the kind that the file does not have are deleted.
    Replace,
    /// A row that is there already is a bad line.
    Insert,
}

/// How a file holds its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Records separated by commas, semicolons or tabs, with the names of the columns in the first one.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A request to import a file.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The kind of the rows.
    pub kind: Kind,
    /// What happens to rows that are there.
    pub mode: ImportMode,
    /// How the file holds its rows.
    pub format: FileFormat,
    /// Columns of the file by another name, each with the field that it is.
    pub map: Vec<(String, String)>,
    /// Set to write nothing.
    pub dry_run: bool,
    /// The bounds of the rows.
    pub bounds: Bounds,
}

impl ImportRequest {
    /// The rows of a file.
    pub(crate) fn rows<R: BufRead>(&self, file: R) -> FileRows<R> {
        FileRows::new(self, file)
    }
}
