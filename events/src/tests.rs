//! Which records are accepted, and which are refused with which reason and field.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use dataflow::time::Millis;

use super::*;

mod erasure;
mod metadata;
mod purchases;

const NOW: Millis = 1_800_000_000_000;

fn decoded(text: &str, record_time: Option<Millis>) -> Result<Event<'_>, Malformed> {
    decode(text.as_bytes(), record_time.map(RecordTime::from), &TimeBounds::around(NOW))
}

fn accepted(text: &str) -> Event<'_> {
    decoded(text, Some(NOW)).expect("the event is well formed")
}

fn refused(text: &str) -> (&'static str, Option<&'static str>) {
    let malformed = decoded(text, Some(NOW)).expect_err("the event is malformed");
    (malformed.reason(), malformed.field())
}

fn view<'a>(user: Cow<'a, str>, product: Option<Cow<'a, str>>, at: Millis) -> Event<'a> {
    let (id, items, session) = (None, Vec::new(), Some("s-77".into()));
    let (kind, stated, time_on_page_ms, order) = (EventKind::View, Some(at), Some(5400), None);
    let (metadata, answer, device, rule) = ("", None, None, None);
    Event {
        kind,
        id,
        user,
        product,
        items,
        at,
        stated,
        session,
        time_on_page_ms,
        metadata,
        order,
        answer,
        device,
        rule,
    }
}

#[test]
fn product_view_is_read_as_documented() {
    let event = accepted(
        r#"{"event":"ProductView","messageid":"5b8e6f0e-3f0e-4a53-9f0f-0d2c8f4c9d11","userid":"user-120","properties":{"productid":"product-393"},"context":{"source":"mobile-app"},"timestamp":1731000000.123}"#,
    );
    let (id, user) = (Some("5b8e6f0e-3f0e-4a53-9f0f-0d2c8f4c9d11".into()), "user-120".into());
    let (product, items) = (Some("product-393".into()), Vec::new());
    let view = view(user, product, 1_731_000_000_123);
    let view = Event { time_on_page_ms: None, session: None, device: Some("mobile-app".into()), ..view };
    assert_eq!(event, Event { id, items, ..view });
}

#[test]
fn clickstream_event_is_read_as_documented() {
    let event = accepted(
        r#"{"user_id":120,"product_id":393,"event_type":"view","timestamp":"2026-11-20T10:15:00Z","session_id":"s-77","metadata":{"page_url":"/p/393","referrer":"search","time_on_page_ms":5400}}"#,
    );
    let metadata = r#"{"page_url":"/p/393","referrer":"search","time_on_page_ms":5400}"#;
    assert_eq!(event, Event { metadata, ..view("120".into(), Some("393".into()), 1_795_169_700_000) });
}

#[test]
fn every_example_of_the_documentation_is_an_event() {
    for name in ["README.md", "docs/events.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(name);
        let text = fs::read_to_string(path).expect("the documentation stands beside the crates");
        let is_example = |text: &&str| ["{\"event", "{\"user_id\""].iter().any(|start| text.starts_with(start));
        let examples: Vec<&str> = text.split(['\n', '`']).filter(is_example).collect();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            assert!(decoded(example, Some(NOW)).is_ok(), "{name}: {example}: {:?}", decoded(example, Some(NOW)));
        }
    }
}

