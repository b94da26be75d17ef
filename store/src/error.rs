//! Why a read or a write of the store failed. Texts hold no values of rows and no paths of files.

use serde::Serialize;
use thiserror::Error;

/// The most fields at fault that are named of several rows.
pub const FAULTS_MAX: usize = 100;

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The field, such as `price` or `lines[2].quantity`; empty for the row as a whole.
    pub field: String,
    /// What the field must be.
    pub reason: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Fault {
        Fault { field: field.into(), reason: reason.into() }
    }
}

/// Why a row is not written as asked. The rows are as before.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A row with this id is there already.
    #[error("a row with this id is there already")]
    Present,
    /// There is no row with this id.
    #[error("there is no row with this id")]
    Absent,
    /// The purchase has no such line.
    #[error("the purchase has no line with this number")]
    NoLine,
    /// The row is not the one that `If-Match` names.
    #[error("the row has changed since it was read")]
    Changed,
    /// The row would be wrong.
    #[error("the row would not be valid")]
    Invalid(Vec<Fault>),
    /// The category would be its own ancestor, or lie below a category that is.
    #[error("the category or one of its ancestors would be its own ancestor")]
    Cycle,
    /// The category, or one below it, would have too many ancestors.
    #[error("the category or one below it would have more than {0} ancestors")]
    TooDeep(usize),
    /// The category has subcategories or products.
    #[error("the category has subcategories or products; move or delete them first")]
    InUse,
    /// Someone has added a constraint to the tables, such as a unique index, and the row would break it.
    #[error("the database does not take the row: {0}")]
    Constraint(String),
}

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The write at `index` is refused, and nothing was written.
    #[error("write {index}: {refusal}")]
    Refused {
        /// The write's index in the request, from 0.
        index: usize,
        /// Why it is refused.
        refusal: Refusal,
    },
    /// Several writes are refused because their rows would be wrong, and nothing was written: the index of each in the
    /// request, from 0, with its fields at fault. The list ends when [`FAULTS_MAX`] fields are named.
    #[error("{} rows would not be valid", .0.len())]
    Invalid(Vec<(usize, Vec<Fault>)>),
    /// The key that makes a request repeatable was used for another request within the last day.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The tables are not Vitrine's to read or to write. Nothing was written.
    #[error("{0}")]
    Elsewhere(String),
    /// Too many requests wait for the store. Nothing was written.
    #[error("too many requests wait for the store")]
    Busy,
    /// The file of an import cannot be read. Nothing was written.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// The store does not work now. Nothing was written.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The connection was lost while the writes became durable: all of them are done, or none.
    #[error("the store did not say whether the writes were done: {0}")]
    Unsure(String),
}
