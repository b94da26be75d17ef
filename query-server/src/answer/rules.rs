//! Merchandising rules as people write and read them.

use dataflow::dictionary::Dictionary;
use dataflow::merchandising::{Idle, MerchRule, RULES_MAX, RuleId, RuleScope, RuleSet, RuleText};
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

/// The effective rules as of a time; `None` if no rule is effective.
#[derive(Clone, Copy)]
pub(crate) struct RuleSets<'a> {
    pub(crate) as_of: Time,
    /// Those of the lists of the shop.
    pub(crate) live: Option<&'a RuleSet>,
    /// Those of the lists of the shadow; `None` if these are not kept.
    pub(crate) shadow: Option<Option<&'a RuleSet>>,
}

impl RuleEntry {
    /// A rule as of the time of the rule sets. A rule for both sets is effective if it is for the shop's lists.
    pub(crate) fn of(
        (id, rule, at): &(RuleId, MerchRule, Millis),
        sets: RuleSets<'_>,
        dictionary: &Dictionary,
    ) -> RuleEntry {
        let RuleSets { as_of, live, shadow } = sets;
        let text = RuleText::of(rule, dictionary);
        let is_of_shadow = rule.scope == RuleScope::Shadow;
        let set = if is_of_shadow { shadow.flatten() } else { live };
        let out_of_time = || {
            let idle = if rule.from > as_of { Idle::NotYet } else { Idle::Over };
            (!rule.is_effective(as_of)).then_some(idle)
        };
        let idle = set.and_then(|set| set.idle(*id)).or_else(out_of_time).map(reason);
        let off = (is_of_shadow && shadow.is_none()).then(|| "the shadow is off".to_owned());
        let reason = off.or(idle);
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
