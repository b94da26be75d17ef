//! Maps ids to keys and back: one dictionary for each process, shared by all its threads.
//!
//! A name is added when a thread first sees its id, and is never changed; so reading the dictionary needs no frontier. A
//! second id with the same key is a [`Collision`]: the record is rejected with that reason, and no list can mix the two
//! ids. Names of categories stay. Names of products and users leave some rounds after the last row that refers to them
//! ([`Round`]).

pub mod key_cache;
mod names;
mod rounds;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::ids::{CategoryKey, IdentityKey, Ids, OrderKey, ProductKey, RowKey, UserKey};

use names::Names;
use rounds::Rounds;

pub use key_cache::KeyCache;
pub use rounds::{Hold, KeptProducts, Round};

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
    rounds: Arc<Rounds>,
}

impl Dictionary {
    /// An empty dictionary over one family of hashes.
    #[must_use]
    pub fn new(ids: Ids) -> Self {
        Dictionary {
            ids,
            products: Names::new(),
            categories: Names::new(),
            users: None,
            fresh: None,
            unsaved: None,
            rounds: Arc::default(),
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
        Dictionary { users: Some(Names::new()), ..self }
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
            && users.remember(key, id, self.rounds.current()) == Some(true)
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
        if self.products.remember(key, id, self.rounds.current()).ok_or(Collision("product"))? {
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
        if self.categories.remember(key, id, self.rounds.current()).ok_or(Collision("category"))? {
            self.announce(|| Name::Category(key, id.to_owned()));
        }
        Ok(key)
    }

    /// The key of a product id, if the id was ever seen.
    #[must_use]
    pub fn find_product(&self, id: &str) -> Option<ProductKey> {
        let key = self.ids.product(id);
        self.products.is(key, id).then_some(key)
    }

    /// The key of a category id, if the id was ever seen.
    #[must_use]
    pub fn find_category(&self, id: &str) -> Option<CategoryKey> {
        let key = self.ids.category(id);
        self.categories.is(key, id).then_some(key)
    }

    /// Calls `read` with each product's id, in the order of the keys. Keys without a name are skipped.
    pub fn product_names(&self, keys: impl IntoIterator<Item = ProductKey>, read: impl FnMut(ProductKey, &str)) {
        self.products.of(keys, |key| *key, read);
    }

    /// Calls `read` with each row and its category's id, in the order of the rows. Rows whose category has no name are
    /// skipped.
    pub fn category_names<R>(&self, rows: &[R], category: impl Fn(&R) -> CategoryKey, mut read: impl FnMut(&R, &str)) {
        self.categories.of(rows, |row| category(row), |row, id| read(row, id));
    }

    /// The id behind a product's key.
    #[must_use]
    pub fn product_name(&self, key: ProductKey) -> Option<Arc<str>> {
        self.products.name(key)
    }

    /// The id behind a category's key.
    #[must_use]
    pub fn category_name(&self, key: CategoryKey) -> Option<Arc<str>> {
        self.categories.name(key)
    }

    /// The id behind a user's key, if users are remembered.
    #[must_use]
    pub fn user_name(&self, key: UserKey) -> Option<Arc<str>> {
        self.users.as_ref()?.name(key)
    }

    /// Calls `take` with product ids, in any order, until it returns false.
    pub fn each_product(&self, mut take: impl FnMut(&str) -> bool) {
        self.products.each(|_, name| take(name));
    }

    /// Calls `take` with category ids, in any order, until it returns false.
    pub fn each_category(&self, mut take: impl FnMut(&str) -> bool) {
        self.categories.each(|_, name| take(name));
    }

    /// The number of remembered product ids.
    #[must_use]
    pub fn products_len(&self) -> usize {
        self.products.len()
    }

    /// The number of remembered ids of users.
    #[must_use]
    pub fn users_len(&self) -> usize {
        self.users.as_ref().map_or(0, Names::len)
    }

    /// How many ids of users were forgotten since the start.
    #[must_use]
    pub fn users_forgotten(&self) -> u64 {
        self.rounds.users_forgotten()
    }

    /// How many ids of products were forgotten since the start. While this number is the same, a key of a product has the id that
    /// it had.
    #[must_use]
    pub fn products_forgotten(&self) -> u64 {
        self.rounds.products_forgotten()
    }

    /// Puts rounds off for someone who has keys outside of the tables and needs their ids. It is taken before the ids are seen.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.rounds.hold()
    }

    /// Keeps the ids of products that no row may refer to. They must be held when this is called.
    #[must_use]
    pub fn keep_products(&self, products: Vec<ProductKey>) -> KeptProducts {
        self.rounds.keep(products)
    }

    /// Ends a round, in which ids are forgotten. `None` if a [`Hold`] puts it off, and in a cluster: there no process knows which
    /// ids the rows of the others need.
    #[must_use]
    pub fn end_round(&self) -> Option<Round<'_>> {
        if self.fresh.is_some() { None } else { Round::begin(self) }
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
        let mut give = |name| {
            take(name);
            true
        };
        self.products.each(|key, name| give(Name::Product(key, name.to_owned())));
        self.categories.each(|key, name| give(Name::Category(key, name.to_owned())));
        if let Some(users) = &self.users {
            users.each(|key, name| give(Name::User(key, name.to_owned())));
        }
    }

    /// Adds a name that another process saw first, or a restored name.
    ///
    /// # Errors
    /// When the key already belongs to another id.
    pub fn learn(&self, name: &Name) -> Result<(), Collision> {
        let round = self.rounds.current();
        match name {
            Name::Product(key, id) => self.products.remember(*key, id, round).ok_or(Collision("product"))?,
            Name::Category(key, id) => self.categories.remember(*key, id, round).ok_or(Collision("category"))?,
            Name::User(key, id) => {
                self.users.as_ref().is_some_and(|users| users.remember(*key, id, round) == Some(true))
            }
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
