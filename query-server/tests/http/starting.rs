//! What answers before the server does, while a process waits for the other processes of its cluster.

use std::io::{Read, Write};
use std::sync::Arc;

use harness::certificates::Authority;
use vitrine_query_server::{Pem, Starting, Tls};

use crate::client::Connection;
use crate::shop::{Shop, loopback};

#[test]
fn a_process_that_starts_lives_and_answers_nothing_else() {
    let (listener, other) = (loopback(), loopback());
    let addresses = [listener.local_addr().unwrap(), other.local_addr().unwrap()];
    let starting = Starting::begin(&listener, None).unwrap();
    let live = Connection::open(addresses[0]).get("/livez");
    assert_eq!((live.status, live.header("connection")), (200, Some("close")));
    assert_eq!(Connection::open(addresses[0]).ask("HEAD", "/livez", &[], b"").status, 200);
    let body = vec![b'x'; 1 << 20];
    for (method, target, body) in [
        ("GET", "/readyz", &b""[..]),
        ("GET", "/metrics", b""),
        ("GET", "/v1/users/ada/history", b""),
        ("DELETE", "/v1/users/ada/history/tea", b""),
        ("POST", "/v1/events", &body),
    ] {
        let mut connection = Connection::open(addresses[0]);
        let answer = connection.ask(method, target, &[("x-request-id", "r-7")], body);
        answer.assert_problem(503, "starting");
        assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("1"), Some("close")));
        assert_eq!(answer.header("x-request-id"), Some("r-7"));
        assert!(!answer.text().contains("ada") && connection.is_closed(), "{}", answer.text());
    }
    let _silent = Connection::open(addresses[0]);
    drop(starting);
    let mut early = Connection::open(addresses[0]);
    early.send("GET /livez HTTP/1.1\r\nhost: shop\r\n\r\n");
    let _shop = Shop::beside(0, listener, addresses);
    let served = early.answer().unwrap();
    assert_eq!((served.status, served.header("connection")), (200, None), "it waited for the server");
    assert_eq!((served.text(), served.header("content-type")), (live.text(), live.header("content-type")));
}

#[test]
fn more_clients_than_it_answers_at_a_time_get_their_turn() {
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let _starting = Starting::begin(&listener, None).unwrap();
    let silent: Vec<Connection> = (0..70).map(|_| Connection::open(address)).collect();
    assert_eq!(Connection::open(address).get("/livez").status, 200, "the silent ones are dropped after a while");
    drop(silent);
}

#[test]
fn a_process_that_starts_answers_within_tls() {
    let (authority, listener) = (Authority::make(), loopback());
    let certified = authority.sign("localhost");
    let pem = Pem { certificate: certified.pem.as_bytes(), key: certified.key.as_bytes(), authorities: None };
    let _starting = Starting::begin(&listener, Some(Arc::new(Tls::new(pem).unwrap()))).unwrap();
    for (target, status) in [("/livez", "HTTP/1.1 200 "), ("/readyz", "HTTP/1.1 503 ")] {
        let mut stream = authority.connect(listener.local_addr().unwrap(), "localhost").unwrap();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(status), "{answer}");
    }
}
