//! All keys that are valid now, in the order of their ids.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::allowance::Allowance;
use super::{Key, KeyId, token};

/// A key, and how often it was used lately.
pub(super) struct HeldKey {
    pub(super) key: Key,
    /// None for a key without a rate.
    pub(super) allowance: Option<Arc<Allowance>>,
}

/// The valid keys.
pub(super) struct KeyRing(Box<[HeldKey]>);

impl KeyRing {
    /// These keys. A key that `before` holds with the same rate keeps the count of its uses.
    pub(super) fn new(mut keys: Vec<Key>, before: Option<&KeyRing>) -> KeyRing {
        keys.sort_unstable_by_key(|key| key.id);
        let held = |key: Key| {
            let known = before.and_then(|ring| ring.of(key.id)).filter(|known| known.key.rate == key.rate);
            let allowance = match known {
                Some(known) => known.allowance.clone(),
                None => key.rate.map(|rate| Arc::new(Allowance::new(rate))),
            };
            HeldKey { key, allowance }
        };
        KeyRing(keys.into_iter().map(held).collect())
    }

    fn of(&self, id: KeyId) -> Option<&HeldKey> {
        let at = self.0.binary_search_by_key(&id, |held| held.key.id).ok()?;
        Some(&self.0[at])
    }

    /// The key that a request presents, if it is valid. An id is no secret. The digests are compared in constant time.
    pub(super) fn find(&self, presented: &[u8]) -> Option<&HeldKey> {
        let held = self.of(token::id(presented)?)?;
        bool::from(token::digest(presented).ct_eq(&held.key.digest)).then_some(held)
    }
}
