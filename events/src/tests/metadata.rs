//! What is read from `metadata`, and its bounds.

use super::*;

#[test]
fn metadata_gives_the_time_on_the_page_and_the_order() {
    let read = |kind: &str, metadata: &str| {
        let line = format!(
            r#"{{"event_type":"{kind}","user_id":1,"product_id":2,"metadata":{metadata},"timestamp":1731000000}}"#
        );
        let event = decoded(&line, Some(NOW)).map_err(|malformed| (malformed.reason(), malformed.field()))?;
        Ok((event.time_on_page_ms, event.order.map(Cow::into_owned)))
    };
    for (metadata, time_on_page_ms) in [
        (r#"{"time_on_page_ms":5400}"#, Some(5400)),
        (r#"{"time_on_page_ms":0}"#, Some(0)),
        (r#"{"a":{"time_on_page_ms":1},"time_on_page_ms":12.9}"#, Some(12)),
        (r#"{"time_on_page_ms":-1}"#, None),
        (r#"{"time_on_page_ms":"5400"}"#, None),
        (r#"{"time_on_page_ms":[1]}"#, None),
        ("{}", None),
        ("null", None),
        (r#"{"time_on_page_ms":5},"metadata":{}"#, None),
    ] {
        assert_eq!(read("view", metadata), Ok((time_on_page_ms, None)), "{metadata}");
    }
    let order = |id: &str| Ok((None, Some(id.to_owned())));
    assert_eq!(read("purchase", r#"{"order_id":"o-9"}"#), order("o-9"));
    assert_eq!(read("purchase", r#"{"order_id":9}"#), order("9"));
    assert_eq!(read("purchase", r#"{"order_id":""}"#), Ok((None, None)));
    assert_eq!(read("view", r#"{"order_id":"o-9"}"#), Ok((None, None)));
    let deep = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(read("view", &deep(8)).is_ok());
    let large = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert!(read("view", &large(65_536)).is_ok());
    for (metadata, reason) in [
        ("7".to_owned(), "metadata_no_object"),
        ("[]".to_owned(), "metadata_no_object"),
        (deep(9), "metadata_too_deep"),
        (large(65_537), "metadata_too_large"),
    ] {
        assert_eq!(read("view", &metadata), Err((reason, Some("metadata"))));
    }
}
