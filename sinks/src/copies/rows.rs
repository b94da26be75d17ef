//! The rows of a list in a copy, and their digest, by which a copy is compared.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// A row of a list. Its place is its position in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct CopiedRow {
    /// The product; of a feature by category the category, and of a feature of the user nothing.
    pub product: Arc<str>,
    /// The number that belongs to the row, if there is one: buyers, a time in milliseconds since the epoch, a weight, or
    /// the value of a feature. It is finite.
    pub value: Option<f64>,
}

/// Tells the rows of two lists apart, within one process. Two lists share it with a probability of 5e-20.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

/// The digest of rows that come one after the other.
#[derive(Default)]
pub struct RowDigest(DefaultHasher);

impl RowDigest {
    /// Adds the next row.
    pub fn row(&mut self, product: &str, value: Option<f64>) {
        self.0.write_usize(product.len());
        self.0.write(product.as_bytes());
        self.0.write_u8(value.is_some().into());
        self.0.write_u64(value.unwrap_or_default().to_bits());
    }

    /// The digest of the rows so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(self.0.finish())
    }
}

/// The digest of a list.
#[must_use]
pub fn digest(rows: &[CopiedRow]) -> Digest {
    let mut digest = RowDigest::default();
    rows.iter().for_each(|row| digest.row(&row.product, row.value));
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_rows_have_another_digest() {
        let row = |product: &str, value| CopiedRow { product: product.into(), value };
        let lists = [
            vec![],
            vec![row("a", None)],
            vec![row("a", Some(0.0))],
            vec![row("a", Some(1.0))],
            vec![row("a", None), row("b", None)],
            vec![row("b", None), row("a", None)],
            vec![row("ab", None)],
        ];
        for (at, list) in lists.iter().enumerate() {
            assert_eq!(lists.iter().position(|other| digest(other) == digest(list)), Some(at));
        }
    }
}
