//! Merchandising rules as records of a compacted topic, which another program of the shop writes.
//!
//! ```text
//! key: advent   value: {"rule":"pin","product":"product-7","list":"bestsellers","position":1,"until":"2026-12-25T00:00:00Z"}
//! ```
//! The value is the body of `PUT /v1/rules/{rule}`; a record without one deletes the rule. The rule has the id `topic.advent`,
//! so that it is no rule of the API. Of several records with a key, the last one counts: compaction keeps no other.

use std::collections::BTreeMap;
use std::convert::Infallible;

use dataflow::dictionary::KeyCache;
use dataflow::merchandising::{IdText, RULES_MAX, RuleFault, RuleId, RuleText, RuleVersion};
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
    #[error("there are {RULES_MAX} rules, and there may not be more: write records without a value for some of them")]
    TooMany,
}

impl From<RuleRecordFault> for Refusal {
    fn from(fault: RuleRecordFault) -> Self {
        let reason = if fault == RuleRecordFault::TooMany { "too_many_rules" } else { "invalid_rule" };
        Refusal { reason, detail: fault.to_string() }
    }
}

/// The rules that a reader of the topic has met since it started, at most [`RULES_MAX`].
#[derive(Debug, Default)]
pub struct TopicRules(BTreeMap<RuleId, LastRecord>);

/// The last record with a key.
#[derive(Clone, Copy, Debug)]
struct LastRecord {
    at: Millis,
    place: RecordPlace,
    is_deletion: bool,
}

/// The place of a record in the topic.
#[derive(Clone, Copy, Debug)]
struct RecordPlace {
    partition: i32,
    offset: i64,
}

impl TopicRules {
    /// The time of the version that a record makes: that of the record, or just after the version before.
    ///
    /// A partition is read again if the topic was made anew, and also if compaction has removed the record by which the
    /// partition is recognised. A record that was read before then has its own time: it changes nothing, because the versions
    /// since are later. In a topic that was made anew, later records count.
    ///
    /// # Errors
    /// When it is one rule too many. Deleted rules make room; a deletion is never too many.
    fn date(&mut self, change: &RuleChange, at: Millis, place: RecordPlace) -> Result<Millis, RuleRecordFault> {
        let is_deletion = change.text.is_none();
        if let Some(last) = self.0.get_mut(&change.id) {
            if place.partition == last.place.partition && place.offset <= last.place.offset && at <= last.at {
                return Ok(at);
            }
            *last = LastRecord { at: at.max(last.at.saturating_add(1)), place, is_deletion };
            return Ok(last.at);
        }
        if self.0.len() >= RULES_MAX {
            if is_deletion {
                return Ok(at);
            }
            let deleted = self.0.iter().filter(|(_, last)| last.is_deletion);
            let oldest = deleted.min_by_key(|(_, last)| last.at).map(|(id, _)| *id).ok_or(RuleRecordFault::TooMany)?;
            self.0.remove(&oldest);
        }
        self.0.insert(change.id, LastRecord { at, place, is_deletion });
        Ok(at)
    }
}

/// The value of a record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleValue {
    rule: String,
    product: Option<IdText>,
    category: Option<IdText>,
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
    /// The dead letter of a record that is no rule, or one too many, or of which an id has the key of another id; it is counted
    /// by its reason.
    pub fn of_rule_record(
        record: &RawRecord<'_>,
        key: Option<&[u8]>,
        bounds: &TimeBounds,
        known: &mut TopicRules,
        keys: &mut KeyCache,
        status: &SourceStatus,
    ) -> Result<EventChanges, Box<DeadLetter>> {
        let refused = |fault: RuleRecordFault| record.count_refused(fault, status);
        let (change, at) = read(record, key, bounds).map_err(refused)?;
        let version = change.version(at, keys).map_err(|collision| record.count_refused(collision, status))?;
        let place = RecordPlace { partition: record.partition, offset: record.offset };
        let at = known.date(&change, at, place).map_err(refused)?;
        Ok(EventChanges::of_rule(change.id, RuleVersion { at, ..version }))
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
    let (product, category) = (product.map(|id| id.0), category.map(|id| id.0));
    let text = RuleText { rule, product, category, list, position, n, from, until, set };
    let keyed = text.keyed::<Infallible>(|_| Ok(Default::default()), |_| Ok(Default::default()));
    keyed.map(|_| text).map_err(RuleRecordFault::Rule)
}

#[cfg(test)]
mod tests {
    use dataflow::ids::ID_BYTES_MAX;

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
        for number in ["393", "-1", "18446744073709551615"] {
            let value = format!(r#"{{"rule":"hide","product":{number}}}"#);
            let (change, _) = read(&record(value.as_bytes()), Some(b"advent"), &bounds).expect("a rule");
            let product = change.text.expect("it is not deleted").product;
            assert_eq!(product.as_deref(), Some(number), "a number is its text");
        }
        let (deleted, _) = read(&record(b""), Some(b"advent"), &bounds).expect("a deletion");
        assert_eq!((deleted.id.text(), deleted.text), ("topic.advent", None));
    }

    fn place(partition: i32, offset: i64) -> RecordPlace {
        RecordPlace { partition, offset }
    }

