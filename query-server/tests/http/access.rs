//! Keys: which request needs which scope, rates, the ids of requests, and the audit log.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use vitrine_query_server::{Access, AuditEntry, AuditLog, AuditUnavailable, BoxFuture, Key, KeyId, Rate, Scope, Token};

use crate::client::Answer;
use crate::rows;
use crate::shop::{PASSED_ON, Shop, Start, loopback, now_ms, patient, viewed};

/// A key with these scopes.
pub(crate) fn key(id: u32, scopes: &[Scope]) -> (Token, Key) {
    let token = Token::new(KeyId(id), &[id as u8; 32]);
    let scopes = scopes.iter().copied().collect();
    let key = Key { id: KeyId(id), digest: token.digest(), scopes, origins: Vec::new(), rate: None };
    (token, key)
}

fn start(keys: impl IntoIterator<Item = Key>) -> Start {
    Start { access: Some(Arc::new(Access::with_keys(keys.into_iter().collect()))), ..Start::default() }
}

fn guarded(keys: impl IntoIterator<Item = Key>) -> Shop {
    Shop::guarded(patient(), start(keys))
}

/// The header of the answer to a request with or without a key, on a connection of its own.
fn head(shop: &Shop, method: &str, path: &str, key: Option<&str>) -> Answer {
    let key = key.map(|key| format!("x-api-key: {key}\r\n")).unwrap_or_default();
    let ids = "user-id: ada\r\nproduct-id: mug\r\ncontent-length: 0\r\n";
    let mut connection = shop.connect();
    connection.send(format!("{method} {path} HTTP/1.1\r\nhost: shop\r\n{key}{ids}\r\n"));
    connection.head().unwrap()
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Every path with each method and each key: only a key with the scope of the operation gets past the check.
#[test]
fn every_operation_needs_its_scope_and_no_other() {
    let keys: Vec<(Scope, Token, Key)> = (1..)
        .zip(Scope::OF_KEYS)
        .map(|(id, scope)| {
            let (token, key) = key(id, &[scope]);
            (scope, token, key)
        })
        .collect();
    let shop = guarded(keys.iter().map(|(_, _, key)| key.clone()));
    let document = shop.get("/openapi.json").json();
    let mut counts = [0; 4];
    for (template, item) in document["paths"].as_object().unwrap() {
        let values = [
            ("{user}", "ada"),
            ("{product}", "mug"),
            ("{category}", "drinks"),
            ("{purchase}", "1"),
            ("{line}", "1"),
            ("{rule}", "r"),
        ];
        let path = values.iter().fold(template.clone(), |path, (name, value)| path.replace(name, value));
        assert!(!path.contains('{'), "{path}");
        for method in METHODS {
            let declared = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
            let scope = item.get(&declared).map(|operation| operation["x-scope"].as_str().unwrap().to_owned());
            let wrong = Token::new(KeyId(1), &[99; 32]);
            let callers = [(None, None), (Some("wrong"), Some(wrong.expose()))].into_iter();
            let callers = callers.chain(keys.iter().map(|(own, token, _)| (Some(own.word()), Some(token.expose()))));
            for (own, key) in callers {
                let answer = head(&shop, method, &path, key);
                let at = format!("{method} {path} with {own:?} needs {scope:?}: {}", answer.head);
                let expected = match (scope.as_deref(), own) {
                    (None, _) => 0,
                    (Some("none"), _) => 1,
                    (Some(_), None | Some("wrong")) => 2,
                    (Some(needed), Some(own)) if needed == own => 1,
                    (Some(_), Some(_)) => 3,
                };
                match expected {
                    0 => assert_eq!(answer.status, 405, "{at}"),
                    1 => assert!(!matches!(answer.status, 401 | 403 | 405 | 429), "{at}"),
                    2 => assert_eq!(answer.status, 401, "{at}"),
                    _ => assert_eq!(answer.status, 403, "{at}"),
                }
                counts[expected] += 1;
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}

/// A scope that is changed by accident fails here: the declarations are not asked.
#[test]
fn what_is_free_and_what_each_scope_allows() {
    let document = guarded([]).get("/openapi.json").json();
    let mut found: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["x-scope"].as_str().unwrap();
            let security = operation["security"].as_array().unwrap();
            match scope {
                "none" => assert!(security.is_empty(), "{path}"),
                _ => {
                    assert_eq!((&security[0]["key"][0], &security[1]["bearer"][0]), (&scope.into(), &scope.into()));
                }
            }
            if scope != "read" {
                found.push((format!("{method} {path}"), scope.to_owned()));
            }
        }
    }
    found.retain(|(at, _)| !at.starts_with("get /assets/") && !at.starts_with("get /docs/"));
    found.sort();
    let rows: Vec<(String, String)> =
        found.extract_if(.., |(at, _)| rows::is_of_rows(at.split_once(' ').unwrap().1)).collect();
    // Of each kind: add, replace, change, delete, batch; two marks of purchases; two readings each of users and purchases.
    // Besides: an import of each kind and of a whole shop; exports of users and of purchases.
    assert_eq!(rows.len(), 4 * 5 + 2 + 2 * 2 + 5 + 2);
    for (at, scope) in rows {
        assert_eq!(scope, if at.starts_with("delete") { "delete" } else { "write" }, "{at}");
    }
    let expected = [
        ("delete /api/v1/user_nav_history_latest_products", "delete"),
        ("delete /api/v1/user_nav_history_latest_products/", "delete"),
        ("delete /v1/rules/{rule}", "delete"),
        ("delete /v1/users/{user}/history/{product}", "delete"),
        ("get /", "none"),
        ("get /docs", "none"),
        ("get /livez", "none"),
        ("get /openapi.json", "none"),
        ("get /readyz", "none"),
        ("post /v1/events", "events"),
        ("put /v1/rules/{rule}", "write"),
    ];
    assert_eq!(found, expected.map(|(at, scope)| (at.to_owned(), scope.to_owned())));
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!((&schemes["key"]["name"], &schemes["bearer"]["scheme"]), (&"x-api-key".into(), &"bearer".into()));
}

#[test]
fn refusals_say_why_and_never_show_the_key() {
    let (token, own) = key(1, &[Scope::Events]);
    let shop = guarded([own]);
    let mut connection = shop.connect();
    for target in ["/v1/bestsellers", "/v1/categories"] {
        let missing = connection.get(target);
        missing.assert_problem(401, "missing-key");
        assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"vitrine\""));
        let almost = format!("{}x", token.expose());
        let wrong = connection.ask("GET", target, &[("authorization", &format!("Bearer {almost}"))], b"");
        wrong.assert_problem(401, "wrong-key");
        assert!(wrong.header("www-authenticate").unwrap().ends_with("error=\"invalid_token\""));
        let lacking = connection.ask("GET", target, &[("x-api-key", token.expose())], b"");
        lacking.assert_problem(403, "missing-scope");
        assert!(lacking.text().contains("scope read"));
        let twice = [("x-api-key", token.expose()), ("x-api-key", token.expose())];
        let twice = connection.ask("GET", target, &twice, b"");
        twice.assert_problem(400, "bad-header");
        for answer in [missing, wrong, lacking, twice] {
            assert!(!answer.head.contains("vt_") && !answer.text().contains("vt_"));
        }
    }
    let event = br#"{"userid":"u","productid":"p"}"#;
    let refused = connection.ask("POST", "/v1/events", &[], event);
    refused.assert_problem(401, "missing-key");
    assert!(connection.is_closed(), "its body was not read");
    let taken = shop.connect().ask("POST", "/v1/events", &[("x-api-key", token.expose())], event);
    assert_eq!(taken.status, 202);
}

