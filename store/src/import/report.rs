//! The report of an import.

use serde::Serialize;

use crate::error::Fault;

/// Fields at fault that are named; all bad lines are counted.
const BAD_LINES_MAX: usize = 100;

/// The longest value that is shown, in characters.
const VALUE_CHARACTERS_MAX: usize = 80;

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Whether the rows were written: there is no bad line, and it was no dry run.
    pub written: bool,
    /// Records in the file, good and bad ones; a CSV file has one for each line of a purchase.
    pub rows: u64,
    /// Bad lines in the file, and rows at fault that are not in the file.
    pub bad: u64,
    /// How many of the bad ones are rows of the store that are not in the file.
    #[serde(skip)]
    pub bad_outside: u64,
    /// The fields at fault of the first bad lines, at most 100.
    pub bad_lines: Vec<BadField>,
    /// Columns of the file that no field has.
    pub ignored_columns: Vec<String>,
    /// The number of the last change, if the rows were written.
    #[serde(skip)]
    pub change: i64,
}

impl ImportReport {
    /// What is wrong with the file, in one sentence: the number of bad lines, and the first of them. Values are in the report only.
    #[must_use]
    pub fn faults_in_words(&self) -> String {
        let lines = self.bad.saturating_sub(self.bad_outside);
        let mut words = Vec::new();
        // Without a row the header is at fault, or the file as a whole.
        if lines > 0 && self.rows > 0 {
            words.push(format!("{lines} of {} lines are bad", self.rows));
        }
        match self.bad_outside {
            0 => {}
            1 => words.push("1 row of the store is at fault".to_owned()),
            count => words.push(format!("{count} rows of the store are at fault")),
        }
        if let Some(BadField { line, column, reason, .. }) = self.bad_lines.first() {
            let place = if *line == 0 { String::new() } else { format!("line {line}: ") };
            let column = if column.is_empty() { String::new() } else { format!("`{column}` ") };
            words.push(format!("{place}{column}{reason}"));
        }
        words.join("; ")
    }
}

/// A field of a line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadField {
    /// The line of the file where the record begins, from 1; 0 for a row that is not in the file.
    pub line: u64,
    /// The column by its name in the file, or the field; empty for the record as a whole.
    pub column: String,
    /// The start of the value.
    pub value: String,
    /// What the value must be.
    pub reason: String,
}

/// Gathers a report.
#[derive(Debug, Default)]
pub(super) struct ReportBuilder {
    pub(super) report: ImportReport,
    /// The line that was counted last.
    counted: u64,
}

impl ReportBuilder {
    /// Counts a bad line, once for all its faults, or a row that has no line, and names the faults of the first lines, in the
    /// order of lines. Rows without a line come last. `place` gives the column of a field and its value.
    pub(super) fn bad(&mut self, line: u64, faults: &[Fault], place: impl Fn(&str) -> (String, String)) {
        if self.report.bad == 0 || line == 0 || self.counted != line {
            self.report.bad += 1;
            self.report.bad_outside += u64::from(line == 0);
            self.counted = line;
        }
        let named = &mut self.report.bad_lines;
        let place_of = |line: u64| if line == 0 { u64::MAX } else { line };
        for Fault { field, reason } in faults {
            // A home may find the faults of a line when later ones are read.
            let at = named.partition_point(|before| place_of(before.line) <= place_of(line));
            if at < BAD_LINES_MAX {
                let (column, value) = place(field);
                let value = value.chars().take(VALUE_CHARACTERS_MAX).collect();
                named.insert(at, BadField { line, column, value, reason: reason.clone() });
                named.truncate(BAD_LINES_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_of_the_first_lines_are_named_in_whatever_order_they_are_found() {
        let mut builder = ReportBuilder::default();
        let lines = (2..149).rev().step_by(2).chain([0]).chain((3..150).step_by(2));
        for line in lines {
            let faults = [Fault::new("a", "is wrong"), Fault::new("b", "is wrong")];
            builder.bad(line, &faults, |field| (field.to_owned(), String::new()));
        }
        let named: Vec<(u64, &str)> =
            builder.report.bad_lines.iter().map(|bad| (bad.line, bad.column.as_str())).collect();
        let expected: Vec<(u64, &str)> = (2..52).flat_map(|line| [(line, "a"), (line, "b")]).collect();
        assert_eq!((named, builder.report.bad, builder.report.bad_outside), (expected, 149, 1));
    }
}
