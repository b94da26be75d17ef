//! Connection strings, and what errors show of them.

use postgres_tls::SslMode;

use super::*;

#[test]
fn neither_place_nor_error_shows_the_password() {
    let target = Target::of("postgresql://u:secret@db.example:5433/shop").unwrap();
    assert_eq!(target.place(), "db.example:5433/shop");
    let target = Target::of("postgresql://u:secret@a:1,b:2/shop").unwrap();
    assert_eq!(target.place(), "a:1,b:2/shop");
    for url in ["postgresql://u:secret@db.example:port/shop", "password=secret port=x", "password=secret nonsense"] {
        let bad = Target::of(url).err().unwrap();
        assert!(!bad.to_string().contains("secret"), "{bad}");
    }
}

#[test]
fn every_wait_has_a_limit_and_the_urls_own_is_kept() {
    let target = Target::of("postgresql://u@127.0.0.1/shop?connect_timeout=7").unwrap().within(CONNECT_MAX, ANSWER_MAX);
    assert_eq!(target.connect_max(), Duration::from_secs(7));
    assert_eq!(Target::of("host=a").unwrap().connect_max(), CONNECT_MAX);
}

#[test]
fn what_the_connection_string_says_about_tls_is_understood_or_refused() {
    let target = Target::of("postgresql://u@h/d?sslmode=verify-ca&connect_timeout=7").unwrap();
    assert_eq!((target.tls().mode, target.connect_max()), (SslMode::VerifyCa, Duration::from_secs(7)));
    let refused = Target::of("host=h sslmode=verify password=secret").err().unwrap().to_string();
    assert!(refused.contains("`sslmode`") && !refused.contains("secret"), "{refused}");
}

#[test]
fn a_root_certificate_that_cannot_be_read_is_named_with_its_reason() {
    let target = Target::of("host=127.0.0.1 port=1 sslmode=verify-full sslrootcert=/nowhere/root.crt").unwrap();
    let refused = target.connect().err().unwrap().to_string();
    assert!(refused.contains("/nowhere/root.crt: cannot be read"), "{refused}");
}
