//! Each `sslmode` against a real server with and without TLS, as libpq's documentation describes it.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::path::PathBuf;

use harness::certificates::{Authority, Certified};
use harness::postgres::Server;
use postgres::Client;
use postgres_tls::{NegotiationFailure, may_continue, prepare, split};
use tempfile::TempDir;

/// Whether the connection that was made has TLS, as the server sees it; or why none was made.
fn connect(url: &str) -> Result<bool, String> {
    let (url, options) = split(url).map_err(|error| error.to_string())?;
    let mut config: postgres::Config = url.parse().unwrap();
    prepare(&mut config);
    let mut failed = String::new();
    for demand in options.mode.attempts() {
        let connector = options.connector(*demand).map_err(|error| error.to_string())?;
        match config.connect(connector.clone()) {
            Ok(mut client) => {
                assert_eq!(connector.is_encrypted(), sees_tls(&mut client));
                return Ok(connector.is_encrypted());
            }
            Err(error) => {
                failed = text(&error);
                if !may_continue(&error) {
                    break;
                }
            }
        }
    }
    Err(failed)
}

fn sees_tls(client: &mut Client) -> bool {
    client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).unwrap().get(0)
}

fn text(error: &postgres::Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        if let Some(failure) = found.downcast_ref::<NegotiationFailure>() {
            return failure.to_string();
        }
        cause = found.source();
    }
    error.as_db_error().map_or_else(|| error.to_string(), |server| server.message().to_owned())
}

/// A file with root certificates.
struct Roots {
    path: PathBuf,
    _dir: TempDir,
}

impl Roots {
    fn of(pem: &str) -> Roots {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.crt");
        std::fs::write(&path, pem).unwrap();
        Roots { path, _dir: dir }
    }
}

/// Connects to a server by a name that leads to it.
fn by(server: &Server, host: &str, mode: &str, roots: Option<&Roots>) -> Result<bool, String> {
    let roots = roots.map(|roots| format!("sslrootcert='{}'", roots.path.display())).unwrap_or_default();
    let port = server.port();
    connect(&format!("host={host} hostaddr=127.0.0.1 port={port} user=postgres sslmode={mode} {roots}"))
}

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

#[test]
fn every_mode_with_a_server_without_tls() {
    let (server, roots) = (Server::start(), Roots::of(&Authority::make().pem));
    for mode in MODES {
        let made = by(&server, "localhost", mode, Some(&roots));
        if ["disable", "allow", "prefer"].contains(&mode) {
            assert_eq!(made, Ok(false), "{mode}");
        } else {
            let refused = made.unwrap_err();
            assert!(refused.contains(&format!("sslmode={mode}: the server does not speak TLS")), "{refused}");
        }
    }
    let direct = format!("host=127.0.0.1 port={} user=postgres sslmode=require sslnegotiation=direct", server.port());
    assert!(connect(&direct).unwrap_err().contains("sslmode=require"), "it is never asked without TLS");
}

#[test]
fn every_mode_with_a_server_with_tls() {
    let (mut server, authority) = (Server::start(), Authority::make());
    let (ours, others) = (Roots::of(&authority.pem), Roots::of(&Authority::make().pem));
    server.certify(&authority.sign("localhost"));
    server.restart();
    for (mode, has_tls) in [("disable", false), ("allow", false), ("prefer", true), ("require", true)] {
        assert_eq!(by(&server, "localhost", mode, None), Ok(has_tls), "{mode}");
    }
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        assert_eq!(by(&server, "localhost", mode, Some(&ours)), Ok(true), "{mode}");
    }
    // A certificate that is not trusted: from require on nothing is sent without TLS.
    assert_eq!(by(&server, "localhost", "prefer", Some(&others)), Ok(false));
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = by(&server, "localhost", mode, Some(&others)).unwrap_err();
        assert!(refused.contains(&format!("sslmode={mode}: ")) && refused.contains("UnknownIssuer"), "{refused}");
    }
    // A certificate for another name.
    for host in ["db.example", "127.0.0.1"] {
        assert_eq!(by(&server, host, "verify-ca", Some(&ours)), Ok(true));
        let refused = by(&server, host, "verify-full", Some(&ours)).unwrap_err();
        assert!(refused.contains("sslmode=verify-full: ") && refused.contains("not valid for name"), "{refused}");
    }
    let url = format!("postgresql://postgres@localhost:{}/postgres?sslrootcert=system", server.port());
    let refused = connect(&url).unwrap_err();
    assert!(refused.contains("UnknownIssuer") || refused.contains("no root certificates"), "{refused}");
    an_expired_certificate_is_refused(&mut server, &authority, &ours);
    a_certificate_that_is_its_own_authority_is_trusted_where_it_is_named(&mut server);
    an_address_can_stand_in_a_certificate(&mut server, &authority, &ours);
    what_the_server_admits_decides_where_the_mode_leaves_a_choice(&mut server);
}

fn an_expired_certificate_is_refused(server: &mut Server, authority: &Authority, roots: &Roots) {
    server.certify(&authority.sign_expired("localhost"));
    server.restart();
    assert_eq!(by(server, "localhost", "require", None), Ok(true), "nobody asked for its verification");
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = by(server, "localhost", mode, Some(roots)).unwrap_err();
        assert!(refused.to_lowercase().contains("expired"), "{refused}");
    }
}

fn a_certificate_that_is_its_own_authority_is_trusted_where_it_is_named(server: &mut Server) {
    let certified = Certified::of_itself("localhost");
    server.certify(&certified);
    server.restart();
    let (itself, other) = (Roots::of(&certified.pem), Roots::of(&Certified::of_itself("localhost").pem));
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(by(server, "localhost", mode, Some(&itself)), Ok(true), "{mode}");
        assert!(by(server, "localhost", mode, Some(&other)).is_err(), "{mode}");
    }
    assert!(by(server, "db.example", "verify-full", Some(&itself)).unwrap_err().contains("not valid for name"));
}

fn an_address_can_stand_in_a_certificate(server: &mut Server, authority: &Authority, roots: &Roots) {
    server.certify(&authority.sign("127.0.0.1"));
    server.restart();
    assert_eq!(by(server, "127.0.0.1", "verify-full", Some(roots)), Ok(true));
    assert!(by(server, "localhost", "verify-full", Some(roots)).is_err());
}

fn what_the_server_admits_decides_where_the_mode_leaves_a_choice(server: &mut Server) {
    let only = |kind: &str| format!("{kind} all all 127.0.0.1/32 trust\n");
    server.admit(&only("hostssl"));
    server.restart();
    assert!(by(server, "localhost", "disable", None).unwrap_err().contains("no encryption"));
    for mode in ["allow", "prefer", "require"] {
        assert_eq!(by(server, "localhost", mode, None), Ok(true), "{mode}");
    }
    server.admit(&only("hostnossl"));
    server.restart();
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(by(server, "localhost", mode, None), Ok(false), "{mode}");
    }
    assert!(by(server, "localhost", "require", None).unwrap_err().contains("no pg_hba.conf entry"));
}

#[test]
fn a_mode_that_verifies_names_the_root_certificate_that_it_lacks() {
    // The home directory of the user who runs the tests may have one.
    if std::env::var_os("HOME").is_some_and(|home| PathBuf::from(home).join(".postgresql/root.crt").exists()) {
        return;
    }
    for mode in ["verify-ca", "verify-full"] {
        let refused = connect(&format!("host=127.0.0.1 port=1 sslmode={mode}")).unwrap_err();
        assert!(refused.contains(&format!("sslmode={mode} needs a root certificate")), "{refused}");
    }
}
