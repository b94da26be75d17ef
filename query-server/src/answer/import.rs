//! The report of an import.

use serde::Serialize;
use store::{BadField, ImportReport};
use utoipa::ToSchema;

/// What became of an import.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportReport)]
pub(crate) struct ReportBody<'a> {
    /// Whether the rows were written: there is no bad line, and it was no dry run.
    written: bool,
    /// Records in the file; a CSV file has one for each line of a purchase.
    rows: u64,
    /// Bad lines in the file, and rows at fault that are not in the file.
    bad: u64,
    /// The fields at fault of the first bad lines, at most 100.
    bad_lines: Vec<BadFieldBody<'a>>,
    /// Columns of the file that are no field.
    ignored_columns: &'a [String],
    /// A value for `after`, with which a request waits until the rows are visible; null if they were not written.
    token: Option<String>,
}

/// A field of a line that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = BadField)]
struct BadFieldBody<'a> {
    /// The line of the file where the record begins, from 1; 0 for a row that is not in the file.
    line: u64,
    /// The column by its name in the file, or the field; empty for the record as a whole.
    column: &'a str,
    /// The start of the value.
    value: &'a str,
    /// What the value must be.
    reason: &'a str,
}

impl<'a> ReportBody<'a> {
    /// The report, with a token for rows that were written.
    pub(crate) fn new(report: &'a ImportReport, token: Option<String>) -> Self {
        let body = |BadField { line, column, value, reason }: &'a BadField| BadFieldBody {
            line: *line,
            column,
            value,
            reason,
        };
        ReportBody {
            written: report.written,
            rows: report.rows,
            bad: report.bad,
            bad_lines: report.bad_lines.iter().map(body).collect(),
            ignored_columns: &report.ignored_columns,
            token,
        }
    }
}