    #[test]
    fn the_last_record_with_a_key_counts_whatever_its_time() {
        let mut known = TopicRules::default();
        let change = |text| RuleChange { id: RuleId::of_topic("a").expect("an id"), text };
        assert_eq!(known.date(&change(Some(RuleText::default())), AT, place(0, 3)), Ok(AT));
        assert_eq!(known.date(&change(None), AT, place(0, 4)), Ok(AT + 1));
        assert_eq!(known.date(&change(Some(RuleText::default())), AT - 5, place(0, 5)), Ok(AT + 2));
        assert_eq!(known.date(&change(None), AT + 9, place(0, 8)), Ok(AT + 9));
        assert_eq!(known.date(&change(None), AT, place(1, 0)), Ok(AT + 10), "the topic has got more partitions");
    }

    #[test]
    fn records_that_are_read_again_change_nothing_unless_they_are_later() {
        let mut known = TopicRules::default();
        let change = RuleChange { id: RuleId::of_topic("a").expect("an id"), text: Some(RuleText::default()) };
        let mut date = |at, offset| known.date(&change, at, place(0, offset)).expect("there is room");
        let first = [date(AT, 5), date(AT - 5, 6)];
        assert_eq!(first, [AT, AT + 1]);
        let again = [date(AT, 5), date(AT - 5, 6)];
        assert!(again[0] < first[1] && again[1] < first[1], "they are behind the version that counts");
        assert_eq!(date(AT - 9, 7), AT + 2, "a record that was not read before");
        assert_eq!([date(AT + 50, 0), date(AT + 49, 1)], [AT + 50, AT + 51], "a topic that was made anew");
    }

    #[test]
    fn rules_of_a_topic_are_bounded_and_deleted_ones_make_room() {
        let mut known = TopicRules::default();
        let change =
            |number: usize, text| RuleChange { id: RuleId::of_topic(&number.to_string()).expect("an id"), text };
        let rule = || Some(RuleText::default());
        let mut offset = 0;
        let mut date = |change: &RuleChange| {
            offset += 1;
            known.date(change, AT, place(0, offset))
        };
        for number in 0..RULES_MAX {
            assert_eq!(date(&change(number, rule())), Ok(AT));
        }
        assert_eq!(date(&change(RULES_MAX, rule())), Err(RuleRecordFault::TooMany));
        assert_eq!(date(&change(RULES_MAX, None)), Ok(AT), "it may be one from before the start");
        assert_eq!(date(&change(7, rule())), Ok(AT + 1));
        assert_eq!(date(&change(7, None)), Ok(AT + 2));
        assert_eq!(date(&change(RULES_MAX, rule())), Ok(AT));
        assert_eq!(known.0.len(), RULES_MAX);
        assert_eq!(Refusal::from(RuleRecordFault::TooMany).reason, "too_many_rules");
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_reason() {
        let hide = br#"{"rule":"hide","product":"tea"}"#.as_slice();
        let (bounds, key) = (TimeBounds::around(AT), Some(b"advent".as_slice()));
        let long = format!(r#"{{"rule":"bury","product":"tea","list":"similar:{}"}}"#, "x".repeat(ID_BYTES_MAX + 1));
        for (value, key, fault) in [
            (hide, None, RuleRecordFault::Key),
            (hide, Some(b"a b".as_slice()), RuleRecordFault::Key),
            (hide, Some([b'x'; 27].as_slice()), RuleRecordFault::Key),
            (b"[]".as_slice(), key, RuleRecordFault::Value { line: 1, column: 1 }),
            (br#"{"rule":"hide"}"#.as_slice(), key, RuleRecordFault::Rule(RuleFault::Missing("product"))),
            (br#"{"rule":"hide","product":"tea","from":"now"}"#.as_slice(), key, RuleRecordFault::Edge("from")),
            (br#"{"rule":"hide","product":""}"#.as_slice(), key, RuleRecordFault::Rule(RuleFault::Length("product"))),
            (long.as_bytes(), key, RuleRecordFault::Rule(RuleFault::Length("list"))),
        ] {
            assert_eq!(read(&record(value), key, &bounds).err(), Some(fault));
        }
        for value in [
            br#"{"rule":"hide","prodct":"tea"}"#.as_slice(),
            br#"{"rule":"hide","product":4.2}"#,
            br#"{"rule":"hide","product":18446744073709551616}"#,
            br#"{"rule":"hide","product":-0}"#,
            br#"{"rule":"hide","product":["tea"]}"#,
            br#"{"rule":"bury","product":"tea","list":7}"#,
        ] {
            let unknown = read(&record(value), key, &bounds);
            assert!(matches!(unknown, Err(RuleRecordFault::Value { .. })), "{}", String::from_utf8_lossy(value));
        }
        let timeless = RawRecord { time: None, ..record(hide) };
        assert_eq!(read(&timeless, key, &bounds).err(), Some(RuleRecordFault::Time));
        let early = TimeBounds::around(AT - 10 * TimeBounds::FUTURE_MAX_DEFAULT);
        assert_eq!(read(&record(hide), key, &early).err(), Some(RuleRecordFault::Time));
    }
}