#[test]
fn a_key_is_used_as_often_as_its_rate_allows() {
    let (token, own) = key(1, &[Scope::Read]);
    let (free_token, free) = key(2, &[Scope::Read]);
    // The tokens come back so slowly that none does during the test.
    let shop = guarded([Key { rate: Some(Rate { requests_per_s: 1, burst: 600 }), ..own }, free]);
    let mut connection = shop.connect();
    let mut asked = |token: &Token| {
        let target = ["/v1/bestsellers", "/v1/categories"];
        target.map(|target| connection.ask("GET", target, &[("x-api-key", token.expose())], b""))
    };
    let mut left = Vec::new();
    let refused = loop {
        let [hot, routed] = asked(&token);
        if let Some(refused) = [&hot, &routed].into_iter().find(|answer| answer.status == 429) {
            break refused.clone();
        }
        for answer in [hot, routed] {
            assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, Some("\"key\";q=600;w=600")));
            let (rest, _) =
                answer.header("ratelimit").unwrap().strip_prefix("\"key\";r=").unwrap().split_once(';').unwrap();
            left.push(rest.parse::<u64>().unwrap());
        }
    };
    refused.assert_problem(429, "too-often");
    assert!(refused.header("ratelimit").unwrap().starts_with("\"key\";r=0;t="), "{}", refused.head);
    assert!(left.len() >= 600 && left[0] == 599 && *left.last().unwrap() <= 1, "{left:?}");
    let [hot, routed] = asked(&free_token);
    assert_eq!((hot.status, routed.status, hot.header("ratelimit")), (200, 200, None), "other keys are not affected");
}

