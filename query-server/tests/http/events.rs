//! Events: a request writes all of its events or none, and is answered only after the acknowledgement.

use serde_json::json;

use crate::client::{Answer, Connection};
use crate::shop::{Mood, Shop, short};

const JSON: (&str, &str) = ("content-type", "application/json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

fn event(n: usize) -> String {
    json!({"userid": "user-1", "productid": format!("product-{n}"), "timestamp": 1_795_169_700_000_u64 + n as u64})
        .to_string()
}

fn post(connection: &mut Connection, headers: &[(&str, &str)], body: &str) -> Answer {
    connection.ask("POST", "/v1/events", headers, body.as_bytes())
}

#[test]
fn one_an_array_or_one_a_line() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    let pretty = "{\n  \"userid\": \"user-1\",\r\n  \"productid\": \"product-0\"\n}\n";
    for (headers, body, count) in [
        (vec![JSON], event(1), 1),
        (vec![], event(2), 1),
        (vec![("content-type", "application/json; charset=utf-8")], format!("[{}, {}]", event(3), event(4)), 2),
        (vec![LINES], format!("{}\n{}\r\n\n{}", event(5), event(6), event(7)), 3),
        (vec![JSON], pretty.into(), 1),
    ] {
        let answer = post(&mut connection, &headers, &body);
        assert_eq!((answer.status, &answer.json()["accepted"]), (202, &json!(count)), "{body}: {}", answer.text());
        assert!(!answer.json()["token"].as_str().unwrap().is_empty());
    }
    assert_eq!(shop.records().len(), 8);
    let many: Vec<String> = (0..5_000).map(event).collect();
    let answer = post(&mut connection, &[LINES], &many.join("\n"));
    assert_eq!((answer.status, &answer.json()["accepted"]), (202, &json!(5_000)));
    assert_eq!(shop.records().len(), 5_008);
    let long = format!("[{},{{}}]", many.join(","));
    assert_eq!(post(&mut connection, &[JSON], &long).assert_problem(422, "malformed-event").json()["index"], 5_000);
}

/// `navigator.sendBeacon(address, text)` of a page sends the text as this, and whatever the answer is nobody sees it.
#[test]
fn what_a_page_sends_as_it_is_left_is_taken() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for (media_type, body, count) in [
        ("text/plain;charset=UTF-8", event(1), 1),
        ("text/plain; charset=\"utf-8\"", format!("[{}, {}]", event(2), event(3)), 2),
    ] {
        let answer = post(&mut connection, &[("content-type", media_type), ("origin", "https://shop.example")], &body);
        assert_eq!(
            (answer.status, &answer.json()["accepted"]),
            (202, &json!(count)),
            "{media_type}: {}",
            answer.text()
        );
    }
    assert_eq!(shop.records().len(), 3);
    let beacon = ("content-type", "text/plain;charset=UTF-8");
    post(&mut connection, &[beacon], "hello").assert_problem(422, "malformed-event");
    let latin = ("content-type", "text/plain;charset=ISO-8859-1");
    let refused = post(&mut connection, &[latin], &event(4));
    refused.assert_problem(415, "unsupported-media-type");
    assert!(refused.text().contains("text/plain;charset=UTF-8"), "{}", refused.text());
    assert_eq!(shop.records().len(), 3);
}

#[test]
fn a_byte_order_mark_is_passed_over_and_not_passed_on() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for (headers, body, count) in [
        (JSON, format!("\u{feff}{}", event(1)), 1),
        (JSON, format!("\u{feff}[{}, {}]", event(2), event(3)), 2),
        (LINES, format!("\u{feff}{}\r\n\u{feff}{}\n", event(4), event(5)), 2),
        (("content-type", "text/plain;charset=UTF-8"), format!("\u{feff}{}", event(6)), 1),
    ] {
        let answer = post(&mut connection, &[headers], &body);
        assert_eq!((answer.status, &answer.json()["accepted"]), (202, &json!(count)), "{body}: {}", answer.text());
    }
    post(&mut connection, &[JSON], "\u{feff}").assert_problem(422, "no-events");
    // The event writer of this test takes no byte order mark.
    assert_eq!(shop.records().len(), 6);
}

