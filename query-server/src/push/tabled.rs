//! The rows of an answer with features, one for each user, and what is remembered of those that a client has.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::SentRows;
use super::listed::short;

/// What an answer with features holds.
#[derive(Debug, Deserialize)]
struct Tabled<'t> {
    /// An object for each user, always in the same order.
    #[serde(borrow)]
    rows: Vec<&'t RawValue>,
    as_of: &'t str,
}

/// The features that a client has. A row may be long, so its digest stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentTable {
    rows: Vec<[u8; 32]>,
    as_of: Box<str>,
    digest: String,
}

impl<'t> Tabled<'t> {
    fn of(text: &'t [u8]) -> Tabled<'t> {
        serde_json::from_slice(text).expect("an answer with features has its rows and its time")
    }

    fn to_sent(&self) -> SentTable {
        let rows: Vec<[u8; 32]> = self.rows.iter().map(|row| Sha256::digest(row.get()).into()).collect();
        let digest = short(&Sha256::digest(rows.concat()));
        SentTable { rows, as_of: self.as_of.into(), digest }
    }
}

impl SentRows for SentTable {
    fn of(text: &[u8]) -> Self {
        Tabled::of(text).to_sent()
    }

    fn as_of(&self) -> &str {
        &self.as_of
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    /// The rows that have changed.
    fn advance(&mut self, text: &[u8]) -> Option<String> {
        let table = Tabled::of(text);
        let now = table.to_sent();
        let pairs = table.rows.iter().zip(now.rows.iter().zip(&self.rows));
        let changed: Vec<&str> =
            pairs.filter(|(_, (digest, before))| digest != before).map(|(row, _)| row.get()).collect();
        let change = format!("{{\"as_of\":\"{}\",\"rows\":[{}]}}", now.as_of, changed.join(","));
        let is_same = changed.is_empty();
        if !is_same {
            *self = now;
        }
        (!is_same).then_some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rows_that_changed_are_sent() {
        let table = |ada: u32, ben: u32, at: &str| {
            format!(
                r#"{{"rows":[{{"user-id":"ada","views":{ada}}},{{"user-id":"ben","views":{ben}}}],"as_of":"{at}"}}"#
            )
        };
        let mut sent = SentTable::of(table(1, 1, "T1").as_bytes());
        let first = sent.clone();
        assert_eq!(sent.advance(table(1, 1, "T2").as_bytes()), None);
        assert_eq!(sent, first, "an event that is not sent leaves the id as it is");
        let change = sent.advance(table(1, 2, "T3").as_bytes());
        assert_eq!(change.as_deref(), Some(r#"{"as_of":"T3","rows":[{"user-id":"ben","views":2}]}"#));
        assert_ne!(sent.digest(), first.digest());
        assert!(sent.advance(table(1, 1, "T4").as_bytes()).is_some());
        assert_eq!(sent.digest(), first.digest(), "the same rows have the same digest");
    }
}
