//! [`KeyCache`]: a reader's own way from ids to keys, which remembers the products it saw last.
//!
//! A few products have most of the views. For these the keyed hash and the look-up in the shared [`Dictionary`], which costs
//! several cache misses, are saved. A key never changes. The dictionary must hear of each id in each round in which it is used, so
//! that it does not forget the id; so the cache is emptied with every round.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::rounds::RoundNumber;
use super::{Collision, Dictionary};
use crate::ids::{ProductKey, UserKey};

/// Products that are remembered. A power of two; 2 MiB: a miss costs several misses of the processor's caches, a hit one.
const SLOTS: usize = 65_536;

/// Longer ids are not remembered.
const ID_BYTES: usize = 23;

/// Maps ids to keys for one reader.
pub struct KeyCache {
    dictionary: Arc<Dictionary>,
    /// By a hash of the id; a later id takes the slot of an earlier one.
    slots: Box<[Slot]>,
    /// The round in which the ids in the slots were seen.
    round: RoundNumber,
    hasher: RandomState,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    id: [u8; ID_BYTES],
    /// 0 in an unused slot: it stands for the empty id, which is never remembered.
    bytes: u8,
    key: ProductKey,
}

impl KeyCache {
    /// For a reader that has seen nothing.
    #[must_use]
    pub fn new(dictionary: Arc<Dictionary>) -> Self {
        let round = dictionary.rounds.current();
        KeyCache { dictionary, slots: vec![Slot::default(); SLOTS].into(), round, hasher: RandomState::default() }
    }

    /// The dictionary that it asks.
    #[must_use]
    pub fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// See [`Dictionary::user`].
    #[must_use]
    pub fn user(&self, id: &str) -> UserKey {
        self.dictionary.user(id)
    }

    /// See [`Dictionary::product`].
    ///
    /// # Errors
    /// When another product already has this key.
    pub fn product(&mut self, id: &str) -> Result<ProductKey, Collision> {
        if id.len() > ID_BYTES || id.is_empty() {
            return self.dictionary.product(id);
        }
        let round = self.dictionary.rounds.current();
        if round != self.round {
            self.round = round;
            self.slots.fill(Slot::default());
        }
        let slot = &mut self.slots[self.hasher.hash_one(id.as_bytes()) as usize % SLOTS];
        if slot.id[..usize::from(slot.bytes)] != *id.as_bytes() {
            slot.key = self.dictionary.product(id)?;
            slot.bytes = id.len() as u8;
            slot.id[..id.len()].copy_from_slice(id.as_bytes());
        }
        Ok(slot.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Name;
    use crate::ids::Ids;

    #[test]
    fn keys_are_those_of_the_dictionary_however_often_and_in_which_order_ids_come() {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])).announcing());
        let (mut keys, plain) = (KeyCache::new(dictionary.clone()), Dictionary::new(Ids::new([1; 16])));
        // Many more ids than slots, of all lengths around the limit, and the empty one.
        let id = |number: usize| format!("{number:0>width$}", width = number % 28);
        let ids: Vec<String> = (0..3 * SLOTS).map(id).chain([String::new()]).collect();
        for _ in 0..2 {
            for id in &ids {
                for _ in 0..2 {
                    assert_eq!(keys.product(id), plain.product(id), "{id}");
                }
                assert_eq!(keys.user(id), plain.user(id));
            }
        }
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(dictionary.take_fresh().len(), distinct.len(), "each is announced once");
    }

    #[test]
    fn an_id_that_is_used_in_every_round_stays_and_one_that_was_forgotten_is_named_again() {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let mut keys = KeyCache::new(dictionary.clone());
        let (lamp, mug) = (keys.product("lamp").unwrap(), keys.product("mug").unwrap());
        for _ in 0..6 {
            assert_eq!(keys.product("lamp"), Ok(lamp));
            dictionary.end_round().unwrap().end();
        }
        let named = || [lamp, mug].map(|product| dictionary.product_name(product).is_some());
        assert_eq!((named(), dictionary.products_forgotten()), ([true, false], 1));
        assert_eq!((keys.product("mug"), named()), (Ok(mug), [true; 2]));
    }

    #[test]
    fn a_refused_id_is_refused_every_time() {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let mut keys = KeyCache::new(dictionary.clone());
        let key = Ids::new([1; 16]).product("lamp");
        dictionary.learn(&Name::Product(key, "chair".into())).unwrap();
        (0..2).for_each(|_| assert_eq!(keys.product("lamp"), Err(Collision("product"))));
        assert!(keys.product("chair").is_ok());
    }
}
