//! Inner forms of the ids: keyed hashes, equal in every process that shares the configured key.
//!
//! Ids arrive as strings. A per-process interner would give every process its own numbers, so ids are hashed with
//! SipHash-2-4-128 under a configured key instead. Users and orders keep all 128 bits and need no dictionary: among
//! 10^9 users a collision has a probability of 1.5e-21. Products and categories keep 64 bits (half the memory in the
//! largest index) and are checked against the [`Dictionary`](crate::dictionary::Dictionary): a collision (2.7e-6 among
//! 10^7 ids) is found and refused there, so that it can never become a wrong answer.

use std::fmt;
use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};

/// The longest id that is accepted, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 256;

/// A user, as 128 bits of keyed hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct UserKey(u64, u64);

/// An order, as 128 bits of keyed hash. The first half belongs to the order's id alone; see [`OrderKey::of_lines`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct OrderKey(u64, u64);

/// A product, as 64 bits of keyed hash; its order breaks ties in every list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ProductKey(u64);

/// A category, as 64 bits of keyed hash; its order breaks ties among categories.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct CategoryKey(u64);

/// A (user, product), as 128 bits: the user's hash, and in its first half also the product's.
///
/// Two pairs share a key only if the hashes of two users differ in exactly the bits in which those of two products do:
/// as improbable as two users with one hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairKey(u64, u64);

/// An event, as 128 bits of keyed hash over what tells it from other events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct IdentityKey(u64, u64);

impl IdentityKey {
    /// The number that routes this event to its worker.
    #[must_use]
    pub fn route(self) -> u64 {
        self.0
    }
}

/// A row of a table, as 64 bits of keyed hash over the values of its primary key.
///
/// It identifies the row that a change of the table belongs to, in tables whose selected columns do not identify it.
/// Two present rows of one table share a key with a probability of 2.7e-6 among 10^7 rows; then the later row would
/// count in place of the earlier row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct RowKey(u64);

impl RowKey {
    /// For a table whose rows have no key.
    pub const NONE: RowKey = RowKey(0);
}

impl CategoryKey {
    /// For a product without a category.
    pub const NONE: CategoryKey = CategoryKey(0);

    /// For a product that was deleted from the catalogue.
    pub const DELETED: CategoryKey = CategoryKey(1);

    /// For a product that cannot be bought, beside its categories.
    pub const UNAVAILABLE: CategoryKey = CategoryKey(2);

    /// Whether the key belongs to a category.
    #[must_use]
    pub fn is_category(self) -> bool {
        self > CategoryKey::UNAVAILABLE
    }
}

impl UserKey {
    /// The number that routes this user to its worker.
    #[must_use]
    pub fn route(self) -> u64 {
        self.0
    }
}

impl PairKey {
    /// The pair of a user and a product.
    #[must_use]
    pub fn new(user: UserKey, product: ProductKey) -> Self {
        PairKey(user.0 ^ product.0, user.1)
    }
}

impl OrderKey {
    /// The number that routes this order to its worker.
    #[must_use]
    pub fn route(self) -> u64 {
        self.0
    }

    /// What all keys of the order's id have in common. Two ids share it with a probability of 2.7e-6 among 10^7 ids.
    #[must_use]
    pub fn id_half(self) -> u64 {
        self.0
    }

    /// The key of those lines of the order that agree on `facts`, such as who ordered and when. Only the second half differs
    /// from the order's own key.
    #[must_use]
    pub fn of_lines(self, facts: RowKey) -> OrderKey {
        OrderKey(self.0, self.1 ^ facts.0)
    }
}

impl ProductKey {
    /// For an event without a product, and for a product without a key: its key belongs to another product.
    pub const NONE: ProductKey = ProductKey(0);

    /// The number that routes this product to its worker.
    #[must_use]
    pub fn route(self) -> u64 {
        self.0
    }
}

impl CategoryKey {
    /// The number that routes this category to its worker.
    #[must_use]
    pub fn route(self) -> u64 {
        self.0
    }
}

/// Writes only the name of the type, so that a stray debug line never contains an identifier of a person.
macro_rules! opaque_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
opaque_debug!(UserKey, OrderKey, PairKey, IdentityKey);

impl fmt::Debug for ProductKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProductKey({:016x})", self.0)
    }
}

impl fmt::Debug for CategoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CategoryKey({:016x})", self.0)
    }
}

/// Hashes ids under one key. Cheap to clone.
#[derive(Clone)]
pub struct Ids {
    hasher: SipHasher24,
}

impl Ids {
    /// A family of hashes; every process of one installation must be given the same key.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Ids { hasher: SipHasher24::new_with_key(&key) }
    }

    fn hash(&self, id: &str) -> (u64, u64) {
        let hash = self.hasher.hash(id.as_bytes());
        (hash.h1, hash.h2)
    }

    /// The key of a user id.
    #[must_use]
    pub fn user(&self, id: &str) -> UserKey {
        let (a, b) = self.hash(id);
        UserKey(a, b)
    }

    /// The key of an order id.
    #[must_use]
    pub fn order(&self, id: &str) -> OrderKey {
        let (a, b) = self.hash(id);
        OrderKey(a, b)
    }

    /// The key of an order that has no id of its own, from what identifies the event that states it.
    #[must_use]
    pub fn order_of_event<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> OrderKey {
        let (a, b) = self.hash_parts(parts);
        OrderKey(a, b)
    }

    /// The key of an event, from the parts of its identity.
    #[must_use]
    pub fn identity<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> IdentityKey {
        let (a, b) = self.hash_parts(parts);
        IdentityKey(a, b)
    }

    fn hash_parts<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> (u64, u64) {
        let mut hasher = self.hasher;
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        let hash = hasher.finish128();
        (hash.h1, hash.h2)
    }

    /// The key of a row, from the values of its primary key in the order of the key's columns.
    #[must_use]
    pub fn row<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> RowKey {
        let mut hasher = self.hasher;
        for value in values {
            hasher.write_usize(value.len());
            hasher.write(value);
        }
        // Must differ from the key of a row without a key.
        RowKey(hasher.finish128().h1.max(1))
    }

    pub(crate) fn product(&self, id: &str) -> ProductKey {
        // Must differ from the key that stands for no product.
        ProductKey(self.hash(id).0.max(1))
    }

    pub(crate) fn category(&self, id: &str) -> CategoryKey {
        // Must differ from the keys that stand for no category.
        CategoryKey(self.hash(id).0.max(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_ids_in_every_process() {
        let ids = Ids::new([7; 16]);
        // Fixed for ever: all processes and all releases must agree on it.
        assert_eq!(format!("{:?}", ids.product("product-393")), "ProductKey(d0e37cd62ca26c0b)");
        assert_ne!(ids.product("product-393"), Ids::new([8; 16]).product("product-393"));
        assert_ne!(ids.user("a"), ids.user("b"));
    }

    #[test]
    fn debug_shows_no_user() {
        assert_eq!(format!("{:?}", Ids::new([0; 16]).user("user-1")), "UserKey(..)");
    }
}
