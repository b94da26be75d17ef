//! Erasures as Vitrine writes and reads them.

use super::*;

#[test]
fn an_erasure_names_a_user_and_keeps_its_time() {
    let line = crate::erasure_json("u", NOW + 9, "m");
    let event = accepted(&line);
    assert_eq!(
        (event.kind, event.kind.name(), &*event.user, event.product),
        (EventKind::Erasure, "erasure", "u", None)
    );
    assert_eq!(event.at, NOW + 9);
    assert_eq!(refused(r#"{"event":"UserErased","timestamp":1731000000}"#), ("missing_field", Some("userid")));
}