#[test]
fn one_malformed_event_stops_all_of_its_request() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    let no_user = r#"{"productid":"tea"}"#;
    let wrong_type = r#"{"userid":"user-1","productid":7}"#;
    for (headers, body, index, field) in [
        (JSON, no_user.to_owned(), 0, json!("userid")),
        (JSON, format!("[{},{},{wrong_type}]", event(1), event(2)), 2, json!("productid")),
        (LINES, format!("{}\n{no_user}\n{}", event(1), event(2)), 1, json!("userid")),
        (LINES, format!("{}\nnot json", event(1)), 1, json!(null)),
        (JSON, "not json".into(), 0, json!(null)),
        (JSON, format!("[{},", event(1)), 1, json!(null)),
        (JSON, format!("[{}] trailing", event(1)), 1, json!(null)),
        (JSON, "[[]]".into(), 0, json!("userid")),
        (JSON, "null".into(), 0, json!("userid")),
    ] {
        let answer = post(&mut connection, &[headers], &body);
        answer.assert_problem(422, "malformed-event");
        assert_eq!((&answer.json()["index"], &answer.json()["field"]), (&json!(index), &field), "{body}");
    }
    for empty in [" ", "[]", "\n\n"] {
        post(&mut connection, &[JSON], empty).assert_problem(422, "no-events");
    }
    post(&mut connection, &[JSON], "").assert_problem(422, "no-events");
    assert_eq!(shop.records().len(), 0, "nothing was written");
    connection.send(b"POST /v1/events HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\n\r\n[\"\xff\"");
    connection.answer().unwrap().assert_problem(422, "malformed-event");
}

#[test]
fn the_depth_of_a_body_does_no_harm() {
    let shop = Shop::open();
    let deep = "[".repeat(1_000_000);
    post(&mut shop.connect(), &[JSON], &deep).assert_problem(422, "malformed-event");
    assert_eq!(shop.get("/livez").status, 200);
}

#[test]
fn only_json_is_taken() {
    let shop = Shop::open();
    for wrong in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "application/json; charset=latin1"),
        ("content-encoding", "gzip"),
    ] {
        post(&mut shop.connect(), &[wrong], &event(1)).assert_problem(415, "unsupported-media-type");
    }
    post(&mut shop.connect(), &[JSON, ("expect", "tea")], &event(1)).assert_problem(417, "expectation-failed");
    assert_eq!(shop.records().len(), 0);
}

#[test]
fn no_acknowledgement_no_promise() {
    let shop = Shop::with(short(|settings| settings.intake_timeout_ms = 100));
    let mut connection = shop.connect();
    shop.writer.set(Mood::Off);
    post(&mut connection, &[JSON], &event(1)).assert_problem(409, "intake-off");
    shop.writer.set(Mood::Down);
    let answer = post(&mut connection, &[JSON], &event(1));
    answer.assert_problem(503, "intake-unavailable");
    assert!(answer.text().contains("nothing was accepted: the broker does not answer"));
    shop.writer.set(Mood::Unsure);
    let answer = post(&mut connection, &[JSON], &event(1));
    answer.assert_problem(503, "intake-unavailable");
    assert!(answer.text().contains("may or may not have been accepted: the broker went away"));
    shop.writer.set(Mood::Strict);
    let answer = post(&mut connection, &[JSON], &event(1));
    assert_eq!(answer.assert_problem(422, "refused-event").json()["index"], 7);
    shop.writer.set(Mood::Silent);
    post(&mut connection, &[JSON], &event(1)).assert_problem(503, "intake-timeout");
    shop.writer.set(Mood::Well);
    assert_eq!(post(&mut connection, &[JSON], &event(1)).status, 202);
    assert_eq!(shop.records().len(), 1);
}

#[test]
fn a_chunked_body_and_one_that_is_announced() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    connection.send("POST /v1/events HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in event(1).as_bytes().chunks(7) {
        connection.send(format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()));
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.answer().unwrap().status, 202);
    let body = event(2);
    connection.send(format!(
        "POST /v1/events HTTP/1.1\r\nhost: shop\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(connection.answer().unwrap().status, 100);
    connection.send(body);
    assert_eq!(connection.answer().unwrap().status, 202);
    connection.send("POST /v1/events HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n");
    connection.answer().unwrap().assert_problem(400, "broken-body");
    assert!(connection.is_closed());
    assert_eq!(shop.records().len(), 2);
}
