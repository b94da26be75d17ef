//! Connections: kept alive, pipelined, split anywhere, and ended in order.

use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use crate::shop::{Mood, Shop, eventually, now_ms, short, viewed};

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: shop\r\n\r\n")
}

#[test]
fn one_connection_many_answers() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for n in 0..1_000 {
        let answer = connection.get(&format!("/v1/users/user-{n}/history"));
        assert_eq!(answer.json()["user-id"], format!("user-{n}"));
    }
    assert!(connection.get("/metrics").text().contains("vitrine_http_connections 1.0"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let shop = Shop::open();
    shop.happened([viewed("user-1", "tea", now_ms())]);
    let mut connection = shop.connect();
    let event = r#"{"userid":"user-2","productid":"mug"}"#;
    let mut all = String::new();
    for n in 0..100 {
        all += &request(&format!("/v1/users/user-{n}/history"));
        all += &format!("POST /v1/events HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{event}", event.len());
        all += &request("/nothing");
        all += "DELETE /v1/users/user-1/history/tea HTTP/1.1\r\nhost: shop\r\n\r\n";
    }
    connection.send(all);
    for n in 0..100 {
        assert_eq!(connection.answer().unwrap().json()["user-id"], format!("user-{n}"));
        assert_eq!(connection.answer().unwrap().status, 202);
        assert_eq!(connection.answer().unwrap().status, 404);
        assert_eq!(connection.answer().unwrap().status, if n == 0 { 204 } else { 404 });
    }
}

#[test]
fn requests_in_pieces() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    let body = r#"{"userid":"user-2","productid":"mug"}"#;
    let post = format!("POST /v1/events HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for (request, status) in [(request("/livez"), 200), (post, 202), (request("/v1/users/%41/history"), 200)] {
        for byte in request.bytes() {
            connection.send([byte]);
        }
        assert_eq!(connection.answer().unwrap().status, status);
    }
}

#[test]
fn connections_close_when_asked() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    assert_eq!(connection.ask("GET", "/livez", &[("connection", "close")], b"").status, 200);
    assert!(connection.is_closed());
    let mut old = shop.connect();
    old.send("GET /livez HTTP/1.0\r\n\r\n");
    let answer = old.answer().unwrap();
    assert!(answer.head.starts_with("HTTP/1.0 200") || answer.head.starts_with("HTTP/1.1 200"));
    assert!(old.is_closed());
    let mut kept = shop.connect();
    for _ in 0..2 {
        kept.send("GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        assert_eq!(kept.answer().unwrap().status, 200);
    }
    let mut half = shop.connect();
    half.send(request("/livez"));
    assert_eq!(half.answer().unwrap().status, 200);
    assert!(half.close_writing().is_closed());
}

#[test]
fn a_body_nobody_wants_does_not_become_a_request() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    let smuggled = request("/metrics");
    connection
        .send(format!("GET /livez HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{smuggled}", smuggled.len()));
    assert_eq!(connection.answer().unwrap().json()["live"], true);
    connection.send(request("/readyz"));
    if let Some(answer) = connection.answer() {
        assert_eq!(answer.json()["ready"], true, "the next answer is to the next request");
    }
}

#[test]
fn an_address_is_taken_once() {
    let shop = Shop::open();
    let second = TcpListener::bind(shop.address).unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn the_end_answers_what_is_in_flight_and_closes_the_rest() {
    let mut shop = Shop::with(short(|settings| (settings.wait_ms_max, settings.shutdown_ms) = (60_000, 120_000)));
    shop.writer.set(Mood::Lost);
    let event = br#"{"userid":"user-1","productid":"tea"}"#;
    let mut waiting = shop.connect();
    let token = waiting.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    let mut idle = shop.connect();
    assert_eq!(idle.get("/livez").status, 200);
    let asked = Instant::now();
    // On a busy machine seconds pass until the wait is seen.
    waiting.send(request(&format!("/v1/bestsellers?after={token}&wait_ms=10000")));
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_waits 1.0"));
    shop.end();
    assert!(asked.elapsed().as_millis() >= 10_000, "it waited for the answer");
    let answer = waiting.answer().unwrap();
    answer.assert_problem(503, "not-visible-yet");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(waiting.is_closed() && idle.is_closed());
    assert!(TcpStream::connect(shop.address).is_err(), "nobody listens");
}

#[test]
fn at_the_end_half_a_head_has_no_more_time_than_before() {
    let settings = short(|settings| (settings.header_timeout_ms, settings.shutdown_ms) = (3_000, 600_000));
    let mut shop = Shop::with(settings);
    let mut half = shop.connect();
    half.send("GET /livez HTTP/1.1\r\n");
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_connections 2.0"));
    let started = Instant::now();
    shop.end();
    assert!(started.elapsed() < crate::client::PATIENCE);
    assert!(half.is_closed());
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let mut shop = Shop::with(short(|settings| settings.shutdown_ms = 300));
    shop.writer.set(Mood::Silent);
    let mut stuck = shop.connect();
    let event = r#"{"userid":"user-2","productid":"mug"}"#;
    stuck.send(format!("POST /v1/events HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{event}", event.len()));
    let mut half = shop.connect();
    half.send("GET /livez HTTP/1.1\r\n");
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_connections 3.0"));
    let started = Instant::now();
    shop.end();
    assert!(started.elapsed() < crate::client::PATIENCE / 4);
    assert!(stuck.is_closed() && half.is_closed());
}
