//! The rows of a list's answer, and of the list that a client has.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::SentRows;
use super::difference::difference;

/// What an answer with a list holds, as far as it is followed.
#[derive(Debug, Deserialize)]
struct Listed<'t> {
    /// The rows: ids, or objects with an id.
    #[serde(borrow)]
    products: Vec<&'t RawValue>,
    #[serde(rename = "type")]
    kind: &'t str,
    as_of: &'t str,
}

/// A list that a client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentList {
    /// The rows as JSON.
    rows: Vec<Box<str>>,
    kind: Box<str>,
    as_of: Box<str>,
    digest: String,
}

impl<'t> Listed<'t> {
    fn of(text: &'t [u8]) -> Listed<'t> {
        serde_json::from_slice(text).expect("an answer with a list has its rows, its type and its time")
    }

    fn to_sent(&self) -> SentList {
        let mut digest = Sha256::new();
        digest.update(self.kind);
        for row in &self.products {
            // No JSON holds this byte.
            digest.update([0]);
            digest.update(row.get());
        }
        SentList {
            rows: self.products.iter().map(|row| row.get().into()).collect(),
            kind: self.kind.into(),
            as_of: self.as_of.into(),
            digest: short(&digest.finalize()),
        }
    }
}

/// The first eight bytes of a digest as text.
pub(super) fn short(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl SentList {
    /// Whether the list has these rows.
    fn is(&self, list: &Listed<'_>) -> bool {
        *self.kind == *list.kind
            && self.rows.len() == list.products.len()
            && self.rows.iter().zip(&list.products).all(|(row, other)| **row == *other.get())
    }
}

impl SentRows for SentList {
    fn of(text: &[u8]) -> Self {
        Listed::of(text).to_sent()
    }

    fn as_of(&self) -> &str {
        &self.as_of
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn advance(&mut self, text: &[u8]) -> Option<String> {
        let list = Listed::of(text);
        if self.is(&list) {
            return None;
        }
        let before = std::mem::replace(self, list.to_sent());
        let found = difference(&before.rows, &self.rows);
        let removed: Vec<&str> = found.removed.iter().map(|at| &*before.rows[*at]).collect();
        let placed: Vec<String> =
            found.placed.iter().map(|at| format!("{{\"at\":{at},\"product\":{}}}", self.rows[*at])).collect();
        Some(format!(
            "{{\"as_of\":\"{}\",\"type\":\"{}\",\"removed\":[{}],\"placed\":[{}]}}",
            self.as_of,
            self.kind,
            removed.join(","),
            placed.join(",")
        ))
    }
}