#[test]
fn keys_are_replaced_while_requests_come() {
    let (old_token, old) = key(1, &[Scope::Read]);
    let (new_token, new) = key(2, &[Scope::Read]);
    let access = Arc::new(Access::with_keys(vec![old.clone()]));
    let shop = Shop::guarded(patient(), Start { access: Some(access.clone()), ..Start::default() });
    let mut connection = shop.connect();
    let mut statuses = || {
        [&old_token, &new_token]
            .map(|token| connection.ask("GET", "/v1/bestsellers", &[("x-api-key", token.expose())], b"").status)
    };
    assert_eq!(statuses(), [200, 401]);
    access.replace(vec![old, new.clone()]);
    assert_eq!(statuses(), [200, 200]);
    access.replace(vec![new]);
    assert_eq!(statuses(), [401, 200]);
}

#[test]
fn a_request_keeps_its_id_and_an_error_has_one_in_every_case() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for target in ["/v1/bestsellers", "/v1/categories", "/nothing", "/v1/bestsellers?limit=0"] {
        let answer = connection.ask("GET", target, &[("x-request-id", "a-1.b:2")], b"");
        assert_eq!(answer.header("x-request-id"), Some("a-1.b:2"), "{target}");
        let made = connection.get(target).header("x-request-id").map(str::to_owned);
        assert!(made.is_none_or(|id| id.len() == 22), "{target}");
    }
    assert!(connection.get("/nothing").header("x-request-id").is_some());
    assert!(connection.get("/v1/bestsellers?limit=0").header("x-request-id").is_some());
    for wrong in ["", "a b", "é", &"x".repeat(129)] {
        let answer = connection.ask("GET", "/v1/bestsellers", &[("x-request-id", wrong)], b"");
        answer.assert_problem(400, "bad-header");
    }
    let twice = [("x-request-id", "a"), ("x-request-id", "b")];
    connection.ask("GET", "/v1/categories", &twice, b"").assert_problem(400, "bad-header");
}

/// A process passes a request on with its key, and the owner checks the key again.
#[test]
fn requests_are_passed_on_with_their_keys() {
    let (token, own) = key(1, &[Scope::Read, Scope::Delete]);
    let listeners = [loopback(), loopback()];
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let [one, other] = listeners;
    let one = Shop::guarded_beside(0, one, addresses, start([own.clone()]));
    let other = Shop::guarded_beside(1, other, addresses, start([own]));
    let user = one.user_elsewhere();
    other.happened([viewed(&user, "lamp", now_ms())]);
    let history = format!("/v1/users/{user}/history");
    let fields = [("x-api-key", token.expose()), ("x-request-id", "r-7")];
    let mut connection = one.connect();
    let answer = connection.ask("GET", &history, &fields, b"");
    assert_eq!((answer.products(), answer.header("x-request-id")), (vec!["lamp".to_owned()], Some("r-7")));
    assert_eq!(connection.ask("DELETE", &format!("{history}/lamp"), &fields, b"").status, 204);
    connection.get(&history).assert_problem(401, "missing-key");
    // What claims to come from a process is checked like every other request.
    let claims = [PASSED_ON];
    other.connect().ask("GET", &history, &claims, b"").assert_problem(401, "missing-key");
}

