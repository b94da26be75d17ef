//! A key as it stands in the file.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat};
use query_server::{Key, KeyId, Rate, Scope, Token, is_origin};
use serde::{Deserialize, Serialize};

/// The most bytes of a key's name.
const NAME_BYTES_MAX: usize = 100;

/// The most origins of a key.
const ORIGINS_MAX: usize = 100;

const RATE_MAX: u32 = 1_000_000;

/// A key as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// The public part of the key.
    pub id: String,
    /// What the key is for, in the words of its owner.
    pub name: String,
    /// The SHA-256 of the whole key, in hexadecimal digits.
    pub sha256: String,
    /// What the key allows.
    pub scopes: Vec<String>,
    /// The origins whose pages may use it; empty: everyone may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// Requests per second; by default those of `[auth]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<u32>,
    /// Requests at once after a pause; by default those of `[auth]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// When it was made.
    #[serde(default)]
    pub created: String,
}

/// What a new key shall be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// The origins whose pages may use it.
    pub origins: Vec<String>,
    /// Requests per second, if it has a rate of its own.
    pub requests_per_s: Option<u32>,
    /// Requests at once after a pause.
    pub burst: Option<u32>,
}

impl NewKey {
    /// The record of the key `token`, made at `now_ms`.
    #[must_use]
    pub fn record(self, id: KeyId, token: &Token, now_ms: u64) -> KeyRecord {
        let NewKey { name, scopes, origins, requests_per_s, burst } = self;
        let sha256 = token.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        let time = i64::try_from(now_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
        let created = time.to_rfc3339_opts(SecondsFormat::Secs, true);
        KeyRecord { id: id.to_string(), name, sha256, scopes, origins, requests_per_s, burst, created }
    }
}

impl KeyRecord {
    /// The key for the server; `default` is the rate of a key that has none of its own.
    ///
    /// # Errors
    /// When a field has a wrong value; the text names the field.
    pub fn key(&self, default: Option<Rate>) -> Result<Key, String> {
        let id: KeyId = self.id.parse().map_err(|_| "`id` must have eight hexadecimal digits in lower case")?;
        let digest = digest(&self.sha256).ok_or("`sha256` must have 64 hexadecimal digits")?;
        if !(1..=NAME_BYTES_MAX).contains(&self.name.len()) || self.name.chars().any(char::is_control) {
            return Err(format!("`name` must have 1 to {NAME_BYTES_MAX} bytes, without control characters"));
        }
        let scopes: Option<BTreeSet<&str>> =
            self.scopes.iter().map(|word| Scope::find(word).map(Scope::word)).collect();
        let scopes = scopes
            .filter(|scopes| !scopes.is_empty())
            .ok_or_else(|| format!("`scopes` must be some of {}", Scope::OF_KEYS.map(Scope::word).join(", ")))?;
        if self.origins.len() > ORIGINS_MAX || !self.origins.iter().all(|origin| is_origin(origin)) {
            return Err(format!(
                "`origins` must be at most {ORIGINS_MAX} origins, such as https://shop.example, without a path"
            ));
        }
        Ok(Key {
            id,
            digest,
            scopes: scopes.into_iter().filter_map(Scope::find).collect(),
            origins: self.origins.clone(),
            rate: self.rate(default)?,
        })
    }

    fn rate(&self, default: Option<Rate>) -> Result<Option<Rate>, String> {
        for (name, number) in [("requests_per_s", self.requests_per_s), ("burst", self.burst)] {
            if number.is_some_and(|number| !(1..=RATE_MAX).contains(&number)) {
                return Err(format!("`{name}` must be a whole number from 1 to {RATE_MAX}"));
            }
        }
        match (self.requests_per_s, default) {
            (None, None) if self.burst.is_some() => Err("`burst` stands without `requests_per_s`".into()),
            (None, default) => Ok(default.map(|rate| Rate { burst: self.burst.unwrap_or(rate.burst), ..rate })),
            (Some(requests_per_s), default) => {
                let burst = self.burst.or(default.map(|rate| rate.burst)).unwrap_or(requests_per_s);
                Ok(Some(Rate { requests_per_s, burst }))
            }
        }
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(change: impl FnOnce(&mut KeyRecord)) -> KeyRecord {
        let token = Token::new(KeyId(7), &[1; 32]);
        let new = NewKey { name: "shop".into(), scopes: vec!["read".into()], ..NewKey::default() };
        let mut record = new.record(KeyId(7), &token, 1_795_929_220_033);
        change(&mut record);
        record
    }

    #[test]
    fn a_record_is_its_key() {
        let token = Token::new(KeyId(7), &[1; 32]);
        let key = record(|_| {}).key(None).unwrap();
        assert_eq!((key.id, key.digest, key.rate), (KeyId(7), token.digest(), None));
        assert!(key.scopes.allows(Scope::Read) && !key.scopes.allows(Scope::Events));
        assert_eq!(record(|_| {}).created, "2026-11-29T05:13:40Z");
        assert!(!format!("{:?}", record(|_| {})).contains(token.expose()));
    }

    #[test]
    fn a_rate_is_the_keys_own_or_the_default() {
        let default = Some(Rate { requests_per_s: 10, burst: 50 });
        let rate = |default, per_s, burst| {
            record(|record| (record.requests_per_s, record.burst) = (per_s, burst)).key(default).map(|key| key.rate)
        };
        assert_eq!(rate(default, None, None), Ok(default));
        assert_eq!(rate(default, None, Some(5)), Ok(Some(Rate { requests_per_s: 10, burst: 5 })));
        assert_eq!(rate(default, Some(7), None), Ok(Some(Rate { requests_per_s: 7, burst: 50 })));
        assert_eq!(rate(None, Some(7), None), Ok(Some(Rate { requests_per_s: 7, burst: 7 })));
        assert!(rate(None, None, Some(5)).is_err() && rate(None, Some(0), None).is_err());
    }

    #[test]
    fn a_wrong_field_is_named() {
        let refused = |change: fn(&mut KeyRecord)| record(change).key(None).unwrap_err();
        assert!(refused(|record| record.id = "0000000G".into()).contains("`id`"));
        assert!(refused(|record| record.sha256 = "00".into()).contains("`sha256`"));
        assert!(refused(|record| record.name = "a\nb".into()).contains("`name`"));
        assert!(refused(|record| record.scopes = vec!["reed".into()]).contains("`scopes`"));
        assert!(refused(|record| record.scopes.clear()).contains("`scopes`"));
        assert!(refused(|record| record.origins = vec!["https://a/b".into()]).contains("`origins`"));
    }
}
