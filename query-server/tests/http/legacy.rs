//! The two addresses that other shops already use: three keys, ids in header fields.

use crate::shop::{Shop, bought, now_ms, product, viewed};

const HISTORY: &str = "/api/v1/user_nav_history_latest_products";
const RECOMMENDATIONS: &str = "/api/v1/user_history_recommendations";

#[test]
fn exactly_three_keys_with_or_without_the_last_slash() {
    let shop = Shop::open();
    shop.happened([product("tea", "drinks"), viewed("user-1", "tea", now_ms())]);
    shop.happened(bought("tea", 1).chain(bought("mug", 2)));
    let mut connection = shop.connect();
    for slash in ["", "/"] {
        let history = connection.ask("GET", &format!("{HISTORY}{slash}"), &[("user-id", "user-1")], b"");
        assert_eq!(history.text(), r#"{"user-id":"user-1","products":["tea"],"type":"personalized"}"#);
        let target = format!("{RECOMMENDATIONS}{slash}");
        let known = connection.ask("GET", &target, &[("User-Id", "user-1")], b"");
        assert_eq!(known.text(), r#"{"user-id":"user-1","products":["tea"],"type":"personalized"}"#);
        let unknown = connection.ask("GET", &target, &[("user-id", "nobody")], b"");
        assert_eq!(unknown.text(), r#"{"user-id":"nobody","products":["mug","tea"],"type":"non-personalized"}"#);
    }
}

#[test]
fn ids_in_header_fields_are_taken_as_they_are() {
    let shop = Shop::open();
    shop.happened([viewed("a%20b", "tea", now_ms()), viewed("größe", "mug", now_ms())]);
    let mut connection = shop.connect();
    assert_eq!(connection.ask("GET", HISTORY, &[("user-id", "a%20b")], b"").products(), ["tea"]);
    assert_eq!(connection.ask("GET", HISTORY, &[("user-id", "größe")], b"").products(), ["mug"]);
}

#[test]
fn a_removal_by_header_fields() {
    let shop = Shop::open();
    shop.happened([viewed("user-1", "tea", now_ms())]);
    let mut connection = shop.connect();
    let ids = [("user-id", "user-1"), ("product-id", "tea")];
    let slashed = format!("{HISTORY}/");
    assert_eq!(connection.ask("DELETE", &slashed, &ids, b"").status, 204);
    assert!(connection.ask("GET", HISTORY, &ids[..1], b"").products().is_empty());
    connection.ask("DELETE", HISTORY, &ids, b"").assert_problem(404, "not-in-history");
}

#[test]
fn missing_and_wrong_header_fields_are_named() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for (method, target, headers, name) in [
        ("GET", HISTORY, vec![], "user-id"),
        ("GET", RECOMMENDATIONS, vec![("product-id", "tea")], "user-id"),
        ("DELETE", HISTORY, vec![("product-id", "tea")], "user-id"),
        ("DELETE", HISTORY, vec![("user-id", "user-1")], "product-id"),
    ] {
        let answer = connection.ask(method, target, &headers, b"");
        answer.assert_problem(400, "missing-header");
        assert!(answer.json()["detail"].as_str().unwrap().contains(name), "{}", answer.text());
    }
    let long = "x".repeat(257);
    for headers in [vec![("user-id", "")], vec![("user-id", &*long)], vec![("user-id", "a"), ("user-id", "a")]] {
        let answer = connection.ask("GET", HISTORY, &headers, b"");
        assert!(answer.assert_problem(400, "bad-header").text().contains("user-id"));
    }
    connection.send(b"GET /api/v1/user_history_recommendations/ HTTP/1.1\r\nhost: shop\r\nuser-id: \xff\xfe\r\n\r\n");
    connection.answer().unwrap().assert_problem(400, "bad-header");
    connection
        .ask("GET", &format!("{HISTORY}?limit=1"), &[("user-id", "u")], b"")
        .assert_problem(400, "unknown-parameter");
}
