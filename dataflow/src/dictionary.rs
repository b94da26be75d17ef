//! Maps ids to keys and back: one dictionary for each process, shared by all its threads.
//!
//! A name is added when a thread first sees its id, and is never changed or removed; so reading the dictionary needs no
//! frontier. A second id with the same key is a [`Collision`]: the record is rejected with that reason, and no list can
//! mix the two ids.

pub mod key_cache;

use std::sync::Arc;
use std::sync::Mutex;

use foldhash::fast::RandomState;
use papaya::HashMap;
use serde::{Deserialize, Serialize};

use crate::ids::{CategoryKey, IdentityKey, Ids, OrderKey, ProductKey, RowKey, UserKey};

pub use key_cache::KeyCache;

/// Two different ids have the same key; the second id is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} id has the same 64-bit key as another id: change [dataflow] id_key and start anew")]
pub struct Collision(&'static str);

/// A name to send to the other processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Name {
    /// The id behind a product's key.
    Product(ProductKey, String),
    /// The id behind a category's key.
    Category(CategoryKey, String),
    /// The id behind a user's key; only if users are remembered.
    User(UserKey, String),
}

type Names<K> = HashMap<K, Arc<str>, RandomState>;

/// Maps ids to keys, and keys to ids.
pub struct Dictionary {
    ids: Ids,
    products: Names<ProductKey>,
    categories: Names<CategoryKey>,
    /// Only if a sink writes the changes of every list with the ids of users; answers take the id from the request
    /// instead.
    users: Option<Names<UserKey>>,
    /// Names that this process saw first and has not sent to the others yet; `None` in a cluster of one process.
    fresh: Option<Mutex<Vec<Name>>>,
    /// Names that no checkpoint holds yet; `None` if no checkpoints are taken.
    unsaved: Option<Mutex<Vec<Name>>>,
}

impl Dictionary {
    /// An empty dictionary over one family of hashes.
    #[must_use]
    pub fn new(ids: Ids) -> Self {
        Dictionary {
            ids,
            products: HashMap::with_hasher(RandomState::default()),
            categories: HashMap::with_hasher(RandomState::default()),
            users: None,
            fresh: None,
            unsaved: None,
        }
    }

    /// Starts to collect new names for the other processes of the cluster.
    #[must_use]
    pub fn announcing(self) -> Self {
        Dictionary { fresh: Some(Mutex::default()), ..self }
    }

    /// Starts to collect new names for the next checkpoint.
    #[must_use]
    pub fn saving(self) -> Self {
        Dictionary { unsaved: Some(Mutex::default()), ..self }
    }

    /// Remembers the ids of users too. Each takes about 100 bytes.
    #[must_use]
    pub fn remembering_users(self) -> Self {
        Dictionary { users: Some(HashMap::with_hasher(RandomState::default())), ..self }
    }

    /// Whether the ids of users are remembered.
    #[must_use]
    pub fn remembers_users(&self) -> bool {
        self.users.is_some()
    }

    /// The key of a user id.
    #[must_use]
    pub fn user(&self, id: &str) -> UserKey {
        let key = self.ids.user(id);
        if let Some(users) = &self.users
            && remember(users, key, id) == Some(true)
        {
            self.announce(|| Name::User(key, id.to_owned()));
        }
        key
    }

    /// The key of a user id, without remembering the id: for readers, which may ask for users that do not exist.
    #[must_use]
    pub fn find_user(&self, id: &str) -> UserKey {
        self.ids.user(id)
    }

    /// The key of an order id. Orders have 128-bit keys and need no dictionary.
    #[must_use]
    pub fn order(&self, id: &str) -> OrderKey {
        self.ids.order(id)
    }

    /// The key of an order that has no id of its own, from what identifies the event that states it.
    #[must_use]
    pub fn order_of_event<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> OrderKey {
        self.ids.order_of_event(parts)
    }

    /// The key of an event, from the parts of its identity.
    #[must_use]
    pub fn identity<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> IdentityKey {
        self.ids.identity(parts)
    }

    /// The key of a row of a table, from the values of its primary key in the order of the key's columns.
    #[must_use]
    pub fn row<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> RowKey {
        self.ids.row(values)
    }

    /// The key of a product id. Remembers the id.
    ///
    /// # Errors
    /// When another product already has this key.
    pub fn product(&self, id: &str) -> Result<ProductKey, Collision> {
        let key = self.ids.product(id);
        if remember(&self.products, key, id).ok_or(Collision("product"))? {
            self.announce(|| Name::Product(key, id.to_owned()));
        }
        Ok(key)
    }

    /// The key of a category id. Remembers the id.
    ///
    /// # Errors
    /// When another category already has this key.
    pub fn category(&self, id: &str) -> Result<CategoryKey, Collision> {
        let key = self.ids.category(id);
        if remember(&self.categories, key, id).ok_or(Collision("category"))? {
            self.announce(|| Name::Category(key, id.to_owned()));
        }
        Ok(key)
    }

    /// The key of a product id, if the id was ever seen.
    #[must_use]
    pub fn find_product(&self, id: &str) -> Option<ProductKey> {
        let key = self.ids.product(id);
        (self.products.pin().get(&key)?.as_ref() == id).then_some(key)
    }

