//! Import: the rows of a file into the store, in one transaction.
//!
//! ```text
//! gzip, zstd ─▶ CSV or JSON lines ─▶ records with line numbers ─▶ rows within bounds ─▶ one transaction ─▶ commit
//!                                        └─ bad lines ─▶ report                                       └▶ or nothing
//! ```
//! A file with a bad line is not imported: the report names the first bad fields and counts all bad lines. Memory does not
//! depend on the length of the file. A home takes the rows from [`FileRows`] and does with each what its [`Role`] says, in a thread
//! of its own, while the next rows are read.

mod columns;
mod content;
mod encoding;
mod file_rows;
mod json_lines;
mod recent_rows;
mod record_reader;
mod report;
mod spool;
mod table;
mod write_behind;

use std::io::{BufRead, Result};

use crate::bounds::Bounds;
use crate::error::Fault;
use crate::settings::Settings;

pub use content::FileContent;
pub use encoding::Encoding;
pub(crate) use file_rows::{FileRows, ImportRow, Role};
pub use report::{BadField, ImportReport};
pub use spool::{Spool, SpoolError};
pub(crate) use write_behind::{RefusedRow, unreadable, write_behind};

/// What an import does with rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// Rows of the file replace rows with the same id. A field that has no column in the file keeps its value.
    Upsert,
    /// As upsert, and rows that the file does not have are deleted.
    Replace,
    /// A row that is there already is a bad line.
    Insert,
}

impl ImportMode {
    /// Every mode.
    pub const ALL: [ImportMode; 3] = [ImportMode::Upsert, ImportMode::Replace, ImportMode::Insert];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ImportMode::Upsert => "upsert",
            ImportMode::Replace => "replace",
            ImportMode::Insert => "insert",
        }
    }
}

/// The fault of a record with a line of a purchase that an earlier record of the file gives another user.
pub(crate) fn fault_of_user() -> Fault {
    Fault::new("purchase_id", "is the purchase of another user in an earlier record")
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
    /// What the file holds.
    pub content: FileContent,
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
    /// Reads the head of a file; its rows follow.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn rows<'f>(&'f self, file: &'f mut dyn BufRead, settings: &Settings) -> Result<FileRows<'f>> {
        FileRows::open(self, file, settings)
    }
}
