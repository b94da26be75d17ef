//! A problem of the tables or the server, with its solution.

use std::fmt;

use crate::postgres::names::SourceTable;

/// A problem that prevents the tables from being read or followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The problem.
    pub problem: String,
    /// The SQL or the setting that solves it.
    pub mend: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; to mend it: {}", self.problem, self.mend)
    }
}

/// The problems of each table.
pub(crate) type TableDiagnostics = Vec<(SourceTable, Diagnostic)>;
