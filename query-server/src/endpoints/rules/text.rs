//! The body of `PUT /v1/rules/{rule}`.

use chrono::DateTime;
use dataflow::merchandising::{IdText, RuleKind, RuleText};
use dataflow::time::Millis;
use serde_json::Value;

use super::nearest::nearest;
use crate::problem::Problem;

/// The fields of a rule.
const FIELDS: [&str; 9] = ["rule", "product", "category", "list", "position", "n", "from", "until", "set"];

/// Reads a body. Whether its fields belong together is not judged here.
///
/// # Errors
/// When it is not a JSON object, or when a field is unknown or of another type.
pub(super) fn read(body: &[u8]) -> Result<RuleText, Problem> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(fault(None, "the body must be a JSON object".to_owned()));
    };
    let mut rule = RuleText::default();
    for (name, value) in fields {
        let Some(field) = FIELDS.into_iter().find(|field| *field == name) else {
            let near = nearest(&name, FIELDS).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(fault(None, format!("a rule has the fields {}{near}", FIELDS.join(", "))));
        };
        match field {
            "rule" => rule.rule = text(field, value)?,
            "product" => rule.product = Some(id(field, value)?),
            "category" => rule.category = Some(id(field, value)?),
            "list" => rule.list = Some(text(field, value)?),
            "position" => rule.position = Some(number(field, &value)?),
            "n" => rule.n = Some(number(field, &value)?),
            "from" => rule.from = Some(time(field, value)?),
            "set" => rule.set = Some(text(field, value)?),
            _ => rule.until = Some(time(field, value)?),
        }
    }
    if rule.rule.is_empty() {
        return Err(fault(Some("rule"), "`rule` is missing".to_owned()));
    }
    if let Some(near) = nearest(&rule.rule, RuleKind::WORDS.iter().copied())
        && near != rule.rule
    {
        return Err(fault(Some("rule"), format!("there is no such kind of rule; did you mean {near}?")));
    }
    Ok(rule)
}

fn fault(field: Option<&'static str>, reason: String) -> Problem {
    Problem::BadRule { field, reason }
}

fn text(field: &'static str, value: Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(fault(Some(field), format!("`{field}` must be a text"))),
    }
}

fn id(field: &'static str, value: Value) -> Result<String, Problem> {
    let id = serde_json::from_value(value).map(|IdText(id)| id);
    id.map_err(|_| fault(Some(field), format!("`{field}` must be a text or a whole number")))
}

fn number(field: &'static str, value: &Value) -> Result<u64, Problem> {
    value.as_u64().ok_or_else(|| fault(Some(field), format!("`{field}` must be a whole number")))
}

fn time(field: &'static str, value: Value) -> Result<Millis, Problem> {
    let time = DateTime::parse_from_rfc3339(&text(field, value)?).ok();
    let millis = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    millis.ok_or_else(|| fault(Some(field), format!("`{field}` must be a time such as 2026-11-27T00:00:00Z")))
}
