//! Forgetting ids: [`Round`]s, in which those leave that nothing has used for some rounds, and [`Hold`]s, which put rounds off.
//!
//! ```text
//! period of a round:  an id is seen ─▶ in use      at its end, by a cut: an id of a row ─▶ in use
//! the round ends:     not in use in this round and the three before ─▶ forgotten
//! ```
//! A key is a hash of its id: it does not change when an id is forgotten and comes back. So what must not happen is that an id is
//! missing, or that a key in use is given to a second id with the same hash. Who has keys outside of the tables holds the
//! rounds: a [`Hold`] is taken before the ids are seen, and given back when the rows are in the inputs, or when the ids were
//! read. No round ends while there is a hold from before the previous one. So a use is at most one round old when a key is
//! handed on, and a key may be handed on three times:
//!
//! 1. from a source to the tables, where the next round sees its row;
//! 2. from a table to a list or to the report of a change, which may be there for a moment when the row has left;
//! 3. from what waits for a sink to the sink, which reads the id.
//!
//! Readers of published lists take no hold: the caller leaves more time between two rounds than a reader may take, and than
//! co-views take to follow the tables. A model names its products for as long as it is in use ([`KeptProducts`]).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::Dictionary;
use crate::cut::Base;
use crate::ids::{ProductKey, UserKey};

/// The number of a round. At one round an hour there are enough of them for 490,000 years.
pub(super) type RoundNumber = u32;

/// For how many rounds after its last use an id stays.
const KEPT: RoundNumber = 3;

/// Products that were marked lately and are not marked again. A power of two.
const RECENT: usize = 1 << 12;

/// The rounds of a dictionary.
#[derive(Default)]
pub(super) struct Rounds {
    /// The number of the round that has not ended yet.
    current: AtomicU32,
    /// The number of holds by the round in which they were taken. The round does not change while this is locked.
    holds: Mutex<BTreeMap<RoundNumber, usize>>,
    kept: Mutex<Vec<Weak<[ProductKey]>>>,
    users_forgotten: AtomicU64,
    products_forgotten: AtomicU64,
}

impl Rounds {
    /// The round that has not ended yet.
    pub(super) fn current(&self) -> RoundNumber {
        self.current.load(Ordering::Acquire)
    }

    /// How many ids of users were forgotten since the start.
    pub(super) fn users_forgotten(&self) -> u64 {
        self.users_forgotten.load(Ordering::Relaxed)
    }

    /// How many ids of products were forgotten since the start.
    pub(super) fn products_forgotten(&self) -> u64 {
        self.products_forgotten.load(Ordering::Acquire)
    }

    pub(super) fn keep(&self, products: Vec<ProductKey>) -> KeptProducts {
        let products = KeptProducts(products.into());
        self.kept().push(Arc::downgrade(&products.0));
        products
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Weak<[ProductKey]>>> {
        self.kept.lock().expect("no holder of this lock can panic")
    }

    pub(super) fn hold(self: &Arc<Self>) -> Hold {
        let mut holds = self.holds();
        let round = self.current();
        *holds.entry(round).or_default() += 1;
        drop(holds);
        Hold { rounds: self.clone(), round }
    }

    /// The current round, if there is no hold from before the previous one ended.
    fn free(&self) -> Option<RoundNumber> {
        let holds = self.holds();
        let round = self.current();
        holds.keys().all(|held| *held == round).then_some(round)
    }

    fn holds(&self) -> MutexGuard<'_, BTreeMap<RoundNumber, usize>> {
        self.holds.lock().expect("no holder of this lock can panic")
    }
}

/// Someone has keys outside of the tables, and needs the ids behind them.
pub struct Hold {
    rounds: Arc<Rounds>,
    round: RoundNumber,
}

impl Hold {
    /// Whether no round has ended since the hold was taken.
    #[must_use]
    pub fn is_of_current_round(&self) -> bool {
        self.round == self.rounds.current()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.rounds.holds();
        if let Some(count) = holds.get_mut(&self.round) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&self.round);
            }
        }
    }
}

/// Products whose ids are not forgotten while this is there.
pub struct KeptProducts(Arc<[ProductKey]>);

/// A round that ends. All rows of a cut are marked, then [`Round::end`] is called. One thread at a time may do this.
///
/// The cut must have been asked for after the previous round ended, and hold the rows of all workers that use the dictionary.
pub struct Round<'d> {
    dictionary: &'d Dictionary,
    number: RoundNumber,
    last_user: Option<UserKey>,
    recent: Box<[ProductKey]>,
}

impl<'d> Round<'d> {
    /// Begins to end the current round; `None` if it must go on because of a [`Hold`].
    pub(super) fn begin(dictionary: &'d Dictionary) -> Option<Self> {
        let number = dictionary.rounds.free()?;
        let recent = vec![ProductKey::NONE; RECENT].into();
        Some(Round { dictionary, number, last_user: None, recent })
    }

    /// Marks the ids of the rows of a worker.
    pub fn mark(&mut self, rows: &Base) {
        rows.mark(self);
    }

    /// A row refers to this user. Rows of a user often follow each other.
    pub(crate) fn mark_user(&mut self, user: UserKey) {
        if let Some(users) = self.dictionary.users.as_ref().filter(|_| self.last_user != Some(user)) {
            self.last_user = Some(user);
            users.mark(user, self.number);
        }
    }

    /// A row refers to this product. Many rows refer to few products.
    pub(crate) fn mark_product(&mut self, product: ProductKey) {
        let at = usize::try_from(product.route() & (RECENT as u64 - 1)).expect("a place's number is small");
        if self.recent[at] != product {
            self.recent[at] = product;
            self.dictionary.products.mark(product, self.number);
        }
    }

    /// Forgets what was not in use, and begins the next round; returns how many ids are forgotten.
    pub fn end(self) -> u64 {
        let Dictionary { users, products, rounds, .. } = self.dictionary;
        rounds.kept().retain(|kept| {
            let kept = kept.upgrade();
            kept.iter().flat_map(|kept| kept.iter()).for_each(|product| products.mark(*product, self.number));
            kept.is_some()
        });
        let before = self.number.saturating_sub(KEPT);
        let users_forgotten = users.as_ref().map_or(0, |users| users.forget(before));
        rounds.users_forgotten.fetch_add(users_forgotten, Ordering::Relaxed);
        let products_forgotten = products.forget(before);
        rounds.products_forgotten.fetch_add(products_forgotten, Ordering::Release);
        let _holds = rounds.holds();
        rounds.current.store(self.number + 1, Ordering::Release);
        users_forgotten + products_forgotten
    }
}
