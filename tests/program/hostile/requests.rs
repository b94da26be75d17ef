//! Hostile clients: the server answers them with the right status or closes the connection, and other clients are not
//! affected.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use harness::{http, wait_until};

use crate::shop::{SOON, Shop};

const EVENT: &str = r#"{"event":"ProductView","userid":"ada","properties":{"productid":"mug"}}"#;

const LIMITS: [(&str, &str); 2] = [("server.header_bytes_max", "8192"), ("server.body_bytes_max", "2048")];

/// How long the server waits for slow clients. On a busy machine an honest client takes seconds for its header.
const TIME_LIMITS: [(&str, &str); 2] = [("server.header_timeout_ms", "10000"), ("server.body_timeout_ms", "500")];

fn open() -> Shop {
    Shop::open(&LIMITS, |_| {})
}

fn connect(shop: &Shop) -> TcpStream {
    let url = shop.url("");
    let stream = TcpStream::connect(url.strip_prefix("http://").expect("an address")).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a time-out can be set");
    stream
}

/// Sends as much as is taken, and returns the statuses of the answers, up to `most` or the end of the connection.
fn statuses(shop: &Shop, bytes: &[u8], most: usize) -> Vec<u16> {
    let mut stream = connect(shop);
    // The server may have answered and closed before everything was sent.
    let _ = stream.write_all(bytes);
    let mut reader = BufReader::new(stream);
    let answers = std::iter::from_fn(|| http::read_answer(&mut reader, "GET").ok());
    answers.map(|answer| answer.status).take(most).collect()
}

fn is_well(shop: &Shop) {
    assert_eq!(http::get(&shop.url("/livez")).status, 200);
    assert_eq!(http::get(&shop.url("/v1/users/ada/history")).status, 200);
}

#[test]
fn every_wrong_request_has_its_status() {
    let shop = open();
    let long = "x".repeat(9 << 10);
    let post = |more: &str, body: &str| format!("POST /v1/events HTTP/1.1\r\nhost: a\r\n{more}\r\n\r\n{body}");
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
    for (request, status) in [
        (format!("GET /livez HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\n\r\n"), 431),
        (get(&format!("/{long}")), 414),
        (get(&format!("/v1/users/{}/history", "x".repeat(257))), 400),
        (post("content-length: 2049", &"x".repeat(2049)), 413),
        (post("content-length: 99999999999", ""), 413),
        (post("transfer-encoding: chunked", &format!("900\r\n{}\r\n0\r\n\r\n", " ".repeat(0x900))), 413),
        (post("transfer-encoding: chunked", "zz\r\n"), 400),
        (post("content-length: -1", ""), 400),
        (post("content-type: text/html\r\ncontent-length: 2", "{}"), 415),
        (post("content-length: 2", "{}"), 422),
        (post("content-length: 4", "\0\0\0\0"), 422),
        (get("/v1/users/%zz/history"), 400),
        (get("/v1/users/%ff/history"), 400),
        (get("/v1/users/%/history"), 400),
        (get("/v1/users//history"), 400),
        (get("/v1/users/ada/history?limit=%31%zz"), 400),
        (get("/v1/users/ada/history?after=%00"), 400),
        (get("/../../etc/passwd"), 404),
        (get("/v1/users/ada/history/"), 404),
        ("PUT /v1/bestsellers HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 405),
        ("BREW /v1/users/ada/history HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 405),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".to_owned(), 400),
        ("\r\n\r\n\r\nno request at all\r\n\r\n".to_owned(), 400),
    ] {
        assert_eq!(statuses(&shop, request.as_bytes(), 1), [status], "{:.120}", request.escape_debug().to_string());
        is_well(&shop);
    }
}

#[test]
fn slow_clients_are_cut_off_and_the_others_served() {
    let shop = Shop::open(&[LIMITS, TIME_LIMITS].concat(), |_| {});
    let starts = ["", "GET /livez HT", "GET /livez HTTP/1.1\r\nhost: a\r\nx:"];
    let mut slow: Vec<TcpStream> = starts
        .iter()
        .cycle()
        .take(30)
        .map(|start| {
            let mut stream = connect(&shop);
            stream.write_all(start.as_bytes()).expect("it is taken");
            stream
        })
        .collect();
    let mut without_body = connect(&shop);
    let head = format!("POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{{", EVENT.len());
    without_body.write_all(head.as_bytes()).expect("it is taken");
    is_well(&shop);
    let answer = http::read_answer(&mut BufReader::new(without_body), "POST").expect("an answer");
    assert_eq!(answer.status, 408);
    for stream in &mut slow {
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    is_well(&shop);
}

#[test]
fn a_pipelined_mix_is_answered_in_order_up_to_what_is_no_request() {
    let shop = open();
    let ask = |line: &str| format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n");
    let posted = format!("POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{EVENT}", EVENT.len());
    let requests = [
        ask("GET /v1/bestsellers"),
        ask("GET /v1/users/%zz/history"),
        posted.clone(),
        ask("GET /nowhere"),
        ask("PUT /v1/bestsellers"),
        posted,
        ask("GET /v1/users/ada/history"),
        "garbage\0\r\n\r\n".to_owned(),
        ask("GET /livez"),
    ];
    assert_eq!(statuses(&shop, requests.concat().as_bytes(), usize::MAX), [200, 400, 202, 404, 405, 202, 200, 400]);
    is_well(&shop);
    let products = || http::get(&shop.url("/v1/users/ada/history")).json()["products"].clone();
    wait_until(SOON, "the posted view shows", || products() == serde_json::json!(["mug"]));
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    let shop = open();
    for round in 0..300 {
        let mut stream = connect(&shop);
        if round % 2 == 0 {
            stream.write_all(b"GET /v1/bestsellers HTTP/1.1\r\nhost: a\r\n\r\nGET /v1").expect("it is taken");
        }
    }
    wait_until(SOON, "their connections are gone", || {
        let metrics = http::get(&shop.url("/metrics")).text();
        metrics.lines().any(|line| line.starts_with("vitrine_http_connections 1"))
    });
    is_well(&shop);
}