#[test]
fn an_event_without_a_time_says_so() {
    for (time, dated) in [(",\"timestamp\":1731000000", true), ("", false), (",\"timestamp\":null", false)] {
        let text = format!(r#"{{"event_type":"view","user_id":1,"product_id":2{time}}}"#);
        assert_eq!(accepted(&text).stated.is_some(), dated, "{text}");
    }
}

#[test]
fn every_name_of_an_event_has_its_kind() {
    for (name, kind) in [
        ("view", EventKind::View),
        ("click", EventKind::Click),
        ("add_to_cart", EventKind::AddToCart),
        ("remove_from_cart", EventKind::RemoveFromCart),
        ("purchase", EventKind::Purchase),
        ("search", EventKind::Search),
    ] {
        let event = format!(r#"{{"event_type":"{name}","user_id":1,"product_id":2}}"#);
        let event = accepted(&event);
        assert_eq!((event.kind, event.kind.name()), (kind, name));
    }
    for (name, kind) in [
        ("ProductView", EventKind::View),
        ("ProductRemoved", EventKind::Removal),
        ("ProductClick", EventKind::Click),
        ("AddToCart", EventKind::AddToCart),
        ("Purchase", EventKind::Purchase),
    ] {
        let line = format!(r#"{{"event":"{name}","userid":1,"properties":{{"productid":2}}}}"#);
        assert_eq!(accepted(&line).kind, kind);
    }
}

#[test]
fn a_search_names_no_product() {
    for product in ["", r#","product_id":7"#, r#","product_id":{}"#] {
        let line = format!(r#"{{"event_type":"search","user_id":"u"{product},"metadata":{{"query":"lamp"}}}}"#);
        assert_eq!((accepted(&line).kind, accepted(&line).product), (EventKind::Search, None), "{line}");
    }
}

#[test]
fn an_identity_has_three_names_and_no_type_of_it_is_refused() {
    for (field, id) in [
        (r#""messageid":"m-1""#, Some("m-1")),
        (r#""message_id":"m\u002d1""#, Some("m-1")),
        (r#""event_id":17"#, Some("17")),
        (r#""event_id":-17"#, Some("-17")),
        (r#""event_id":"""#, None),
        (r#""event_id":null"#, None),
        (r#""event_id":1.5"#, None),
        (r#""event_id":{"a":["b"]}"#, None),
        (r#""event_id":"\ud83d""#, None),
        (r#""messageid":"first","event_id":"last""#, Some("last")),
    ] {
        let line = format!(r#"{{"event_type":"view","user_id":1,"product_id":2,{field}}}"#);
        assert_eq!(accepted(&line).id.as_deref(), id, "{line}");
    }
}

#[test]
fn field_order_and_white_space_do_not_matter() {
    let event = accepted(
        "\n { \"timestamp\" : 1731000000 , \"properties\" : { \"a\":[1,{}], \"productid\" : \"p\" } , \"userid\":\"u\", \"event\":\"ProductView\" } \n",
    );
    assert_eq!((event.user.as_ref(), event.product.as_deref(), event.at), ("u", Some("p"), 1_731_000_000_000));
}

#[test]
fn extra_fields_never_matter_even_those_of_the_other_shape() {
    let event = accepted(
        r#"{"event_type":"click","event":{"deep":[[[]]]},"userid":[],"properties":7,"user_id":"u","product_id":"p","x":{"event_type":"view"}}"#,
    );
    assert_eq!((event.kind, event.user.as_ref(), event.product.as_deref()), (EventKind::Click, "u", Some("p")));
    let event = accepted(
        r#"{"event":"ProductRemoved","event_type":9,"user_id":1.5,"product_id":{},"userid":"u","properties":{"productid":"p"}}"#,
    );
    assert_eq!((event.kind, event.user.as_ref(), event.product.as_deref()), (EventKind::Removal, "u", Some("p")));
}

#[test]
fn of_a_field_given_twice_the_last_counts() {
    let event = accepted(r#"{"event_type":"click","event_type":"view","user_id":"a","user_id":"b","product_id":"p"}"#);
    assert_eq!((event.kind, event.user.as_ref()), (EventKind::View, "b"));
    let twice = r#"{"event":"ProductView","userid":"u","properties":{"productid":"p"},"properties":{}}"#;
    assert_eq!(refused(twice), ("missing_field", Some("properties.productid")));
}

#[test]
fn plain_text_is_borrowed_and_escapes_are_resolved() {
    let event = accepted(r#"{"event_type":"view","user_id":"plain","product_id":"a\"\u00e9\n"}"#);
    assert!(matches!(event.user, Cow::Borrowed("plain")));
    assert_eq!(event.product.as_deref(), Some("a\"é\n"));
    let event = accepted(r#"{"\u0065vent_type":"view","user_id":"u","product_id":"p"}"#);
    assert_eq!(event.kind, EventKind::View);
}

#[test]
fn payload_that_is_no_text_is_refused() {
    let mut payload = br#"{"event_type":"view","user_id":1,"product_id":2,"note":"x"}"#.to_vec();
    let place = payload.len() - 3;
    payload[place] = 0xff;
    let malformed = decode(&payload, Some(NOW.into()), &TimeBounds::around(NOW)).expect_err("not UTF-8");
    assert_eq!(malformed, Malformed::NotUtf8(place));
}

#[test]
fn payload_that_is_no_json_is_refused() {
    let valid = r#"{"event_type":"view","user_id":1,"product_id":2}"#;
    for text in [
        "",
        " ",
        "{",
        "view",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":NaN}",
        "\u{feff}",
        "\u{feff}\u{feff}{}",
        " \u{feff}{}",
        r#"{"x":"\ud800"#,
        r#"{"x":"\ud8"}"#,
    ] {
        assert_eq!(refused(text), ("not_json", None), "{text}");
    }
    assert_eq!(refused(&valid[..valid.len() - 1]), ("not_json", None));
    assert_eq!(refused(&format!("{valid}{valid}")), ("not_json", None));
}

#[test]
fn json_that_is_no_object_is_refused() {
    for text in ["[]", "[{}]", "null", "7", "-7", "1.5", "true", "\"view\""] {
        assert_eq!(refused(text), ("not_an_object", None), "{text}");
    }
}

#[test]
fn nesting_of_any_depth_neither_overflows_nor_matters() {
    let (open, close) = ("[".repeat(400_000), "]".repeat(400_000));
    for name in ["extra", "timestamp_", "userid"] {
        let line = format!(r#"{{"event_type":"view","user_id":1,"product_id":2,"{name}":{open}{close}}}"#);
        assert_eq!(accepted(&line).kind, EventKind::View);
    }
    let line = format!(r#"{{"event_type":"view","user_id":1,"product_id":2,"timestamp":{open}{close}}}"#);
    assert_eq!(refused(&line), ("wrong_type", Some("timestamp")));
}

#[test]
fn a_byte_order_mark_before_the_text_is_passed_over() {
    for line in [
        r#"{"event_type":"view","user_id":1,"product_id":2}"#,
        r#" {"event_type":"view","user_id":"\u0031","product_id":2}"#,
    ] {
        let marked = format!("{BYTE_ORDER_MARK}{line}");
        assert_eq!(accepted(&marked), accepted(line));
    }
    assert_eq!(refused("\u{feff}{}"), ("missing_field", Some("event")));
    assert_eq!(refused("\u{feff}[]"), ("not_an_object", None));
}

/// Texts with half of a surrogate pair, and numbers beyond all doubles: JSON by its grammar, and no value of any type.
const UNREADABLE: [&str; 8] = [
    r#""\ud83d""#,
    r#""a\ude00b""#,
    r#""\ude00\ud83d""#,
    r#"["\ud83d",{"\ude00":"\ud83d"}]"#,
    r#"{"\ud83d":{"\ude00":["\ud83d"]}}"#,
    "1e999",
    "-1e999",
    r#"{"n":[1e999]}"#,
];

#[test]
fn what_a_field_holds_that_is_not_used_does_not_matter_and_neither_does_its_name() {
    let product = r#""event":"ProductView","userid":"u","properties":{"productid":"p"}"#;
    let clickstream = r#""event_type":"click","user_id":"u","product_id":"p""#;
    for value in UNREADABLE {
        for name in ["extra", "\\ud83d", "user_id", "product_id", "event_type", "\\ude00\\ud83d", "\\u0000"] {
            for line in [format!(r#"{{"{name}":{value},{product}}}"#), format!(r#"{{{product},"{name}":{value}}}"#)] {
                let event = accepted(&line);
                assert_eq!(
                    (event.kind, &*event.user, event.product.as_deref()),
                    (EventKind::View, "u", Some("p")),
                    "{line}"
                );
            }
        }
        for name in ["userid", "properties", "event", "messageid"] {
            let line = format!(r#"{{{clickstream},"{name}":{value}}}"#);
            let event = accepted(&line);
            assert_eq!(
                (event.kind, &*event.user, event.product.as_deref()),
                (EventKind::Click, "u", Some("p")),
                "{line}"
            );
        }
        let nested = format!(
            r#"{{"event":"ProductView","userid":"u","properties":{{"x":{value},"\ud83d":{value},"productid":"p","y":{value}}}}}"#
        );
        assert_eq!(accepted(&nested).product.as_deref(), Some("p"));
    }
    // Of a field given twice the last one counts, whatever the first one is.
    let twice = r#"{"event_type":"view","user_id":"\ud83d","user_id":"u","product_id":1e999,"product_id":"p"}"#;
    assert_eq!((&*accepted(twice).user, accepted(twice).product.as_deref()), ("u", Some("p")));
}

#[test]
fn half_a_surrogate_pair_is_refused_by_name_where_it_is_used() {
    let cases = [
        (
            r#"{"event":"ProductView","userid":"\ud83d","properties":{"productid":"p"}}"#,
            "half_surrogate_pair",
            "userid",
        ),
        (
            r#"{"event":"ProductRemoved","userid":"u","properties":{"productid":"a\ude00"}}"#,
            "half_surrogate_pair",
            "properties.productid",
        ),
        (r#"{"event_type":"view","user_id":"\ude00\ud83d","product_id":"p"}"#, "half_surrogate_pair", "user_id"),
        (r#"{"event_type":"view","user_id":"u","product_id":"\ud83d"}"#, "half_surrogate_pair", "product_id"),
        (r#"{"event_type":"\ud83d","user_id":"u","product_id":"p"}"#, "unknown_event", "event_type"),
        (r#"{"event":"\ud83d","userid":"u","properties":{"productid":"p"}}"#, "unknown_event", "event"),
        (
            r#"{"event_type":"view","user_id":"u","product_id":"p","timestamp":"\ud83d"}"#,
            "unreadable_time",
            "timestamp",
        ),
        (r#"{"event_type":"view","user_id":1e999,"product_id":"p"}"#, "wrong_type", "user_id"),
        (
            r#"{"event_type":"view","user_id":"u","product_id":"p","timestamp":1e999}"#,
            "time_out_of_bounds",
            "timestamp",
        ),
    ];
    for (line, reason, field) in cases {
        assert_eq!(refused(line), (reason, Some(field)), "{line}");
    }
}

#[test]
fn size_is_limited() {
    let head = r#"{"event_type":"view","user_id":1,"product_id":2,"x":""#;
    let fill = PAYLOAD_BYTES_MAX - head.len() - 2;
    assert_eq!(accepted(&format!("{head}{}\"}}", "x".repeat(fill))).kind, EventKind::View);
    assert_eq!(refused(&format!("{head}{}\"}}", "x".repeat(fill + 1))), ("too_large", None));
}

#[test]
fn missing_fields_are_named_in_their_own_shape() {
    for (text, field) in [
        ("{}", "event"),
        (r#"{"event":null,"event_type":null}"#, "event"),
        (r#"{"event":"ProductView","properties":{"productid":1}}"#, "userid"),
        (r#"{"event":"ProductView","userid":1}"#, "properties.productid"),
        (r#"{"event":"ProductView","userid":1,"properties":null}"#, "properties.productid"),
        (r#"{"event":"ProductView","userid":1,"properties":{"productid":null}}"#, "properties.productid"),
        (r#"{"event_type":"view","product_id":1}"#, "user_id"),
        (r#"{"event_type":"view","user_id":null,"product_id":1}"#, "user_id"),
        (r#"{"event_type":"view","user_id":1}"#, "product_id"),
    ] {
        assert_eq!(refused(text), ("missing_field", Some(field)), "{text}");
    }
}

#[test]
fn wrong_types_are_named_in_their_own_shape() {
    for (text, field) in [
        (r#"{"event":7,"userid":1,"properties":{"productid":1}}"#, "event"),
        (r#"{"event_type":["view"],"user_id":1,"product_id":1}"#, "event_type"),
        (r#"{"event":"ProductView","userid":{},"properties":{"productid":1}}"#, "userid"),
        (r#"{"event":"ProductView","userid":1,"properties":"p"}"#, "properties.productid"),
        (r#"{"event":"ProductView","userid":1,"properties":[{"productid":1}]}"#, "properties.productid"),
        (r#"{"event":"ProductView","userid":1,"properties":{"productid":true}}"#, "properties.productid"),
        (r#"{"event_type":"view","user_id":1.0,"product_id":1}"#, "user_id"),
        (r#"{"event_type":"view","user_id":1,"product_id":99999999999999999999}"#, "product_id"),
        (r#"{"event_type":"view","user_id":1,"product_id":1,"timestamp":true}"#, "timestamp"),
    ] {
        assert_eq!(refused(text), ("wrong_type", Some(field)), "{text}");
    }
}

#[test]
fn unknown_events_are_refused() {
    for name in ["", "productview", "view", "ProductViewed"] {
        let line = format!(r#"{{"event":"{name}","userid":1,"properties":{{"productid":1}}}}"#);
        assert_eq!(refused(&line), ("unknown_event", Some("event")), "{name}");
    }
    for name in ["", "View", "ProductView", "refund"] {
        let line = format!(r#"{{"event_type":"{name}","user_id":1,"product_id":1}}"#);
        assert_eq!(refused(&line), ("unknown_event", Some("event_type")), "{name}");
    }
}

#[test]
fn the_recommendation_and_the_device_are_read_where_events_have_them() {
    let read = |more: &str| {
        let line = format!(r#"{{"event_type":"click","user_id":1,"product_id":2{more},"timestamp":1731000000}}"#);
        let event = accepted(&line);
        (event.answer.map(Cow::into_owned), event.device.map(Cow::into_owned))
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(read(""), (None, None));
    assert_eq!(read(r#","answer_id":"kT3Z""#), (text("kT3Z"), None));
    assert_eq!(read(r#","metadata":{"answer_id":"kT3Z"}"#), (text("kT3Z"), None));
    assert_eq!(read(r#","answer_id":"a","metadata":{"answer_id":"b"}"#), (text("a"), None));
    assert_eq!(read(r#","metadata":{"answer_id":"b"},"metadata":{}"#), (None, None));
    assert_eq!(read(r#","answer_id":{"a":1},"context":{"source":[1]}"#), (None, None), "other types are no error");
    assert_eq!(read(r#","context":{"a":{"source":"no"},"source":"web"}"#), (None, text("web")));
    assert_eq!(read(r#","context":"web""#), (None, None));
    assert_eq!(read(r#","context":{"source":"web"},"context":null"#), (None, None));
}
