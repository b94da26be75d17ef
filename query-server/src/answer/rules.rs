//! Merchandising rules as people write and read them.

use std::collections::BTreeMap;

use dataflow::dictionary::Dictionary;
use dataflow::merchandising::{Idle, MerchRule, RULES_MAX, RuleId, RuleScope, RuleText};
use dataflow::time::{Millis, Time};
use hyper::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Ref, RefBuilder};

use super::{instant, json};
use crate::body::Body;

/// The body of `PUT /v1/rules/{rule}`. A rule has exactly the fields of its kind.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleRequest, example = json!({
    "rule": "pin", "product": "product-1", "list": "bestsellers", "position": 1,
    "from": "2026-11-27T00:00:00Z", "until": "2026-11-30T00:00:00Z"
}))]
pub(crate) struct RuleRequest {
    /// `hide`, `out_of_stock`, `pin`, `bury` or `cap`.
    rule: String,
    #[schema(schema_with = product, required = false)]
    product: Option<String>,
    #[schema(schema_with = category, required = false)]
    category: Option<String>,
    /// Of a pin, a bury and a cap: `bestsellers`, `category:ID` (not of a cap), `similar`, `similar:ID`, `for-you`,
    /// `buy-again` or `recommendations`.
    list: Option<String>,
    /// Of a pin: from 1 to 100.
    #[schema(value_type = u64, minimum = 1, maximum = 100, required = false)]
    position: Option<u64>,
    /// Of a cap: from 0 to 100.
    #[schema(value_type = u64, minimum = 0, maximum = 100, required = false)]
    n: Option<u64>,
    /// The first time at which it is effective (RFC 3339).
    from: Option<String>,
    /// The first time at which it is no longer effective (RFC 3339).
    until: Option<String>,
    /// The lists that it is for: `live` (those of the shop), `shadow`, or `both`, which is the default.
    set: Option<String>,
}

/// The product of a rule.
fn product() -> Ref {
    id("Of all rules but caps. A whole number is taken as its decimal text.")
}

/// The category of a rule.
fn category() -> Ref {
    id("Of a cap. A whole number is taken as its decimal text.")
}

/// An id as in events.
fn id(description: &str) -> Ref {
    RefBuilder::new().ref_location_from_schema_name("EventId").description(Some(description)).build()
}

/// The answer to a write of a rule, which is durable and visible.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleWritten<'a> {
    id: &'a str,
    /// A value for `after`, with which another process waits until the rule is visible there.
    token: &'a str,
}

/// A rule.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleEntry {
    id: String,
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<String>,
    /// When it was written.
    written_at: String,
    /// Whether it does something as of the time of the answer.
    effective: bool,
    /// Why it does nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// All rules.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleList {
    /// In the order of their ids.
    rules: Vec<RuleEntry>,
    /// The most rules that there may be.
    rules_max: usize,
    /// The rules are those of this time.
    as_of: String,
}

/// The effective pins that do nothing as of a time, and why.
pub(crate) struct IdlePins {
    pub(crate) as_of: Time,
    /// Those of the lists of the shop.
    pub(crate) live: BTreeMap<RuleId, Idle>,
    /// Those of the lists of the shadow; `None` if these are not kept.
    pub(crate) shadow: Option<BTreeMap<RuleId, Idle>>,
}

impl IdlePins {
    /// Why a rule does nothing, if it does nothing. A rule for both sets is effective if it is for the shop's lists.
    pub(crate) fn reason(&self, id: RuleId, rule: &MerchRule) -> Option<String> {
        let pins = match (rule.scope, &self.shadow) {
            (RuleScope::Shadow, None) => return Some("the shadow is off".to_owned()),
            (RuleScope::Shadow, Some(shadow)) => shadow,
            _ => &self.live,
        };
        let out_of_time = if rule.from > self.as_of { Idle::NotYet } else { Idle::Over };
        let out_of_time = (!rule.is_effective(self.as_of)).then_some(out_of_time);
        out_of_time.or_else(|| pins.get(&id).copied()).map(reason)
    }
}

impl RuleEntry {
    /// A rule, and why it does nothing, if it does nothing.
    pub(crate) fn of(
        (id, rule, at): &(RuleId, MerchRule, Millis),
        idle: &IdlePins,
        dictionary: &Dictionary,
    ) -> RuleEntry {
        let text = RuleText::of(rule, dictionary);
        let reason = idle.reason(*id, rule);
        RuleEntry {
            id: id.text().to_owned(),
            rule: text.rule,
            product: text.product,
            category: text.category,
            list: text.list,
            position: text.position,
            n: text.n,
            from: text.from.map(instant::text),
            until: text.until.map(instant::text),
            set: text.set,
            written_at: instant::text(*at),
            effective: reason.is_none(),
            reason,
        }
    }
}

fn reason(idle: Idle) -> String {
    match idle {
        Idle::NotYet => "it begins later".to_owned(),
        Idle::Over => "it has ended".to_owned(),
        Idle::Position(rule) => format!("the rule {} has this position", rule.text()),
        Idle::Product(rule) => format!("the rule {} pins this product in the same list", rule.text()),
        Idle::Hidden(rule) => format!("the rule {} hides the product", rule.text()),
        Idle::Unavailable => "the product cannot be bought".to_owned(),
        Idle::Deleted => "the product was deleted from the catalogue".to_owned(),
        Idle::Itself => "a product is not similar to itself".to_owned(),
    }
}

/// 200 for a rule that was written.
pub(crate) fn written(id: &str, token: &str) -> Response<Body> {
    whole(&RuleWritten { id, token }, None)
}

/// 200 with one rule.
pub(crate) fn entry(entry: &RuleEntry, missing: Option<&str>) -> Response<Body> {
    whole(entry, missing)
}

/// 200 with all rules.
pub(crate) fn list(rules: Vec<RuleEntry>, as_of: Time, missing: Option<&str>) -> Response<Body> {
    whole(&RuleList { rules, rules_max: RULES_MAX, as_of: instant::text(as_of) }, missing)
}

fn whole(shape: &impl Serialize, missing: Option<&str>) -> Response<Body> {
    let text = serde_json::to_vec(shape).expect("texts and numbers always serialise");
    json(hyper::header::HeaderMap::new(), &text, missing)
}
