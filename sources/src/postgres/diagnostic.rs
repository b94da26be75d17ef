//! What is wrong with the tables, in words a person can act on.

use std::fmt;

use crate::postgres::names::SourceTable;

/// Something about the tables that keeps them from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub problem: String,
    /// The SQL or the setting that mends it.
    pub mend: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; to mend it: {}", self.problem, self.mend)
    }
}

/// What keeps tables from being read or followed.
pub(crate) type TableDiagnostics = Vec<(SourceTable, Diagnostic)>;
