//! What the shop says about one product, and why a reading of all of them may fail.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What the shop says about a product. Texts are empty if it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// The product's id.
    pub product: String,
    /// Its name.
    pub name: String,
    /// A longer text.
    pub description: String,
    /// Its category.
    pub category: String,
    /// Its attributes, as one text or JSON.
    pub attributes: String,
    /// Its embedding, if it has one.
    pub embedding: Option<Result<Vec<f32>, NotNumbers>>,
}

/// A text is no list of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("its embedding is no list of numbers such as [0.1, -0.2]")]
pub struct NotNumbers;

/// The columns of a table of products, beside those of its id and category. `None`: the table has no such column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescriptionColumns {
    /// The name.
    pub name: Option<String>,
    /// The longer text.
    pub description: Option<String>,
    /// The attributes.
    pub attributes: Option<String>,
    /// The embedding.
    pub embedding: Option<String>,
}

/// A reading that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing has changed since the last whole reading, and nothing was read.
    Unchanged,
    /// All products were seen.
    Whole {
        /// The columns that the table does not have.
        missing: Vec<String>,
    },
    /// The caller ended the reading.
    Ended,
}

/// Descriptions cannot be read now.
#[derive(Debug, Error)]
pub enum DescriptionsError {
    /// The file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file does not say which product a line is about.
    #[error("the first line of {} lacks the column {column}", path.display())]
    NoProductColumn {
        /// The file.
        path: PathBuf,
        /// The name of the column.
        column: &'static str,
    },
    /// The database cannot be read.
    #[error("PostgreSQL at {place}: {reason}")]
    Postgres {
        /// Host, port and database.
        place: String,
        /// The problem.
        reason: String,
    },
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(String),
}

/// The numbers of a text such as `[0.1, -0.2]` or `{0.1,-0.2}`; none if it is empty.
pub(crate) fn numbers(text: &str) -> Option<Result<Vec<f32>, NotNumbers>> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let inner = [('[', ']'), ('{', '}'), ('(', ')')].iter().find_map(|(open, close)| {
        let inner = text.strip_prefix(*open)?.strip_suffix(*close)?;
        Some(inner.trim())
    });
    let inner = inner.unwrap_or(text);
    if inner.is_empty() {
        return Some(Ok(Vec::new()));
    }
    let numbers = inner.split(',').map(|number| number.trim().parse::<f32>());
    Some(numbers.collect::<Result<_, _>>().map_err(|_| NotNumbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_of_databases_and_files_are_read() {
        for text in ["[1, -0.5,2e-3]", "{1,-0.5,0.002}", " 1, -0.5, 2e-3 ", "( 1 ,-0.5,0.002 )"] {
            assert_eq!(numbers(text), Some(Ok(vec![1.0, -0.5, 0.002])), "{text}");
        }
        assert_eq!((numbers(""), numbers(" "), numbers("[]")), (None, None, Some(Ok(vec![]))));
        for wrong in ["[1, NULL]", "[1", "red", "[[1],[2]]", "[1;2]", "[1,]"] {
            assert_eq!(numbers(wrong), Some(Err(NotNumbers)), "{wrong}");
        }
        assert!(numbers("[NaN]").unwrap().unwrap()[0].is_nan(), "whether numbers are finite is seen by who uses them");
    }
}