    /// The key of a category id, if the id was ever seen.
    #[must_use]
    pub fn find_category(&self, id: &str) -> Option<CategoryKey> {
        let key = self.ids.category(id);
        (self.categories.pin().get(&key)?.as_ref() == id).then_some(key)
    }

    /// Calls `read` with each product's id, in the order of the keys. Keys without a name are skipped.
    pub fn product_names(&self, keys: impl IntoIterator<Item = ProductKey>, mut read: impl FnMut(ProductKey, &str)) {
        let names = self.products.pin();
        for key in keys {
            if let Some(name) = names.get(&key) {
                read(key, name);
            }
        }
    }

    /// The id behind a product's key.
    #[must_use]
    pub fn product_name(&self, key: ProductKey) -> Option<Arc<str>> {
        self.products.pin().get(&key).cloned()
    }

    /// The id behind a category's key.
    #[must_use]
    pub fn category_name(&self, key: CategoryKey) -> Option<Arc<str>> {
        self.categories.pin().get(&key).cloned()
    }

    /// The id behind a user's key, if users are remembered.
    #[must_use]
    pub fn user_name(&self, key: UserKey) -> Option<Arc<str>> {
        self.users.as_ref()?.pin().get(&key).cloned()
    }

    /// Calls `take` with product ids, in any order, until it returns false.
    pub fn each_product(&self, mut take: impl FnMut(&str) -> bool) {
        let names = self.products.pin();
        let _ = names.values().all(|name| take(name));
    }

    /// Calls `take` with category ids, in any order, until it returns false.
    pub fn each_category(&self, mut take: impl FnMut(&str) -> bool) {
        let names = self.categories.pin();
        let _ = names.values().all(|name| take(name));
    }

    /// The number of remembered product ids.
    #[must_use]
    pub fn products_len(&self) -> usize {
        self.products.len()
    }

    /// Takes the names that were not sent to the other processes yet.
    pub(crate) fn take_fresh(&self) -> Vec<Name> {
        self.fresh.as_ref().map(|fresh| std::mem::take(&mut *lock(fresh))).unwrap_or_default()
    }

    /// Takes the names that were added since the last call.
    #[must_use]
    pub fn take_unsaved(&self) -> Vec<Name> {
        self.unsaved.as_ref().map(|unsaved| std::mem::take(&mut *lock(unsaved))).unwrap_or_default()
    }

    /// All names: at least the names that were added before the call.
    pub fn names(&self, mut take: impl FnMut(Name)) {
        self.products.pin().iter().for_each(|(key, name)| take(Name::Product(*key, name.to_string())));
        self.categories.pin().iter().for_each(|(key, name)| take(Name::Category(*key, name.to_string())));
        if let Some(users) = &self.users {
            users.pin().iter().for_each(|(key, name)| take(Name::User(*key, name.to_string())));
        }
    }

    /// Adds a name that another process saw first, or a restored name.
    ///
    /// # Errors
    /// When the key already belongs to another id.
    pub fn learn(&self, name: &Name) -> Result<(), Collision> {
        match name {
            Name::Product(key, id) => remember(&self.products, *key, id).ok_or(Collision("product"))?,
            Name::Category(key, id) => remember(&self.categories, *key, id).ok_or(Collision("category"))?,
            Name::User(key, id) => self.users.as_ref().is_some_and(|users| remember(users, *key, id) == Some(true)),
        };
        Ok(())
    }

    fn announce(&self, name: impl Fn() -> Name) {
        for names in [&self.fresh, &self.unsaved].into_iter().flatten() {
            lock(names).push(name());
        }
    }
}

fn lock(fresh: &Mutex<Vec<Name>>) -> std::sync::MutexGuard<'_, Vec<Name>> {
    fresh.lock().expect("no holder of this lock can panic")
}

/// Whether the name was new; `None` when the key belongs to another id.
fn remember<K: std::hash::Hash + Eq + Copy>(names: &Names<K>, key: K, id: &str) -> Option<bool> {
    let names = names.pin();
    if let Some(known) = names.get(&key) {
        return (known.as_ref() == id).then_some(false);
    }
    match names.try_insert(key, Arc::from(id)) {
        Ok(_) => Some(true),
        Err(other) => (other.current.as_ref() == id).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_new_ones_are_announced_once() {
        let dictionary = Dictionary::new(Ids::new([1; 16])).announcing();
        let key = dictionary.product("lamp").unwrap();
        assert_eq!(dictionary.product("lamp").unwrap(), key);
        assert_eq!(dictionary.product_name(key).as_deref(), Some("lamp"));
        assert_eq!(dictionary.find_product("chair"), None);
        assert_eq!(dictionary.take_fresh(), [Name::Product(key, "lamp".into())]);
        assert_eq!(dictionary.take_fresh(), []);
    }

    #[test]
    fn a_second_id_under_one_key_is_refused() {
        let dictionary = Dictionary::new(Ids::new([1; 16]));
        let key = dictionary.product("lamp").unwrap();
        assert_eq!(dictionary.learn(&Name::Product(key, "chair".into())), Err(Collision("product")));
        assert_eq!(dictionary.product_name(key).as_deref(), Some("lamp"));
    }
}
