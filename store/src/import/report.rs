//! The report of an import.

use serde::Serialize;

use crate::error::Fault;

/// Bad lines that are named; all are counted.
const BAD_LINES_MAX: usize = 100;

/// The longest value that is shown, in characters.
const VALUE_CHARACTERS_MAX: usize = 80;

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Whether the rows were written: there is no bad line, and it was no dry run.
    pub written: bool,
    /// Rows in the file; purchases count once for each line.
    pub rows: u64,
    /// Bad lines in the file.
    pub bad: u64,
    /// The first bad lines.
    pub bad_lines: Vec<BadField>,
    /// Columns of the file that no field has.
    pub ignored_columns: Vec<String>,
    /// The number of the last change, if the rows were written.
    #[serde(skip)]
    pub change: i64,
}

/// A field of a line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadField {
    /// The line of the file where the record begins, from 1.
    pub line: u64,
    /// The column or field; empty for the record as a whole.
    pub column: String,
    /// The start of the value.
    pub value: String,
    /// What the value must be.
    pub reason: String,
}

/// Gathers a report.
#[derive(Debug, Default)]
pub(crate) struct ReportBuilder {
    pub(crate) report: ImportReport,
}

impl ReportBuilder {
    /// Counts a bad line, and names its faults while there are few.
    pub(crate) fn bad(&mut self, line: u64, faults: &[Fault], value_of: impl Fn(&str) -> String) {
        self.report.bad += 1;
        for Fault { field, reason } in faults {
            if self.report.bad_lines.len() < BAD_LINES_MAX {
                let value = value_of(field).chars().take(VALUE_CHARACTERS_MAX).collect();
                self.report.bad_lines.push(BadField { line, column: field.clone(), value, reason: reason.clone() });
            }
        }
    }
}
