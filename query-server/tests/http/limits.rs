//! The limits: the server reports each limit to the client if it can, and no request can bypass a limit.

use crate::client::Connection;
use crate::shop::{Mood, Shop, eventually, now_ms, short, viewed};

const OK: &str = "GET /livez HTTP/1.1\r\nhost: shop\r\n\r\n";

#[test]
fn a_header_too_large() {
    let shop = Shop::open();
    let value = "x".repeat(17 << 10);
    shop.connect().ask("GET", "/livez", &[("x-padding", &value)], b"").assert_problem(431, "header-too-large");
    let many: Vec<(String, String)> = (0..90).map(|n| (format!("x-{n}"), "x".repeat(200))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    shop.connect().ask("GET", "/livez", &many, b"").assert_problem(431, "header-too-large");
    let fits = "x".repeat(15 << 10);
    assert_eq!(shop.connect().ask("GET", "/livez", &[("x-padding", &fits)], b"").status, 200);
}

#[test]
fn a_header_that_cannot_even_be_read_is_told_so_too() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    let endless = "x".repeat(1 << 20);
    connection.ask("GET", "/livez", &[("x-padding", &endless)], b"").assert_problem(431, "header-too-large");
    assert!(connection.is_closed());
    let countless: Vec<(&str, &str)> = vec![("a", "b"); 200];
    shop.connect().ask("GET", "/livez", &countless, b"").assert_problem(431, "header-too-large");
    // A refusal after an ordinary answer on the same connection.
    let mut connection = shop.connect();
    assert_eq!(connection.get("/livez").status, 200);
    connection.ask("GET", "/livez", &countless, b"").assert_problem(431, "header-too-large");
    assert!(shop.get("/metrics").text().contains("vitrine_http_requests_total{route=\"none\",status=\"431\"} 3"));
}

#[test]
fn a_target_too_long() {
    let shop = Shop::open();
    for length in [9 << 10, 60 << 10, (64 << 10) - 2] {
        shop.get(&format!("/{}", "x".repeat(length))).assert_problem(414, "uri-too-long");
    }
    shop.get(&format!("/livez?{}", "x".repeat(9 << 10))).assert_problem(414, "uri-too-long");
    shop.get(&format!("/{}", "x".repeat(66_000))).assert_problem(414, "uri-too-long");
    // Longer than what is read before the line must end, on a connection that was used before too.
    let mut connection = shop.connect();
    assert_eq!(connection.get("/livez").status, 200);
    connection.get(&format!("/{}", "x".repeat(200_000))).assert_problem(414, "uri-too-long");
}

#[test]
fn a_body_too_large_announced_or_not() {
    let shop = Shop::with(short(|settings| settings.body_bytes_max = 10_000));
    let body = vec![b' '; 10_001];
    let mut connection = shop.connect();
    connection.ask("POST", "/v1/events", &[], &body).assert_problem(413, "body-too-large");
    assert!(connection.is_closed());
    connection = shop.connect();
    connection.send("POST /v1/events HTTP/1.1\r\nhost: shop\r\ncontent-length: 18446744073709551614\r\n\r\n");
    assert!(matches!(connection.answer().unwrap().status, 413 | 431));
    connection = shop.connect();
    connection.send("POST /v1/events HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..100 {
        connection.send(format!("3e8\r\n{}\r\n", " ".repeat(1000)));
    }
    connection.answer().unwrap().assert_problem(413, "body-too-large");
    // Without the body even being sent.
    connection = shop.connect();
    connection.send("POST /v1/events HTTP/1.1\r\nhost: shop\r\nexpect: 100-continue\r\ncontent-length: 10001\r\n\r\n");
    connection.answer().unwrap().assert_problem(413, "body-too-large");
    assert_eq!(shop.connect().ask("POST", "/v1/events", &[], &body[..10_000]).status, 422);
}

