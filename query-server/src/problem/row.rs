//! Errors of the shop's rows: products, categories, users and purchases.

use store::{FAULTS_MAX, Fault, ImportReport, Refusal, StoreError};

use super::Problem;

/// A field at fault.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RowFault {
    /// The index of its row in a batch, from 0.
    pub(crate) index: Option<usize>,
    pub(crate) fault: Fault,
}

/// Why a row was not read or written. Texts hold no ids.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowProblem {
    #[error(
        "this shop keeps its rows elsewhere, and Vitrine holds only what the lists need of them: read and write them there, \
         or let Vitrine keep them ([store])"
    )]
    Off,
    #[error("{0}")]
    Elsewhere(String),
    #[error("there is no such {0}")]
    Absent(&'static str),
    #[error("the {0} is there already")]
    Present(&'static str),
    #[error("the row has changed: its tag is not the one in if-match")]
    Changed,
    #[error("the row is there already, and if-none-match: * only adds rows")]
    NotNew,
    #[error("the row exists: send its tag in if-match to change it")]
    TagNeeded,
    #[error("{}", in_words(faults))]
    Invalid { faults: Vec<RowFault> },
    #[error("{reason}")]
    Conflict { index: Option<usize>, reason: String },
    #[error("the idempotency key was used for another request within the last day")]
    KeyReused,
    #[error("nothing was written: {}", of_report(.0.as_deref()))]
    BadFile(Option<Box<ImportReport>>),
    #[error("nothing was written: the file cannot be read: {0}")]
    UnreadableFile(String),
    #[error("nothing was written: {0}")]
    Unavailable(String),
    #[error("the rows cannot be read now: {0}")]
    Unread(String),
    #[error("the erasure is durable, but purchases of the user are left; the same request again deletes them: {0}")]
    PurchasesLeft(String),
    #[error("either the whole request was written or none of it: {0}")]
    Unsure(String),
}

impl RowProblem {
    /// Status, stable name and title.
    pub(crate) fn kind(&self) -> (u16, &'static str, &'static str) {
        match self {
            RowProblem::Off => (409, "store-off", "Rows are kept elsewhere"),
            RowProblem::Elsewhere(_) => (409, "rows-elsewhere", "Rows are kept elsewhere"),
            RowProblem::Absent(_) => (404, "unknown-row", "Unknown row"),
            RowProblem::Present(_) => (409, "row-exists", "Row exists"),
            RowProblem::Changed => (412, "row-changed", "Row has changed"),
            RowProblem::NotNew => (412, "row-not-new", "Row is not new"),
            RowProblem::TagNeeded => (428, "tag-needed", "Tag needed"),
            RowProblem::Invalid { .. } => (422, "invalid-row", "Invalid row"),
            RowProblem::Conflict { .. } => (409, "row-conflict", "Conflict with other rows"),
            RowProblem::KeyReused => (422, "idempotency-key-reused", "Idempotency key reused"),
            RowProblem::BadFile(_) => (422, "bad-lines", "Bad lines in the file"),
            RowProblem::UnreadableFile(_) => (422, "unreadable-file", "Unreadable file"),
            RowProblem::Unavailable(_)
            | RowProblem::Unread(_)
            | RowProblem::PurchasesLeft(_)
            | RowProblem::Unsure(_) => (503, "store-unavailable", "The store is not available"),
        }
    }

    /// The problem of rows that would be wrong, each with its index in a batch. Of a batch only the first fields are named.
    pub(crate) fn invalid(rows: impl IntoIterator<Item = (Option<usize>, Vec<Fault>)>) -> RowProblem {
        let of_row = |(index, faults): (Option<usize>, Vec<Fault>)| {
            faults.into_iter().map(move |fault| RowFault { index, fault })
        };
        let mut faults: Vec<RowFault> = rows.into_iter().flat_map(of_row).collect();
        if faults.iter().any(|fault| fault.index.is_some()) {
            faults.truncate(FAULTS_MAX);
        }
        RowProblem::Invalid { faults }
    }

    /// The first row at fault among those of a batch, and the fields at fault.
    pub(crate) fn places(&self) -> (Option<usize>, &[RowFault]) {
        match self {
            RowProblem::Invalid { faults } => (faults.first().and_then(|fault| fault.index), faults),
            RowProblem::Conflict { index, .. } => (*index, &[]),
            _ => (None, &[]),
        }
    }

    /// The problem of a failed reading of rows of this name.
    pub(crate) fn of_reading(error: StoreError, singular: &'static str) -> Problem {
        match error {
            StoreError::Unavailable(reason) => Problem::Row(RowProblem::Unread(reason)),
            other => RowProblem::of(other, singular, false),
        }
    }

    /// The problem of a failed writing of rows of this name. Only a batch names rows by their index.
    pub(crate) fn of(error: StoreError, singular: &'static str, is_batch: bool) -> Problem {
        Problem::Row(match error {
            StoreError::Refused { index, refusal } => RowProblem::refused(is_batch.then_some(index), refusal, singular),
            StoreError::Invalid(rows) => {
                RowProblem::invalid(rows.into_iter().map(|(index, faults)| (Some(index), faults)))
            }
            StoreError::KeyReused => RowProblem::KeyReused,
            StoreError::Busy => return Problem::Busy("requests for the store"),
            StoreError::Unreadable(reason) => RowProblem::UnreadableFile(reason),
            StoreError::Elsewhere(reason) => RowProblem::Elsewhere(reason),
            StoreError::Unavailable(reason) => RowProblem::Unavailable(reason),
            StoreError::Unsure(reason) => RowProblem::Unsure(reason),
        })
    }

    fn refused(index: Option<usize>, refusal: Refusal, singular: &'static str) -> RowProblem {
        match refusal {
            Refusal::Present => RowProblem::Present(singular),
            Refusal::Absent => RowProblem::Absent(singular),
            Refusal::NoLine => RowProblem::Absent("line of this purchase"),
            Refusal::Changed => RowProblem::Changed,
            Refusal::Invalid(faults) => RowProblem::invalid([(index, faults)]),
            Refusal::Cycle | Refusal::TooDeep(_) | Refusal::InUse | Refusal::Constraint(_) => {
                RowProblem::Conflict { index, reason: refusal.to_string() }
            }
        }
    }
}

/// The bad lines of a file in one sentence.
fn of_report(report: Option<&ImportReport>) -> String {
    report.map_or_else(|| "lines of the file are bad".to_owned(), ImportReport::faults_in_words)
}

/// The first faults in one sentence.
fn in_words(faults: &[RowFault]) -> String {
    const NAMED_MAX: usize = 5;
    let words = |RowFault { index, fault: Fault { field, reason } }: &RowFault| match (index, field.as_str()) {
        (None, "") => format!("the row {reason}"),
        (None, field) => format!("`{field}` {reason}"),
        (Some(index), "") => format!("the row with index {index} {reason}"),
        (Some(index), field) => format!("`{field}` of the row with index {index} {reason}"),
    };
    let mut text = faults.iter().take(NAMED_MAX).map(words).collect::<Vec<_>>().join("; ");
    if faults.len() > NAMED_MAX {
        text.push_str("; and more");
    }
    text
}

/// Errors of reading rows. These lists are for the documentation.
pub(crate) const OF_ROWS: &[Problem] = &[
    Problem::Row(RowProblem::Off),
    Problem::Row(RowProblem::Elsewhere(String::new())),
    Problem::Row(RowProblem::Unavailable(String::new())),
];

/// Errors of a row named in the path.
pub(crate) const OF_ONE_ROW: &[Problem] = &[Problem::Row(RowProblem::Absent(""))];

/// Errors of writing rows.
pub(crate) const OF_ROW_WRITES: &[Problem] = &[
    Problem::Row(RowProblem::Conflict { index: None, reason: String::new() }),
    Problem::Row(RowProblem::Changed),
    Problem::Row(RowProblem::Invalid { faults: Vec::new() }),
    Problem::WriteTimeout,
];

/// Errors of changes of a row that is there.
pub(crate) const OF_ROW_CHANGES: &[Problem] = &[Problem::Row(RowProblem::TagNeeded)];

/// Errors of PUT.
pub(crate) const OF_ROW_PUTS: &[Problem] = &[Problem::Row(RowProblem::NotNew)];

/// Errors of POST.
pub(crate) const OF_ROW_POSTS: &[Problem] =
    &[Problem::Row(RowProblem::Present("")), Problem::Row(RowProblem::KeyReused)];

/// Errors of imports.
pub(crate) const OF_IMPORTS: &[Problem] = &[
    Problem::Row(RowProblem::BadFile(None)),
    Problem::Row(RowProblem::UnreadableFile(String::new())),
    Problem::Row(RowProblem::Conflict { index: None, reason: String::new() }),
    Problem::Busy("imports and exports"),
];

/// Errors of exports.
pub(crate) const OF_EXPORTS: &[Problem] = &[Problem::Busy("imports and exports")];
