//! Requests for users of another process of the cluster are forwarded to it, and counted.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Connection;
use crate::shop::{PASSED_ON, Shop, loopback, now_ms, viewed};

/// Requests that were passed on, and those that failed for `reason`.
fn counts(shop: &Shop, reason: &str) -> (u64, u64) {
    let answer = shop.get("/metrics");
    let text = answer.text();
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} is missing from\n{text}")).trim().parse().unwrap()
    };
    let failures = format!("vitrine_forwarding_failures_total{{reason=\"{reason}\"}}");
    (count("vitrine_forwarded_requests_total"), count(&failures))
}

#[test]
fn what_is_passed_on_is_answered_and_counted() {
    let [one, other] = Shop::pair();
    let user = one.user_elsewhere();
    other.happened([viewed(&user, "lamp", now_ms())]);
    assert_eq!(one.get(&format!("/v1/users/{user}/history")).products(), ["lamp"]);
    assert_eq!(counts(&one, "unreachable"), (1, 0));
    assert_eq!(counts(&other, "unreachable"), (0, 0), "it was asked, and passed nothing on");
    assert!(!one.get("/metrics").text().contains(&user));
}

#[test]
fn what_comes_to_nothing_is_counted_by_its_reason() {
    let own = loopback();
    // Not of the range from which connections of other tests take their ports.
    let addresses = [own.local_addr().unwrap(), ([127, 0, 0, 1], harness::free_port()).into()];
    let shop = Shop::beside(0, own, addresses);
    let path = format!("/v1/users/{}/history", shop.user_elsewhere());
    shop.get(&path).assert_problem(503, "owner-away");
    assert_eq!(counts(&shop, "unreachable"), (1, 1));
    let rude = TcpListener::bind(addresses[1]).unwrap();
    let hang_up = std::thread::spawn(move || drop(rude.accept()));
    shop.get(&path).assert_problem(503, "owner-away");
    hang_up.join().unwrap();
    assert_eq!(counts(&shop, "broken"), (2, 1));
    let alone = Shop::open().get("/metrics");
    assert!(!alone.text().contains("vitrine_forward"), "alone nothing can be passed on");
}

