//! Checks of requests against keys, without a server.

use hyper::header::{HeaderMap, HeaderValue};

use super::*;

fn key(id: u32, scopes: &[Scope]) -> (Token, Key) {
    let token = Token::new(KeyId(id), &[7; 32]);
    let scopes = scopes.iter().copied().collect();
    let key = Key { id: KeyId(id), digest: token.digest(), scopes, origins: Vec::new(), rate: None };
    (token, key)
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn check(access: &Access, scope: Scope, headers: &HeaderMap) -> Result<Caller, Problem> {
    access.check(scope, headers, 0, &mut None)
}

#[test]
fn a_key_comes_in_either_field() {
    let (token, key) = key(5, &[Scope::Read]);
    let access = Access::with_keys(vec![key]);
    let own = token.expose();
    for good in [
        fields(&[("x-api-key", own)]),
        fields(&[("authorization", &format!("Bearer {own}"))]),
        fields(&[("authorization", &format!("bearer   {own}"))]),
        fields(&[("x-api-key", own), ("authorization", "Basic YTpi")]),
    ] {
        assert_eq!(check(&access, Scope::Read, &good), Ok(Caller(Some(KeyId(5)))));
    }
    for missing in [fields(&[]), fields(&[("authorization", "Basic YTpi")]), fields(&[("authorization", "Bearer")])] {
        assert_eq!(check(&access, Scope::Read, &missing), Err(Problem::MissingKey));
    }
    let mut twice = fields(&[("x-api-key", own)]);
    twice.append(X_API_KEY, HeaderValue::from_str(own).unwrap());
    assert!(matches!(check(&access, Scope::Read, &twice), Err(Problem::BadHeader { .. })));
}

#[test]
fn every_other_text_is_no_key() {
    let (token, own) = key(5, &[Scope::Read]);
    let (other, _) = key(6, &[Scope::Read]);
    let access = Access::with_keys(vec![own]);
    let good = token.expose().to_owned();
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        let headers: HeaderMap = [(X_API_KEY, HeaderValue::from_bytes(&bytes).unwrap())].into_iter().collect();
        assert_eq!(check(&access, Scope::Read, &headers), Err(Problem::WrongKey), "byte {at}");
    }
    for wrong in ["", "vt_", other.expose(), &format!("{good}x"), &good[..good.len() - 1]] {
        assert_eq!(check(&access, Scope::Read, &fields(&[("x-api-key", wrong)])), Err(Problem::WrongKey), "{wrong}");
    }
}

#[test]
fn a_key_with_origins_is_for_their_pages_only() {
    let (token, key) = key(5, &[Scope::Read]);
    let access = Access::with_keys(vec![Key { origins: vec!["https://shop.example".into()], ..key }]);
    let with = |origin: &str| fields(&[("x-api-key", token.expose()), ("origin", origin)]);
    assert!(check(&access, Scope::Read, &with("https://shop.example")).is_ok());
    for wrong in ["https://shop.example.evil", "http://shop.example", "null", "https://SHOP.example"] {
        assert_eq!(check(&access, Scope::Read, &with(wrong)), Err(Problem::WrongOrigin), "{wrong}");
    }
    let without = fields(&[("x-api-key", token.expose())]);
    assert_eq!(check(&access, Scope::Read, &without), Err(Problem::WrongOrigin));
}

#[test]
fn keys_are_replaced_and_their_rates_go_on() {
    let rate = Some(Rate { requests_per_s: 1, burst: 2 });
    let (old, old_key) = key(5, &[Scope::Read]);
    let (new, new_key) = key(6, &[Scope::Read]);
    let (old_key, new_key) = (Key { rate, ..old_key }, Key { rate, ..new_key });
    let access = Access::with_keys(vec![old_key.clone()]);
    let asks = |token: &Token| check(&access, Scope::Read, &fields(&[("x-api-key", token.expose())])).map(|_| ());
    assert_eq!((asks(&old), asks(&new)), (Ok(()), Err(Problem::WrongKey)));
    access.replace(vec![new_key.clone(), old_key]);
    assert_eq!((asks(&old), asks(&new)), (Ok(()), Ok(())), "both are valid during a rotation");
    assert_eq!(asks(&old), Err(Problem::TooOften { wait_s: 1 }), "the uses before the change count");
    access.replace(vec![new_key]);
    assert_eq!((asks(&old), asks(&new)), (Err(Problem::WrongKey), Ok(())));
    access.replace(Vec::new());
    assert_eq!(asks(&new), Err(Problem::WrongKey), "without keys nobody may do anything");
    let open = Access::open();
    open.replace(Vec::new());
    assert_eq!(check(&open, Scope::Admin, &fields(&[])), Ok(Caller(None)));
}
