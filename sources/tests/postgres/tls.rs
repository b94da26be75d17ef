//! With TLS, every session of the source has it: those that ask, and the one that follows the log.

use std::path::Path;

use ::settings::Secret;
use harness::certificates::Authority;
use harness::postgres::{Server, execute};
use sources::postgres::{Settings, Target};
use tempfile::TempDir;

use crate::mirror::{Mirror, ROWS, TABLES, settings};
use crate::running::SOON;

/// Sessions of Vitrine's, those of them that have TLS, and those that send the log.
const SESSIONS: &str = "
    SELECT count(*), count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE backend_type = 'walsender')
    FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'vitrine'";

fn with_tls(url: &str, mode: &str, roots: &Path) -> String {
    let url = url.replace("127.0.0.1", "localhost");
    format!("{url}?hostaddr=127.0.0.1&sslmode={mode}&sslrootcert={}", roots.display())
}

/// A server with a certificate for `localhost`, and the file of the authority that signed it.
fn server(dir: &TempDir) -> Server {
    let (mut server, authority) = (Server::start(), Authority::make());
    server.certify(&authority.sign("localhost"));
    server.restart();
    std::fs::write(dir.path().join("root.crt"), &authority.pem).unwrap();
    server
}

#[test]
fn the_log_is_followed_within_tls() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let plain = server.create_database("tls_log");
    execute(&plain, &[TABLES, ROWS].concat());
    let url = Secret::new(with_tls(&plain, "verify-full", &dir.path().join("root.crt")));
    let mut mirror = Mirror::start(Settings { url, ..settings(&plain) }, None);
    mirror.url = plain.clone();
    mirror.agrees();
    mirror.follows(
        "INSERT INTO orders VALUES ('3', 'note', 'eve', now()); INSERT INTO order_items VALUES (1, '3', 'chair')",
    );
    // More than the buffers on the way hold.
    mirror.follows(
        "INSERT INTO order_items SELECT 1, '1', 'product-' || n || repeat('x', 200) FROM generate_series(1, 20000) n",
    );
    mirror.follows("DELETE FROM order_items WHERE order_id = '1'");
    let sessions = server.client().query_one(SESSIONS, &[]).unwrap();
    let (all, encrypted, senders): (i64, i64, i64) = (sessions.get(0), sessions.get(1), sessions.get(2));
    assert!(all == encrypted && senders == 1, "{encrypted} of {all} sessions have TLS, {senders} send the log");
    // The server loses its certificate: nothing is read without TLS.
    let mut server = server;
    server.set(&["ssl=off"]);
    server.restart();
    harness::wait_until(SOON, "the refusal shows", || {
        format!("{:?}", mirror.view()).contains("sslmode=verify-full: the server does not speak TLS")
    });
}

#[test]
fn a_certificate_that_is_not_trusted_is_named_with_the_mode() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let other = dir.path().join("other.crt");
    std::fs::write(&other, Authority::make().pem).unwrap();
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = Target::of(&with_tls(&server.url(), mode, &other)).unwrap().connect().err().unwrap().to_string();
        assert!(refused.contains(&format!("sslmode={mode}: ")) && refused.contains("UnknownIssuer"), "{refused}");
    }
    let url = with_tls(&server.url(), "verify-ca", &dir.path().join("root.crt"));
    assert!(Target::of(&url).unwrap().connect().unwrap().is_encrypted());
    assert!(!Target::of(&format!("{}?sslmode=disable", server.url())).unwrap().connect().unwrap().is_encrypted());
}
