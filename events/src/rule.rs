//! Merchandising rules in events: how Vitrine writes a changed rule, and how it is read back.
//!
//! ```json
//! {"event":"MerchandisingRule","messageid":"…","rule":{"id":"sale","is":{"rule":"hide","product":"product-7"}},"timestamp":1731000000.12}
//! ```
//! Without `is`, the rule was deleted. Times of the rule are in milliseconds since the epoch.

use std::convert::Infallible;

use dataflow::dictionary::{Collision, KeyCache};
use dataflow::merchandising::{RuleFault, RuleId, RuleText, RuleVersion};
use dataflow::time::Millis;
use serde::{Deserialize, Serialize};

use crate::Malformed;
use crate::write::seconds;

/// A rule and its new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// The rule.
    pub id: RuleId,
    /// The text; `None` if the rule was deleted.
    pub text: Option<RuleText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleJson {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is: Option<RuleText>,
}

impl RuleChange {
    /// Reads the field `rule` of an event.
    pub(crate) fn read(json: &str) -> Result<RuleChange, Malformed> {
        if json.is_empty() {
            return Err(Malformed::MissingField("rule"));
        }
        let RuleJson { id, is } = serde_json::from_str(json).map_err(|_| Malformed::WrongType("rule"))?;
        // A rule of a topic or of a table is written there only; it can also be deleted here, for one that is no longer read.
        let is_id = |id: &RuleId| is.is_none() || id.is_of_event();
        let id = RuleId::of(&id).filter(is_id).ok_or(Malformed::WrongType("rule.id"))?;
        if let Some(text) = &is {
            let fault = text.keyed::<Infallible>(|_| Ok(Default::default()), |_| Ok(Default::default())).err();
            fault.map_or(Ok(()), |_| Err(Malformed::WrongType("rule.is")))?;
        }
        Ok(RuleChange { id, text: is })
    }

    /// The version of the rule that was written at `at`.
    ///
    /// # Errors
    /// When a product or a category has the key of another one.
    pub(crate) fn version(&self, at: Millis, keys: &mut KeyCache) -> Result<RuleVersion, Collision> {
        let dictionary = keys.dictionary().clone();
        let keyed = |text: &RuleText| text.keyed(|id| keys.product(id), |id| dictionary.category(id));
        match self.text.as_ref().map(keyed).transpose() {
            Ok(rule) => Ok(RuleVersion { at, rule }),
            Err(RuleFault::Id(_, collision)) => Err(collision),
            Err(_) => unreachable!("the text was checked when it was read"),
        }
    }
}

/// A `MerchandisingRule` line, without a line end. `text` is `None` for a deleted rule; `at` is in milliseconds since the
/// epoch, and before the year 5138.
pub fn rule_json(id: RuleId, text: Option<&RuleText>, at: Millis, message_id: &str) -> String {
    #[derive(Serialize)]
    struct EventJson<'a> {
        event: &'static str,
        messageid: &'a str,
        rule: RuleJson,
        timestamp: f64,
    }
    let rule = RuleJson { id: id.text().to_owned(), is: text.cloned() };
    let json = EventJson { event: "MerchandisingRule", messageid: message_id, rule, timestamp: seconds(at) };
    serde_json::to_string(&json).expect("texts and finite numbers always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, TimeBounds, decode};

    const AT: Millis = 1_731_000_000_120;

    #[test]
    fn a_written_rule_is_read_back_with_its_own_time() {
        let id = RuleId::of("sale").expect("an id");
        let some = |text: &str| Some(text.to_owned());
        let pin = RuleText {
            rule: "pin".into(),
            product: some("a\"b"),
            list: some("category:tea"),
            position: Some(3),
            until: Some(AT + 5),
            ..RuleText::default()
        };
        for text in [Some(pin), None] {
            let line = rule_json(id, text.as_ref(), AT, "m");
            // The record is a little older than the time that the service gave the rule.
            let event = decode(line.as_bytes(), Some((AT - 9).into()), &TimeBounds::around(AT)).expect("an event");
            assert_eq!((event.kind, event.at, event.product), (EventKind::Rule, AT, None));
            assert_eq!(event.rule.map(|rule| *rule), Some(RuleChange { id, text }));
        }
        for id in ["topic.sale", "table.sale"].map(|id| RuleId::of(id).expect("an id")) {
            let line = rule_json(id, None, AT, "m");
            let event = decode(line.as_bytes(), None, &TimeBounds::around(AT)).expect("the deletion of such a rule");
            assert_eq!(event.rule.map(|rule| *rule), Some(RuleChange { id, text: None }));
        }
    }

    #[test]
    fn what_is_no_rule_is_malformed() {
        let long = format!(r#","rule":{{"id":"a","is":{{"rule":"hide","product":"{}"}}}}"#, "x".repeat(257));
        for (rule, malformed) in [
            ("", Malformed::MissingField("rule")),
            (r#","rule":7"#, Malformed::WrongType("rule")),
            (r#","rule":{"id":"a b"}"#, Malformed::WrongType("rule.id")),
            (r#","rule":{"id":"topic.a","is":{"rule":"hide","product":"a"}}"#, Malformed::WrongType("rule.id")),
            (r#","rule":{"id":"table.a","is":{"rule":"hide","product":"a"}}"#, Malformed::WrongType("rule.id")),
            (r#","rule":{"id":"a","is":{"rule":"hide"}}"#, Malformed::WrongType("rule.is")),
            (r#","rule":{"id":"a","was":{}}"#, Malformed::WrongType("rule")),
            (r#","rule":{"id":"a","is":{"rule":"hide","product":""}}"#, Malformed::WrongType("rule.is")),
            (&*long, Malformed::WrongType("rule.is")),
        ] {
            let line = format!(r#"{{"event":"MerchandisingRule"{rule},"timestamp":1731000000}}"#);
            assert_eq!(decode(line.as_bytes(), None, &TimeBounds::around(AT)).err(), Some(malformed), "{rule}");
        }
    }

    #[test]
    fn a_whole_number_is_the_id_of_its_text() {
        let cap = r#"{"rule":"cap","category":42,"list":"similar","n":1}"#;
        let line =
            format!(r#"{{"event":"MerchandisingRule","rule":{{"id":"sale","is":{cap}}},"timestamp":1731000000}}"#);
        let event = decode(line.as_bytes(), None, &TimeBounds::around(AT)).expect("an event");
        let category = event.rule.and_then(|rule| rule.text).and_then(|text| text.category);
        assert_eq!(category.as_deref(), Some("42"), "a number is its text");
    }
}
