//! The server with TLS: the same answers, and a certificate that is replaced while it runs.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::sync::Arc;

use harness::certificates::{Authority, Certified};
use vitrine_query_server::{Pem, Settings, Tls, TlsError};

use crate::shop::{Shop, Start, eventually, loopback, now_ms, patient, short, viewed};

/// A server with a certificate of a new authority, which signs further ones.
struct Secured {
    shop: Shop,
    tls: Arc<Tls>,
    authority: Authority,
}

fn secured(settings: Settings) -> Secured {
    let authority = Authority::make();
    let tls = Arc::new(loaded(&authority.sign("localhost")).unwrap());
    let shop = Shop::guarded(settings, Start { tls: Some(tls.clone()), ..Start::default() });
    Secured { shop, tls, authority }
}

fn loaded(certified: &Certified) -> Result<Tls, TlsError> {
    Tls::new(pem(&certified.pem, &certified.key))
}

fn pem<'a>(certificate: &'a str, key: &'a str) -> Pem<'a> {
    Pem { certificate: certificate.as_bytes(), key: key.as_bytes(), authorities: None }
}

/// What a server answers to this text within TLS; it closes at the end.
fn ask(shop: &Shop, trusted: &Authority, request: &str) -> std::io::Result<String> {
    let mut stream = trusted.connect(shop.address, "localhost")?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

#[test]
fn answers_are_the_same_within_tls() {
    let Secured { shop, authority, .. } = secured(short(|settings| settings.uri_bytes_max = 1000));
    shop.happened([viewed("ada", "tea", now_ms())]);
    let answer = ask(&shop, &authority, &get("/v1/users/ada/history")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""products":["tea"]"#), "{answer}");
    let long = ask(&shop, &authority, &get(&format!("/{}", "x".repeat(1000)))).unwrap();
    assert!(long.starts_with("HTTP/1.1 414 ") && long.contains("urn:vitrine:problem:uri-too-long"), "{long}");
    let event = r#"{"userid":"ada","productid":"cup"}"#;
    let length = event.len();
    let post =
        format!("POST /v1/events HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{event}");
    assert!(ask(&shop, &authority, &post).unwrap().starts_with("HTTP/1.1 202 "));
    let wrong = ask(&shop, &authority, "nonsense\r\n\r\n").unwrap();
    assert!(wrong.starts_with("HTTP/1.1 400 ") && wrong.contains("urn:vitrine:problem:bad-request"), "{wrong}");
}

#[test]
fn a_certificate_is_replaced_while_the_server_runs() {
    let Secured { shop, tls, authority } = secured(patient());
    let mut early = BufReader::new(authority.connect(shop.address, "localhost").unwrap());
    let kept = |client: &mut BufReader<_>| {
        Write::write_all(BufReader::get_mut(client), b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        harness::http::read_answer(client, "GET").unwrap().status
    };
    assert_eq!(kept(&mut early), 200);
    let other = Authority::make();
    let (one, two) = (authority.sign("localhost"), other.sign("localhost"));
    assert!(ask(&shop, &other, &get("/livez")).is_err(), "the client does not trust it");
    assert!(matches!(tls.replace(pem(&two.pem, &one.key)), Err(TlsError::Pair(_))), "another key");
    assert!(ask(&shop, &authority, &get("/livez")).is_ok(), "the one before stays");
    tls.replace(pem(&two.pem, &two.key)).unwrap();
    assert!(ask(&shop, &other, &get("/livez")).unwrap().contains(r#""live":true"#));
    assert!(ask(&shop, &authority, &get("/livez")).is_err());
    assert_eq!(kept(&mut early), 200, "a connection from before goes on");
}

#[test]
fn a_client_without_tls_and_one_that_says_nothing_are_closed() {
    let Secured { shop, authority, .. } = secured(short(|settings| settings.header_timeout_ms = 2_000));
    let mut plain = shop.connect();
    plain.send(get("/livez"));
    assert!(plain.until(b"HTTP/1.1").is_none(), "no answer without TLS");
    let mut silent = shop.connect();
    assert!(silent.is_closed());
    eventually(|| {
        let metrics = ask(&shop, &authority, &get("/metrics"));
        metrics.is_ok_and(|text| text.lines().any(|line| line == "vitrine_http_connections 1.0"))
    });
}

#[test]
fn a_client_that_does_not_read_is_closed_after_the_write_time_out() {
    let Secured { shop, authority, .. } = secured(short(|settings| settings.write_timeout_ms = 100));
    let mut deaf = authority.connect(shop.address, "localhost").unwrap();
    // Far more answers than the buffers between the two hold: the server stops to read, and then the client cannot write.
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let ended = (0..).find_map(|_| deaf.write_all(requests.as_bytes()).err()).unwrap();
    assert!(matches!(ended.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{ended}");
}

#[test]
fn the_server_ends_while_a_client_shakes_hands() {
    let Secured { mut shop, authority, .. } = secured(short(|settings| settings.shutdown_ms = 200));
    let _silent = shop.connect();
    assert!(ask(&shop, &authority, &get("/livez")).is_ok());
    shop.end();
}

#[test]
fn what_is_no_certificate_is_told() {
    let (one, two) = (Authority::make().sign("localhost"), Authority::make().sign("localhost"));
    let refused = |certificate: &str, key: &str| Tls::new(pem(certificate, key)).err().unwrap();
    assert_eq!(refused("", &one.key), TlsError::Certificate);
    assert_eq!(refused("-----BEGIN CERTIFICATE-----\nx\n", &one.key), TlsError::Certificate);
    assert_eq!(refused(&one.pem, &one.pem), TlsError::Key);
    assert!(matches!(refused(&one.pem, &two.key), TlsError::Pair(_)));
    let without = Tls::new(Pem { authorities: Some(b"nothing"), ..pem(&one.pem, &one.key) });
    assert_eq!(without.err(), Some(TlsError::Authorities));
}

/// Two processes with these certificates, each of which knows those of these authorities.
fn two(certificates: [&Certified; 2], authorities: Option<&Authority>) -> [Shop; 2] {
    let listeners = [loopback(), loopback()];
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let mut number = 0;
    listeners.map(|listener| {
        let certified = certificates[number];
        let authorities = authorities.map(|authority| authority.pem.as_bytes());
        let tls = Tls::new(Pem { authorities, ..pem(&certified.pem, &certified.key) }).unwrap();
        let start = Start { tls: Some(Arc::new(tls)), ..Start::default() };
        let shop = Shop::guarded_beside(number, listener, addresses, start);
        number += 1;
        shop
    })
}

#[test]
fn processes_pass_requests_on_within_tls_to_those_whose_certificate_they_accept() {
    let authority = Authority::make();
    let forwarded = |[one, other]: &[Shop; 2], trusted: &Authority| {
        let user = one.user_elsewhere();
        other.happened([viewed(&user, "lamp", now_ms())]);
        let answer = ask(one, trusted, &get(&format!("/v1/users/{user}/history"))).unwrap();
        let metrics = ask(one, trusted, &get("/metrics")).unwrap();
        let untrusted = "vitrine_forwarding_failures_total{reason=\"untrusted\"} ";
        (answer, metrics.lines().find_map(|line| line.strip_prefix(untrusted)).unwrap().to_owned())
    };
    // The same certificate, which is for another host.
    let same = authority.sign("localhost");
    let named = [(); 2].map(|()| authority.sign("localhost"));
    let (answer, failures) = forwarded(&two([&same, &same], None), &authority);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""products":["lamp"]"#), "{answer}");
    assert_eq!(failures, "0");
    let refused = [
        (two(named.each_ref(), None), "no authority is known"),
        (two(named.each_ref(), Some(&authority)), "the certificate is for another host"),
        (two(named.each_ref(), Some(&Authority::make())), "another authority"),
    ];
    for (pair, why) in refused {
        let (answer, failures) = forwarded(&pair, &authority);
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("owner-away"), "{why}: {answer}");
        assert_eq!(failures, "1", "{why}");
    }
    let own = [(); 2].map(|()| authority.sign("127.0.0.1"));
    by_address(two(own.each_ref(), Some(&authority)), &authority);
}

/// The processes reach each other by their address, for which their certificates are.
fn by_address([one, other]: [Shop; 2], authority: &Authority) {
    let user = one.user_elsewhere();
    other.happened([viewed(&user, "lamp", now_ms())]);
    let mut stream = authority.connect(one.address, "127.0.0.1").unwrap();
    stream.write_all(get(&format!("/v1/users/{user}/history")).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(r#""products":["lamp"]"#), "{answer}");
}
