//! The value of a record: a list with its time, as JSON.

use std::borrow::Cow;

use dataflow::time::Time;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::copies::destination::ListChange;
use crate::copies::rows::{Digest, RowDigest};

/// The largest number up to which every whole number is one of 64 bits with a fraction.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[derive(Serialize)]
struct Written<'a> {
    list: &'a str,
    as_of: Time,
    rows: Vec<WrittenRow<'a>>,
}

#[derive(Serialize)]
struct WrittenRow<'a> {
    product: &'a str,
    #[serde(serialize_with = "number")]
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    list: Cow<'a, str>,
    #[serde(borrow)]
    rows: Vec<ReadRow<'a>>,
}

#[derive(Deserialize)]
struct ReadRow<'a> {
    #[serde(borrow)]
    product: Cow<'a, str>,
    /// As text: the library would read it less exactly than it was written.
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Writes whole numbers without a fraction.
fn number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) if value.fract() == 0.0 && value.abs() < WHOLE_MAX => serializer.serialize_i64(*value as i64),
        Some(value) => serializer.serialize_f64(*value),
        None => serializer.serialize_none(),
    }
}

/// The value of a list's record.
pub(super) fn text(list: &str, change: &ListChange) -> Vec<u8> {
    let rows = change.rows.iter().map(|row| WrittenRow { product: &row.product, value: row.value }).collect();
    serde_json::to_vec(&Written { list, as_of: change.as_of, rows }).expect("texts and numbers always serialise")
}

/// The digest of the rows in a record's value; none if it is not the value of this list.
pub(super) fn digest(list: &str, value: &[u8]) -> Option<Digest> {
    let read: Read<'_> = serde_json::from_slice(value).ok()?;
    let mut digest = RowDigest::default();
    for row in &read.rows {
        let value = row.value.map(|text| text.get().parse::<f64>()).transpose().ok()?;
        digest.row(&row.product, value);
    }
    (read.list == list).then(|| digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copies::list_name::ListName;
    use crate::copies::rows::{self, CopiedRow};

    fn change(rows: Vec<CopiedRow>) -> ListChange {
        ListChange { name: ListName::BestSellers, rows, as_of: 7 }
    }

    #[test]
    fn a_list_is_read_back_exactly() {
        let values = [None, Some(0.0), Some(3.0), Some(16.0 / 3.0), Some(0.1 + 0.2), Some(1.795_999e12)];
        let rows: Vec<CopiedRow> =
            values.iter().map(|value| CopiedRow { product: "a\"\u{e9}\u{1f600}".into(), value: *value }).collect();
        let text = text("bestsellers", &change(rows.clone()));
        assert_eq!(digest("bestsellers", &text), Some(rows::digest(&rows)));
        assert_eq!(digest("category/a", &text), None, "the record of another list");
    }

    #[test]
    fn whole_numbers_have_no_fraction_and_other_values_are_no_lists() {
        let row = |value| CopiedRow { product: "p".into(), value };
        let text = text("bestsellers", &change(vec![row(Some(12.0)), row(None)]));
        let expected =
            r#"{"list":"bestsellers","as_of":7,"rows":[{"product":"p","value":12},{"product":"p","value":null}]}"#;
        assert_eq!(String::from_utf8_lossy(&text), expected);
        for other in ["", "{}", r#"{"list":"bestsellers","rows":[{"product":"p","value":"x"}]}"#, "\u{0}"] {
            assert_eq!(digest("bestsellers", other.as_bytes()), None, "{other}");
        }
    }
}
