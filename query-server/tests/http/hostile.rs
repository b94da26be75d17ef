//! Hostile requests: the server answers any input or closes the connection, and continues.

use harness::Dice;

use crate::client::Connection;
use crate::shop::{Shop, short};

/// Sends, ends the writing half, and returns the statuses of all answers.
fn statuses(mut connection: Connection, bytes: &[u8]) -> Vec<u16> {
    connection.send(bytes).close_writing();
    let mut statuses = Vec::new();
    while let Some(answer) = connection.head() {
        statuses.push(answer.status);
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let body_follows = !matches!(answer.status, 100 | 204 | 304);
        if body_follows && length > 0 && connection.until_bytes(length).is_none() {
            break;
        }
    }
    statuses
}

#[test]
fn what_is_not_http_is_refused_with_a_reason() {
    let shop = Shop::open();
    for (bytes, status) in [
        ("\0\0\0\0\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\n\r\n", 400),
        ("GET /\u{1} HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nbad name: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n", 400),
        ("POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        ("POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\n", 400),
        ("POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        ("POST /v1/events HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        ("CONNECT shop:80 HTTP/1.1\r\nhost: a\r\n\r\n", 404),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 404),
        ("GET /livez HTTP/1.1\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET http://elsewhere/nothing HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    ] {
        let mut connection = shop.connect();
        connection.send(bytes);
        let answer = connection.answer().unwrap_or_else(|| panic!("{bytes:?} was not answered"));
        assert_eq!(answer.status, status, "{bytes:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{bytes:?}");
        assert!(answer.json()["detail"].is_string());
    }
    assert_eq!(shop.get("/livez").status, 200);
}

#[test]
fn mutated_requests_do_no_harm() {
    let shop = Shop::with(short(|settings| (settings.header_timeout_ms, settings.linger_ms) = (2_000, 50)));
    let body = r#"[{"userid":"user-1","productid":"tea"},{"userid":"user-1","productid":"mug"}]"#;
    let seeds = [
        "GET /v1/users/user-1/history?limit=3&explain=true HTTP/1.1\r\nhost: shop\r\naccept: */*\r\n\r\n".to_owned(),
        "GET /api/v1/user_history_recommendations/ HTTP/1.1\r\nhost: shop\r\nuser-id: user-1\r\n\r\n".to_owned(),
        format!(
            "POST /v1/events HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ),
        format!(
            "POST /v1/events HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
        "DELETE /v1/users/user-1/history/te%61 HTTP/1.1\r\nhost: shop\r\n\r\n".to_owned(),
        "GET /v1/categories/c%20d/bestsellers HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n".to_owned(),
    ];
    let mut dice = Dice::new(7);
    let mut answered = 0;
    for round in 0..1_500 {
        let mut bytes = seeds[dice.below(seeds.len())].clone().into_bytes();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(5) {
                0 => bytes[at] = dice.roll() as u8,
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"%\r\n\0 ?&=/\xff"[dice.below(10)]),
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let copied = bytes[at..].to_vec();
                    bytes.extend(copied);
                }
            }
        }
        for status in statuses(shop.connect(), &bytes) {
            let expected =
                matches!(status, 100 | 200 | 202 | 204 | 400 | 404 | 405 | 408 | 413 | 414 | 415 | 417 | 422 | 431);
            assert!(expected, "round {round}: {status} to {:?}", String::from_utf8_lossy(&bytes));
            answered += 1;
        }
    }
    assert!(answered > 700, "{answered}");
    assert_eq!(shop.get("/livez").status, 200);
    assert_eq!(shop.get("/v1/users/user-1/history").status, 200);
}
