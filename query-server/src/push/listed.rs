//! The rows of a list's answer, and of the list that a client has.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// What an answer with a list holds, as far as it is followed.
#[derive(Debug, Deserialize)]
pub(super) struct Listed<'t> {
    /// The rows: ids, or objects with an id.
    #[serde(borrow)]
    pub(super) products: Vec<&'t RawValue>,
    #[serde(rename = "type")]
    pub(super) kind: &'t str,
    pub(super) as_of: &'t str,
}

/// A list that a client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentList {
    /// The rows as JSON.
    pub(super) rows: Vec<Box<str>>,
    kind: Box<str>,
    digest: String,
}

impl<'t> Listed<'t> {
    /// The list of an answer of this server.
    pub(super) fn of(text: &'t [u8]) -> Listed<'t> {
        serde_json::from_slice(text).expect("an answer with a list has its rows, its type and its time")
    }

    pub(super) fn to_sent(&self) -> SentList {
        let mut digest = Sha256::new();
        digest.update(self.kind);
        for row in &self.products {
            // No JSON holds this byte.
            digest.update([0]);
            digest.update(row.get());
        }
        let digest = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        SentList { rows: self.products.iter().map(|row| row.get().into()).collect(), kind: self.kind.into(), digest }
    }
}

impl SentList {
    /// Whether the list has these rows.
    pub(super) fn is(&self, list: &Listed<'_>) -> bool {
        *self.kind == *list.kind
            && self.rows.len() == list.products.len()
            && self.rows.iter().zip(&list.products).all(|(row, other)| **row == *other.get())
    }

    /// Tells lists with other rows apart, in every process.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}