/// An audit log in memory. A test can make it refuse entries.
#[derive(Default)]
pub(crate) struct TestAudit {
    pub(crate) entries: Mutex<Vec<AuditEntry>>,
    is_full: std::sync::atomic::AtomicBool,
}

impl AuditLog for TestAudit {
    fn record(&self, entry: AuditEntry) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        let is_full = self.is_full.load(std::sync::atomic::Ordering::SeqCst);
        if !is_full {
            self.entries.lock().unwrap().push(entry);
        }
        Box::pin(async move { if is_full { Err(AuditUnavailable("the disk is full".into())) } else { Ok(()) } })
    }
}

#[test]
fn removals_are_in_the_audit_log_with_who_what_when_and_result() {
    let (token, own) = key(0xabc, &[Scope::Read, Scope::Delete]);
    let audit = Arc::new(TestAudit::default());
    let shop = Shop::guarded(patient(), Start { audit: Some(audit.clone()), ..start([own]) });
    shop.happened([viewed("a/b", "tea", now_ms()), viewed("a/b", "cup", now_ms())]);
    let mut connection = shop.connect();
    let before = now_ms();
    let own = ("x-api-key", token.expose());
    let fields = [own, ("x-request-id", "r-1")];
    assert_eq!(connection.ask("DELETE", "/v1/users/a%2Fb/history/tea", &fields, b"").status, 204);
    let legacy = [own, ("user-id", "a/b"), ("product-id", "tea")];
    let target = "/api/v1/user_nav_history_latest_products/";
    connection.ask("DELETE", target, &legacy, b"").assert_problem(404, "not-in-history");
    connection.ask("DELETE", target, &[], b"").assert_problem(401, "missing-key");
    connection.ask("GET", "/v1/users/a%2Fb/history", &[own], b"");
    let entries = audit.entries.lock().unwrap().clone();
    let seen: Vec<_> = entries.iter().map(|entry| (&*entry.who, entry.what, &*entry.target, entry.status)).collect();
    let path = "/v1/users/a%2Fb/history/tea";
    assert_eq!(
        seen,
        [("key 00000abc", "history.remove", path, 204), ("key 00000abc", "history.remove", path, 404)],
        "what was refused for its key, and what only reads, is not there"
    );
    assert_eq!(entries[0].request_id.as_deref(), Some("r-1"));
    assert!((before..=now_ms()).contains(&entries[0].at_ms) && entries[1].request_id.is_none());
    audit.is_full.store(true, std::sync::atomic::Ordering::SeqCst);
    let unaudited = connection.ask("DELETE", "/v1/users/a%2Fb/history/cup", &fields, b"");
    unaudited.assert_problem(503, "not-audited");
    assert!(unaudited.text().contains("answered with 204"), "{}", unaudited.text());
}

#[test]
fn metrics_count_refusals_and_name_no_key() {
    let (token, own) = key(0xabc, &[Scope::Read]);
    let shop = guarded([own]);
    let mut connection = shop.connect();
    connection.get("/v1/bestsellers").assert_problem(401, "missing-key");
    let metrics = connection.ask("GET", "/metrics", &[("x-api-key", token.expose())], b"");
    let line = "vitrine_http_requests_total{route=\"bestsellers\",status=\"401\"} 1";
    assert!(metrics.text().lines().any(|one| one == line) && !metrics.text().contains("abc"));
    let status: Value = connection.ask("GET", "/v1/status", &[("x-api-key", token.expose())], b"").json();
    assert!(!status.to_string().contains("abc"));
}
