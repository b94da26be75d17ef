//! Who may do what: keys with their scopes, origins and rates. All checks are made of a request's header alone.
//!
//! ```text
//! request ─▶ its key ─▶ id ─▶ digest ─▶ origin ─▶ scope ─▶ rate ─▶ endpoint
//!             └──────── 401 ────┘        └───── 403 ──┘      └ 429
//! ```
//! A check takes no lock and allocates nothing: the keys are an immutable ring that is replaced as a whole, and a rate
//! is one atomic number. Of a key only the SHA-256 is kept: it has 256 random bits, so a slow hash would add nothing.

mod allowance;
mod key;
mod key_ring;
mod token;

use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use self::key_ring::{HeldKey, KeyRing};
use crate::header_names::X_API_KEY;
use crate::problem::Problem;
use crate::scope::Scope;

pub(crate) use self::allowance::Quota;
pub use self::allowance::Rate;
pub use self::key::{Key, KeyId};
pub use self::token::Token;

/// The scheme of a key in the field `authorization`.
const BEARER: &[u8] = b"bearer ";

/// Who may do what: everyone everything, or each what a key allows.
pub struct Access(Option<ArcSwap<KeyRing>>);

/// Who makes a request: the key, or nobody in particular where no key is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) Option<KeyId>);

impl Access {
    /// Everyone may do everything.
    #[must_use]
    pub fn open() -> Access {
        Access(None)
    }

    /// Whether no key is needed.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Only with one of these keys; without a key, nobody may do anything.
    #[must_use]
    pub fn with_keys(keys: Vec<Key>) -> Access {
        Access(Some(ArcSwap::from_pointee(KeyRing::new(keys, None))))
    }

    /// Replaces all keys. A key that stays, with the rate it had, goes on where its rate was. Without effect if no keys
    /// are needed.
    pub fn replace(&self, keys: Vec<Key>) {
        if let Access(Some(ring)) = self {
            let next = KeyRing::new(keys, Some(&ring.load()));
            ring.store(Arc::new(next));
        }
    }

    /// Checks that a request with these header fields may do what needs `scope`; `now_ns` is a monotonic time. Notes in
    /// `quota` what is left of the key's rate.
    ///
    /// # Errors
    /// When there is no valid key, when it does not have the scope or the request's origin, or when it is used too
    /// often.
    pub(crate) fn check(
        &self,
        scope: Scope,
        headers: &HeaderMap,
        now_ns: u64,
        quota: &mut Option<Quota>,
    ) -> Result<Caller, Problem> {
        let Access(Some(ring)) = self else { return Ok(Caller(None)) };
        if scope == Scope::Public {
            return Ok(Caller(None));
        }
        let ring = ring.load();
        let held = allowed(&ring, scope, headers)?;
        if let Some(allowance) = &held.allowance {
            let taken = allowance.take(now_ns);
            *quota = Some(allowance.quota(taken));
            taken.map_err(|refusal| Problem::TooOften { wait_s: refusal.wait_s() })?;
        }
        Ok(Caller(Some(held.key.id)))
    }

    /// Checks a request that is still being answered: its key may have been revoked. This does not count for its rate.
    ///
    /// # Errors
    /// When the request would be refused now.
    pub(crate) fn check_again(&self, scope: Scope, headers: &HeaderMap) -> Result<(), Problem> {
        let Access(Some(ring)) = self else { return Ok(()) };
        allowed(&ring.load(), scope, headers).map(drop)
    }
}

/// The key of a request, if it allows what needs `scope`.
fn allowed<'r>(ring: &'r KeyRing, scope: Scope, headers: &HeaderMap) -> Result<&'r HeldKey, Problem> {
    let held = ring.find(presented(headers)?).ok_or(Problem::WrongKey)?;
    let key = &held.key;
    let is_of = |origin: &HeaderValue| key.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
    if !key.origins.is_empty() && !headers.get(ORIGIN).is_some_and(is_of) {
        return Err(Problem::WrongOrigin);
    }
    if !key.scopes.allows(scope) {
        return Err(Problem::MissingScope(scope.word()));
    }
    Ok(held)
}

/// The key that a request presents.
fn presented(headers: &HeaderMap) -> Result<&[u8], Problem> {
    if let Some(key) = once(headers, &X_API_KEY, "x-api-key")? {
        return Ok(key);
    }
    let credentials = once(headers, &AUTHORIZATION, "authorization")?.ok_or(Problem::MissingKey)?;
    match credentials.split_at_checked(BEARER.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(BEARER) => Ok(key.trim_ascii()),
        _ => Err(Problem::MissingKey),
    }
}

fn once<'h>(headers: &'h HeaderMap, field: &HeaderName, name: &'static str) -> Result<Option<&'h [u8]>, Problem> {
    let mut values = headers.get_all(field).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Problem::BadHeader { name, fault: "is given more than once" }),
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
    }
}

#[cfg(test)]
mod tests;
