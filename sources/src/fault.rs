//! Faults of a table's row, in a database or in a file: definite errors, whose texts hold nothing of the row.

use dataflow::dictionary::{Collision, Dictionary};
use dataflow::ids::{CategoryKey, ID_BYTES_MAX};
use events::Refusal;
use thiserror::Error;

/// Why a row is refused. Columns are named as the table names them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault<'a> {
    #[error("`{column}` is missing")]
    Missing { column: &'a str },
    #[error("`{column}` is empty")]
    Empty { column: &'a str },
    #[error("`{column}` has {bytes} bytes, an id has at most {ID_BYTES_MAX}")]
    TooLong { column: &'a str, bytes: usize },
    #[error("`{column}` is not UTF-8")]
    NotUtf8 { column: &'a str },
    #[error("`{column}` is not a list of at most 64 ids")]
    NotAList { column: &'a str },
    #[error("`{column}` is neither a number nor RFC 3339")]
    UnreadableTime { column: &'a str },
    #[error("`{column}` is neither true nor false")]
    NoTruth { column: &'a str },
    #[error("`{column}` is out of bounds")]
    TimeOutOfBounds { column: &'a str },
    #[error("the row is longer than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("a quote is opened and not closed")]
    OpenQuote,
    #[error("the server cannot read the row: {words}")]
    Unreadable { words: String },
    #[error("{0}")]
    Collision(Collision),
}

impl Fault<'_> {
    /// A stable name of the kind of fault, fit for a metric label; the same as for an event with that fault.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Fault::Missing { .. } => "missing_field",
            Fault::Empty { .. } => "empty_id",
            Fault::TooLong { .. } => "id_too_long",
            Fault::NotUtf8 { .. } => "not_utf8",
            Fault::NotAList { .. } => "not_a_list",
            Fault::UnreadableTime { .. } => "unreadable_time",
            Fault::NoTruth { .. } => "wrong_type",
            Fault::TimeOutOfBounds { .. } => "time_out_of_bounds",
            Fault::TooLarge { .. } => "too_large",
            Fault::OpenQuote => "open_quote",
            Fault::Unreadable { .. } => "unreadable_row",
            Fault::Collision(_) => "id_collision",
        }
    }
}

impl From<Collision> for Fault<'_> {
    fn from(collision: Collision) -> Self {
        Fault::Collision(collision)
    }
}

impl From<Fault<'_>> for Refusal {
    fn from(fault: Fault<'_>) -> Self {
        Refusal { reason: fault.reason(), detail: fault.to_string() }
    }
}

/// An id as it may enter the dictionary.
pub(crate) fn id<'a, 'c>(text: Option<&'a str>, column: &'c str) -> Result<&'a str, Fault<'c>> {
    let id = text.ok_or(Fault::Missing { column })?;
    match id.len() {
        0 => Err(Fault::Empty { column }),
        bytes if bytes > ID_BYTES_MAX => Err(Fault::TooLong { column, bytes }),
        _ => Ok(id),
    }
}

/// The category in a row of the catalogue, which need not have one.
pub(crate) fn category_key<'c>(
    text: Option<&str>,
    column: &'c str,
    dictionary: &Dictionary,
) -> Result<CategoryKey, Fault<'c>> {
    match text {
        None => Ok(CategoryKey::NONE),
        Some(category) => Ok(dictionary.category(id(Some(category), column)?)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_1_to_256_bytes() {
        let longest = "x".repeat(ID_BYTES_MAX);
        assert_eq!(id(Some(&longest), "user_id"), Ok(longest.as_str()));
        let longer = "x".repeat(ID_BYTES_MAX + 1);
        assert_eq!(id(Some(&longer), "user_id").unwrap_err().reason(), "id_too_long");
        assert_eq!(id(Some(""), "user_id"), Err(Fault::Empty { column: "user_id" }));
        assert_eq!(id(None, "user_id"), Err(Fault::Missing { column: "user_id" }));
    }
}
