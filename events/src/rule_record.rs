//! Merchandising rules as records of a compacted topic, which another program of the shop writes.
//!
//! ```text
//! key: advent   value: {"rule":"pin","product":"product-7","list":"bestsellers","position":1,"until":"2026-12-25T00:00:00Z"}
//! ```
//! The value is the body of `PUT /v1/rules/{rule}`; a record without one deletes the rule. The rule has the id `topic.advent`,
//! so that it is no rule of the API. Of several versions, the one whose record has the later time counts.

use std::convert::Infallible;

use dataflow::dictionary::KeyCache;
use dataflow::merchandising::{RuleFault, RuleId, RuleText};
use dataflow::source_status::SourceStatus;
use dataflow::time::Millis;
use serde::Deserialize;

use crate::{
    DeadLetter, EventChanges, PAYLOAD_BYTES_MAX, RawRecord, RecordTime, Refusal, RuleChange, TimeBounds, time_from_text,
};

/// Why a record is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum RuleRecordFault {
    #[error("the key is no id of a rule: 1 to 26 letters, digits, dots, underscores or hyphens")]
    Key,
    #[error("the record has no time, or one too far ahead of the present")]
    Time,
    #[error("the value is above the limit of {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the value is no JSON object with the fields of a rule, each of its type: line {line}, column {column}")]
    Value { line: usize, column: usize },
    #[error("`{0}` must be a time such as 2026-11-27T00:00:00Z")]
    Edge(&'static str),
    #[error("{0}")]
    Rule(RuleFault<Infallible>),
}

impl From<RuleRecordFault> for Refusal {
    fn from(fault: RuleRecordFault) -> Self {
        Refusal { reason: "invalid_rule", detail: fault.to_string() }
    }
}

/// The value of a record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleValue {
    rule: String,
    product: Option<String>,
    category: Option<String>,
    list: Option<String>,
    position: Option<u64>,
    n: Option<u64>,
    from: Option<String>,
    until: Option<String>,
    set: Option<String>,
}

impl EventChanges {
    /// The change that a record of the topic of rules makes. An empty payload stands for a record without a value.
    ///
    /// # Errors
    /// The dead letter of a record that is no rule, or of which an id has the key of another id; it is counted by its reason.
    pub fn of_rule_record(
        record: &RawRecord<'_>,
        key: Option<&[u8]>,
        bounds: &TimeBounds,
        keys: &mut KeyCache,
        status: &SourceStatus,
    ) -> Result<EventChanges, Box<DeadLetter>> {
        let refused = |letter: DeadLetter| {
            status.rejected(letter.reason);
            Box::new(letter)
        };
        let (change, at) = read(record, key, bounds).map_err(|fault| refused(record.refuse(fault)))?;
        let version = change.version(at, keys).map_err(|collision| refused(record.refuse(collision)))?;
        Ok(EventChanges::of_rule(change.id, version))
    }
}

/// The rule of a record, and its time.
fn read(
    record: &RawRecord<'_>,
    key: Option<&[u8]>,
    bounds: &TimeBounds,
) -> Result<(RuleChange, Millis), RuleRecordFault> {
    let key = key.and_then(|key| std::str::from_utf8(key).ok()).and_then(RuleId::of_topic);
    let id = key.ok_or(RuleRecordFault::Key)?;
    let latest = bounds.now.saturating_add(bounds.future_max);
    let at = record.time.map(RecordTime::at).filter(|at| *at <= latest).ok_or(RuleRecordFault::Time)?;
    let text = (!record.payload.is_empty()).then(|| rule_text(record.payload)).transpose()?;
    Ok((RuleChange { id, text }, at))
}

fn rule_text(value: &[u8]) -> Result<RuleText, RuleRecordFault> {
    if value.len() > PAYLOAD_BYTES_MAX {
        return Err(RuleRecordFault::TooLarge);
    }
    // An array would be read as the fields in their order.
    if value.trim_ascii_start().first() != Some(&b'{') {
        return Err(RuleRecordFault::Value { line: 1, column: 1 });
    }
    let value: RuleValue = serde_json::from_slice(value)
        .map_err(|error| RuleRecordFault::Value { line: error.line(), column: error.column() })?;
    let edge = |text: Option<String>, field| {
        text.map(|text| time_from_text(&text).map_err(|_| RuleRecordFault::Edge(field))).transpose()
    };
    let RuleValue { rule, product, category, list, position, n, from, until, set } = value;
    let (from, until) = (edge(from, "from")?, edge(until, "until")?);
    let text = RuleText { rule, product, category, list, position, n, from, until, set };
    let keyed = text.keyed::<Infallible>(|_| Ok(Default::default()), |_| Ok(Default::default()));
    keyed.map(|_| text).map_err(RuleRecordFault::Rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Millis = 1_731_000_000_120;

    fn record(payload: &[u8]) -> RawRecord<'_> {
        RawRecord { stream: "rules", partition: 0, offset: 7, time: Some(AT.into()), payload }
    }

    #[test]
    fn the_key_names_the_rule_and_the_value_is_as_over_http() {
        let value =
            br#"{"rule":"pin","product":"tea","list":"category:leaves","position":3,"until":"2026-12-25T00:00:00Z"}"#;
        let bounds = TimeBounds::around(AT);
        let (change, at) = read(&record(value), Some(b"advent"), &bounds).expect("a rule");
        assert_eq!((change.id.text(), at), ("topic.advent", AT));
        let text = change.text.expect("it is not deleted");
        assert_eq!(
            (text.list.as_deref(), text.position, text.until),
            (Some("category:leaves"), Some(3), Some(1_798_156_800_000))
        );
        let (deleted, _) = read(&record(b""), Some(b"advent"), &bounds).expect("a deletion");
        assert_eq!((deleted.id.text(), deleted.text), ("topic.advent", None));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_reason() {
        let hide = br#"{"rule":"hide","product":"tea"}"#.as_slice();
        let (bounds, key) = (TimeBounds::around(AT), Some(b"advent".as_slice()));
        for (value, key, fault) in [
            (hide, None, RuleRecordFault::Key),
            (hide, Some(b"a b".as_slice()), RuleRecordFault::Key),
            (hide, Some([b'x'; 27].as_slice()), RuleRecordFault::Key),
            (b"[]".as_slice(), key, RuleRecordFault::Value { line: 1, column: 1 }),
            (br#"{"rule":"hide"}"#.as_slice(), key, RuleRecordFault::Rule(RuleFault::Missing("product"))),
            (br#"{"rule":"hide","product":"tea","from":"now"}"#.as_slice(), key, RuleRecordFault::Edge("from")),
        ] {
            assert_eq!(read(&record(value), key, &bounds).err(), Some(fault));
        }
        let unknown = read(&record(br#"{"rule":"hide","prodct":"tea"}"#), key, &bounds);
        assert!(matches!(unknown, Err(RuleRecordFault::Value { .. })));
        let timeless = RawRecord { time: None, ..record(hide) };
        assert_eq!(read(&timeless, key, &bounds).err(), Some(RuleRecordFault::Time));
        let early = TimeBounds::around(AT - 10 * TimeBounds::FUTURE_MAX_DEFAULT);
        assert_eq!(read(&record(hide), key, &early).err(), Some(RuleRecordFault::Time));
    }
}