#[test]
fn a_read_fails_soon_after_its_own_wait_if_the_owner_hangs() {
    // The system takes the connections of the owner, and nobody answers.
    let (own, hanging) = (loopback(), loopback());
    let addresses = [own.local_addr().unwrap(), hanging.local_addr().unwrap()];
    let shop = Shop::beside(0, own, addresses);
    let user = shop.user_elsewhere();
    let written = shop.connect().ask("POST", "/v1/events", &[], br#"{"userid":"u","productid":"p"}"#).json();
    let token = written["token"].as_str().unwrap();
    assert_eq!(shop.get(&format!("/v1/bestsellers?after={token}")).status, 200, "it shows the write");
    let table = json!({"users": [user]}).to_string();
    let started = Instant::now();
    for (method, path, body) in [
        ("GET", format!("/v1/users/{user}/history"), ""),
        ("GET", format!("/v1/users/{user}/features/tea"), ""),
        ("POST", "/v1/features".to_owned(), &table),
    ] {
        let target = format!("{path}?after={token}&wait_ms=1");
        shop.connect().ask(method, &target, &[], body.as_bytes()).assert_problem(503, "owner-away");
    }
    // The longest wait of the server is a minute. A busy machine needs some of this time.
    assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
    assert_eq!(counts(&shop, "late"), (3, 3));
}

#[test]
fn a_removal_with_a_body_is_passed_on() {
    let [one, other] = Shop::pair();
    let user = one.user_elsewhere();
    other.happened([viewed(&user, "lamp", now_ms())]);
    let target = format!("/v1/users/{user}/history/lamp");
    let removed = one.connect().ask("DELETE", &target, &[("content-type", "application/json")], b"{}");
    assert_eq!(removed.status, 204);
    assert!(one.get(&format!("/v1/users/{user}/history")).products().is_empty());
    one.connect().ask("DELETE", &target, &[], b"").assert_problem(404, "not-in-history");
    assert_eq!(counts(&one, "unreachable"), (3, 0));
}

#[test]
fn a_request_is_passed_on_with_its_body_and_header_fields_and_so_is_its_answer() {
    let (own, owner) = (loopback(), loopback());
    let addresses = [own.local_addr().unwrap(), owner.local_addr().unwrap()];
    let shop = Shop::beside(0, own, addresses);
    let body = "x".repeat(100_000);
    let answering = std::thread::spawn({
        let body = body.clone();
        move || {
            let mut connection = Connection::over(owner.accept().unwrap().0);
            let head = String::from_utf8(connection.until(b"\r\n\r\n").unwrap()).unwrap().to_lowercase();
            assert_eq!(connection.until_bytes(body.len()).unwrap(), body.as_bytes());
            connection
                .send("HTTP/1.1 201 Created\r\netag: \"7\"\r\nlocation: /elsewhere\r\nconnection: keep-alive\r\n");
            connection.send("content-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
            head
        }
    });
    let path = format!("/v1/users/{}/history/tea?wait_ms=1&after=", shop.user_elsewhere());
    let token =
        shop.connect().ask("POST", "/v1/events", &[], br#"{"userid":"u","productid":"p"}"#).json()["token"].clone();
    let target = path + token.as_str().unwrap();
    let fields = [("if-match", "\"6\""), ("x-api-key", "secret"), ("content-type", "text/csv"), ("te", "trailers")];
    let mut client = shop.connect();
    client.send(format!("DELETE {target} HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n", body.len()));
    for (name, value) in fields {
        client.send(format!("{name}: {value}\r\n"));
    }
    client.send(format!("\r\n{body}"));
    let answer = client.answer().unwrap();
    let head = answering.join().unwrap();
    assert!(head.starts_with(&format!("delete {} http/1.1\r\n", target.to_lowercase())), "{head}");
    for field in ["if-match: \"6\"", "x-api-key: secret", "content-type: text/csv", "content-length: 100000"] {
        assert!(head.lines().any(|line| line == field), "{field} is missing from\n{head}");
    }
    assert!(head.contains("\r\nvitrine-shown-ms: ") && head.contains(&format!("\r\nhost: {}\r\n", addresses[1])));
    assert!(!head.contains("\r\nte:") && !head.contains("host: shop"), "{head}");
    assert_eq!((answer.status, answer.text(), answer.header("etag")), (201, "{}", Some("\"7\"")));
    assert_eq!((answer.header("location"), answer.header("connection")), (Some("/elsewhere"), None));
    let metrics = shop.get("/metrics");
    let line = "vitrine_http_requests_total{route=\"history_product\",status=\"201\"} 1";
    assert!(metrics.text().lines().any(|one| one == line), "{}", metrics.text());
}

#[test]
fn a_client_cannot_claim_that_its_request_was_passed_on() {
    let [one, other] = Shop::pair();
    let (here, there) = (other.user_elsewhere(), one.user_elsewhere());
    other.happened([viewed(&there, "tea", now_ms())]);
    one.happened([viewed(&here, "tea", now_ms())]);
    for claim in ["1", "99999999999999", "99999999999999 5ec2e", "1 other!", "abc", ""] {
        let mut client = one.connect();
        for user in [&here, &there] {
            let history = format!("/v1/users/{user}/history");
            let answer = client.ask("GET", &history, &[("vitrine-shown-ms", claim)], b"");
            assert_eq!((answer.status, answer.products()), (200, vec!["tea".to_owned()]), "{claim:?}");
            assert_eq!(answer.header("vitrine-shown-ms"), None);
        }
    }
}

#[test]
fn a_request_that_was_passed_on_to_the_wrong_process_is_counted_as_502() {
    let (own, gone) = (loopback(), loopback());
    let shop = Shop::beside(0, own.try_clone().unwrap(), [own.local_addr().unwrap(), gone.local_addr().unwrap()]);
    for path in ["history", "history/tea"] {
        let method = if path == "history" { "GET" } else { "DELETE" };
        let target = format!("/v1/users/{}/{path}", shop.user_elsewhere());
        shop.connect().ask(method, &target, &[PASSED_ON], b"").assert_problem(502, "misrouted");
    }
    let metrics = shop.get("/metrics");
    for route in ["history", "history_product"] {
        let line = format!("vitrine_http_requests_total{{route=\"{route}\",status=\"502\"}} 1");
        assert!(metrics.text().lines().any(|one| one == line), "{line} is missing from\n{}", metrics.text());
    }
}
