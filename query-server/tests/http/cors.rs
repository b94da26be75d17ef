//! Requests from pages of other origins.

use std::sync::LazyLock;

use vitrine_query_server::{Key, Scope, Settings};

use crate::access::key;
use crate::client::Answer;
use crate::shop::{Shop, Start, patient};

const SHOP: &str = "https://shop.example";

fn with_origins(origins: &[&str]) -> Shop {
    let cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    Shop::with(Settings { cors_origins, ..patient() })
}

/// The header fields that a page may read because the server says so.
static EXPOSED: LazyLock<String> = LazyLock::new(|| {
    let shop = with_origins(&["*"]);
    let mut connection = shop.connect();
    connection.send(format!("GET /livez HTTP/1.1\r\nhost: shop\r\norigin: {SHOP}\r\n\r\n"));
    connection.answer().unwrap().header("access-control-expose-headers").unwrap().to_owned()
});

/// Header fields that every page may read, and those that are not for the scripts of pages.
const OTHERS: [&str; 13] = [
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "referrer-policy",
    "transfer-encoding",
    "vary",
    "vitrine-shown-ms",
    "x-content-type-options",
    "access-control-allow-origin",
    "access-control-expose-headers",
];

/// Asserts that a page of another origin can read each header field of this answer that is for it.
#[track_caller]
pub(crate) fn assert_readable(answer: &Answer) {
    for line in answer.head.trim_end().lines().skip(1) {
        let name = line.split(':').next().unwrap().to_lowercase();
        let is_readable = OTHERS.contains(&&*name) || EXPOSED.split(", ").any(|exposed| exposed == name);
        assert!(is_readable, "{name} is not in {}", *EXPOSED);
    }
}

fn preflight(shop: &Shop, path: &str, origin: &str) -> Answer {
    let mut connection = shop.connect();
    connection.send(format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: shop\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\
         access-control-request-headers: x-api-key\r\n\r\n"
    ));
    connection.answer().unwrap()
}

#[test]
fn without_the_setting_pages_of_other_origins_get_nothing() {
    let shop = Shop::open();
    preflight(&shop, "/v1/events", SHOP).assert_problem(405, "method-not-allowed");
    let answer = shop.connect().ask("GET", "/v1/bestsellers", &[("origin", SHOP)], b"");
    assert!(answer.status == 200 && !answer.head.to_lowercase().contains("access-control"), "{}", answer.head);
    assert_eq!(answer.header("vary"), None);
}

#[test]
fn pages_of_the_named_origins_may_ask_and_read() {
    let shop = with_origins(&[SHOP, "http://localhost:3000"]);
    for path in ["/v1/events", "/v1/bestsellers", "/api/v1/user_nav_history_latest_products/"] {
        let answer = preflight(&shop, path, SHOP);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(SHOP)), "{}", answer.head);
        let sent = answer.header("access-control-allow-headers").unwrap();
        for name in [
            "authorization",
            "content-encoding",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "last-event-id",
            "product-id",
            "user-id",
            "x-api-key",
            "x-request-id",
        ] {
            assert!(sent.split(", ").any(|sent| sent == name), "{name} is not in {sent}");
        }
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    assert_eq!(preflight(&shop, "/v1/events", SHOP).header("access-control-allow-methods"), Some("POST"));
    preflight(&shop, "/v1/events", "https://evil.example").assert_problem(405, "method-not-allowed");
    preflight(&shop, "/nothing", SHOP).assert_problem(404, "unknown-path");
    let mut connection = shop.connect();
    for target in ["/v1/bestsellers", "/v1/categories", "/v1/bestsellers?limit=0", "/nothing"] {
        let answer = connection.ask("GET", target, &[("origin", SHOP)], b"");
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP), "{target}: {}", answer.head);
        assert!(answer.header("access-control-expose-headers").unwrap().contains("retry-after"));
        for other in [&[("origin", "https://evil.example")][..], &[("origin", "null")], &[]] {
            let answer = connection.ask("GET", target, other, b"");
            assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, Some("origin")));
        }
    }
    let all = with_origins(&["*"]);
    let answer = all.connect().ask("GET", "/v1/bestsellers", &[("origin", "https://any.example")], b"");
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (Some("*"), None));
}

#[test]
fn a_preflight_needs_no_key_and_the_request_after_it_does() {
    let (token, own) = key(1, &[Scope::Read]);
    let own = Key { origins: vec![SHOP.into()], ..own };
    let settings = Settings { cors_origins: vec!["*".into()], ..patient() };
    let access = vitrine_query_server::Access::with_keys(vec![own]);
    let shop = Shop::guarded(settings, Start { access: Some(access.into()), ..Start::default() });
    assert_eq!(preflight(&shop, "/v1/bestsellers", SHOP).status, 204);
    let mut connection = shop.connect();
    let fields = |origin| [("x-api-key", token.expose()), ("origin", origin)];
    assert_eq!(connection.ask("GET", "/v1/bestsellers", &fields(SHOP), b"").status, 200);
    let refused = connection.ask("GET", "/v1/bestsellers", &fields("https://evil.example"), b"");
    refused.assert_problem(403, "wrong-origin");
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "the page may read the refusal");
}
