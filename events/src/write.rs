//! Events as Vitrine writes them itself, in the product shape.

use dataflow::time::Millis;
use serde::Serialize;

/// A `ProductRemoved` line, without a line end. `at` is in milliseconds since the epoch, and before the year 5138.
pub fn removal_json(user: &str, product: &str, at: Millis, message_id: &str) -> String {
    ProductEventJson::new("ProductRemoved", user, product, at, message_id).to_json()
}

/// A `UserErased` line, without a line end: nothing of the user counts that was at `at` or before. `at` is in milliseconds
/// since the epoch, and before the year 5138.
pub fn erasure_json(user: &str, at: Millis, message_id: &str) -> String {
    let (event, properties, context) = ("UserErased", None, None);
    ProductEventJson { event, messageid: message_id, userid: user, properties, context, timestamp: seconds(at) }
        .to_json()
}

/// A `ProductView` line, without a line end. `at` is in milliseconds since the epoch, and before the year 5138; `source`
/// says where the view was made, such as `mobile-app`.
pub fn view_json(user: &str, product: &str, at: Millis, message_id: &str, source: &str) -> String {
    ProductEventJson {
        context: Some(ContextJson { source }),
        ..ProductEventJson::new("ProductView", user, product, at, message_id)
    }
    .to_json()
}

/// Seconds as the product shape writes them: the shortest text of this double has at most three decimals.
pub(super) fn seconds(at: Millis) -> f64 {
    at as f64 / 1000.0
}

#[derive(Serialize)]
struct ProductEventJson<'a> {
    event: &'static str,
    messageid: &'a str,
    userid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<PropertiesJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<ContextJson<'a>>,
    timestamp: f64,
}

#[derive(Serialize)]
struct PropertiesJson<'a> {
    productid: &'a str,
}

#[derive(Serialize)]
struct ContextJson<'a> {
    source: &'a str,
}

impl<'a> ProductEventJson<'a> {
    fn new(event: &'static str, userid: &'a str, productid: &'a str, at: Millis, messageid: &'a str) -> Self {
        let properties = Some(PropertiesJson { productid });
        ProductEventJson { event, messageid, userid, properties, context: None, timestamp: seconds(at) }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and a finite number always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_documented() {
        assert_eq!(
            view_json(
                "user-120",
                "product-393",
                1_731_000_000_123,
                "5b8e6f0e-3f0e-4a53-9f0f-0d2c8f4c9d11",
                "mobile-app"
            ),
            r#"{"event":"ProductView","messageid":"5b8e6f0e-3f0e-4a53-9f0f-0d2c8f4c9d11","userid":"user-120","properties":{"productid":"product-393"},"context":{"source":"mobile-app"},"timestamp":1731000000.123}"#
        );
        assert_eq!(
            removal_json("user-120", "product-393", 1_731_000_000_120, "m"),
            r#"{"event":"ProductRemoved","messageid":"m","userid":"user-120","properties":{"productid":"product-393"},"timestamp":1731000000.12}"#
        );
        assert_eq!(
            erasure_json("user-120", 1_731_000_000_120, "m"),
            r#"{"event":"UserErased","messageid":"m","userid":"user-120","timestamp":1731000000.12}"#
        );
    }

    #[test]
    fn ids_are_escaped() {
        let line = removal_json("a\"b", "\u{1}\\", 1_731_000_000_000, "m");
        assert!(line.contains(r#""userid":"a\"b","properties":{"productid":"\u0001\\"}"#), "{line}");
    }
}