#[test]
fn a_large_answer_to_an_unread_body_arrives_whole() {
    let shop = Shop::with(short(|settings| settings.body_bytes_max = 1_000));
    for _ in 0..20 {
        let mut connection = shop.connect();
        let answer = connection.ask("POST", "/v1/events", &[], &vec![b'x'; 300_000]);
        answer.assert_problem(413, "body-too-large");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[test]
fn bodies_together_are_bounded() {
    let shop =
        Shop::with(short(|settings| (settings.bodies_bytes_max, settings.intake_timeout_ms) = (10_000, 600_000)));
    let held = format!("{{\"userid\":\"u\",\"productid\":\"p\",\"x\":\"{}\"}}", "x".repeat(7_000));
    shop.writer.set(Mood::Silent);
    let mut first = shop.connect();
    first.send(format!("POST /v1/events HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{held}", held.len()));
    eventually(|| shop.get("/metrics").text().contains(&format!("vitrine_http_body_bytes {}.0", held.len())));
    shop.connect().ask("POST", "/v1/events", &[], held.as_bytes()).assert_problem(503, "busy");
    drop(first);
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_body_bytes 0.0"));
}

#[test]
fn a_slow_header_is_cut_off() {
    let shop = Shop::with(short(|settings| settings.header_timeout_ms = 8_000));
    let mut silent = shop.connect();
    let mut half = shop.connect();
    half.send("GET /livez HTTP/1.1\r\nhost:");
    let mut second = shop.connect();
    assert_eq!(second.get("/livez").status, 200);
    second.send("GET /livez HT");
    assert!(silent.is_closed() && half.is_closed() && second.is_closed());
    // A byte now and then does not help.
    let mut dripping = shop.connect();
    let mut bytes = "GET /livez HTTP/1.1\r\nx: ".bytes().chain(std::iter::repeat(b'x'));
    eventually(|| {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
        dripping.send([bytes.next().unwrap()]);
        shop.get("/metrics").text().contains("vitrine_http_connections 1.0")
    });
    assert!(dripping.is_closed());
}

#[test]
fn an_idle_connection_is_closed() {
    let shop = Shop::with(short(|settings| settings.idle_timeout_ms = 100));
    let mut connection = shop.connect();
    assert_eq!(connection.get("/livez").status, 200);
    assert!(connection.is_closed());
}

#[test]
fn a_slow_body_is_cut_off() {
    let shop = Shop::with(short(|settings| (settings.body_timeout_ms, settings.idle_timeout_ms) = (300, 100)));
    for framing in ["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let mut connection = shop.connect();
        connection.send(format!("POST /v1/events HTTP/1.1\r\nhost: shop\r\n{framing}"));
        connection.answer().unwrap().assert_problem(408, "body-timeout");
        assert!(connection.is_closed());
    }
    // Asked for by 100-continue and never sent: neither idle nor forgotten.
    let mut connection = shop.connect();
    connection.send("POST /v1/events HTTP/1.1\r\nhost: shop\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n");
    assert_eq!(connection.answer().unwrap().status, 100);
    connection.answer().unwrap().assert_problem(408, "body-timeout");
}

#[test]
fn answers_nobody_reads_are_given_up() {
    let shop = Shop::with(short(|settings| settings.write_timeout_ms = 200));
    let mut deaf = shop.connect();
    // Enough answers to fill the buffers of both sides: then the server stops reading, too.
    let requests = "GET /assets/page.js HTTP/1.1\r\nhost: shop\r\n\r\n".repeat(2_000);
    deaf.send(requests);
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_connections 1.0"));
}

#[test]
fn one_connection_too_many_is_told_so() {
    let shop = Shop::with(short(|settings| settings.connections_max = 2));
    let (mut first, mut second) = (shop.connect(), shop.connect());
    assert_eq!(first.get("/livez").status, 200);
    assert_eq!(second.get("/livez").status, 200);
    for _ in 0..5 {
        let mut third = shop.connect();
        third.send(OK);
        third.answer().unwrap().assert_problem(503, "busy");
        assert!(third.is_closed());
    }
    drop(first);
    eventually(|| {
        let mut connection = shop.connect();
        connection.send(OK).answer().is_some_and(|answer| answer.status == 200)
    });
    assert!(second.get("/metrics").text().contains("vitrine_http_connections_refused_total"));
}

#[test]
fn answers_of_refusal_have_a_bound_and_further_connections_are_closed_without_one() {
    let shop = Shop::with(short(|settings| (settings.connections_max, settings.linger_ms) = (20, 600_000)));
    let mut served: Vec<Connection> = (0..20).map(|_| shop.connect()).collect();
    served.iter_mut().for_each(|connection| assert_eq!(connection.get("/livez").status, 200));
    // A quarter of the limit: each is being refused until the client closes it.
    let mut refused: Vec<Connection> = (0..5).map(|_| shop.connect()).collect();
    for connection in &mut refused {
        connection.answer().unwrap().assert_problem(503, "busy");
    }
    for _ in 0..5 {
        assert!(shop.connect().is_closed(), "without an answer");
    }
    drop(refused);
    eventually(|| shop.connect().answer().is_some_and(|answer| answer.status == 503));
}

#[test]
fn waits_are_counted() {
    let shop = Shop::with(short(|settings| (settings.waits_max, settings.wait_ms_max) = (1, 60_000)));
    shop.happened([viewed("user-1", "tea", now_ms())]);
    shop.writer.set(Mood::Lost);
    let mut connection = shop.connect();
    let event = br#"{"userid":"user-1","productid":"tea"}"#;
    let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    let target = format!("/v1/bestsellers?after={token}");
    let mut waiting = shop.connect();
    waiting.send(format!("GET {target} HTTP/1.1\r\nhost: shop\r\n\r\n"));
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_waits 1.0"));
    connection.get(&target).assert_problem(503, "busy");
    drop(waiting);
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_waits 0.0"));
    connection.get(&format!("{target}&wait_ms=1")).assert_problem(503, "not-visible-yet");
}
