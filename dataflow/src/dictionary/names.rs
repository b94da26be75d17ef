//! [`Names`]: the ids behind the keys of one kind, each with the round in which it was last in use.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::RandomState;
use papaya::HashMap;

use super::rounds::RoundNumber;

/// In place of the round: the entry is about to be removed, and a thread that sees its id adds another entry.
const FORGOTTEN: RoundNumber = RoundNumber::MAX;

/// The ids behind the keys of one kind. All threads may use it at the same time.
pub(super) struct Names<K> {
    entries: HashMap<K, Entry, RandomState>,
}

struct Entry {
    id: Arc<str>,
    /// The latest round in which the id was seen, or a row referred to it; or [`FORGOTTEN`].
    used: AtomicU32,
}

impl Entry {
    fn new(id: &str, round: RoundNumber) -> Self {
        Entry { id: Arc::from(id), used: AtomicU32::new(round) }
    }

    /// Notes that the entry is in use; false if it is forgotten.
    fn touch(&self, round: RoundNumber) -> bool {
        let later = |used: RoundNumber| (used < round).then_some(round);
        match self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, later) {
            Ok(_) => true,
            Err(used) => used != FORGOTTEN,
        }
    }

    /// Forgets the entry if it was not in use in `before` or a later round; whether it did so. The entry is not in use after that:
    /// either [`Entry::touch`] is first, or it returns false.
    fn forget(&self, before: RoundNumber) -> bool {
        let used = self.used.load(Ordering::Acquire);
        used < before && self.used.compare_exchange(used, FORGOTTEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_forgotten(&self) -> bool {
        self.used.load(Ordering::Acquire) == FORGOTTEN
    }
}

impl<K: Hash + Eq + Copy> Names<K> {
    pub(super) fn new() -> Self {
        Names { entries: HashMap::with_hasher(RandomState::default()) }
    }

    /// Whether the name is new; `None` when the key belongs to another id. From now on the id is in use in this round.
    pub(super) fn remember(&self, key: K, id: &str, round: RoundNumber) -> Option<bool> {
        let entries = self.entries.pin();
        loop {
            if let Some(known) = entries.get(&key) {
                if !known.is_forgotten() && known.id.as_ref() != id {
                    return None;
                }
                if known.touch(round) {
                    return Some(false);
                }
                // Another thread may have done this already, and even have added the next entry.
                let _ = entries.remove_if(&key, |_, entry| entry.is_forgotten());
            }
            if entries.try_insert(key, Entry::new(id, round)).is_ok() {
                return Some(true);
            }
        }
    }

    /// Notes that the id behind a key is in use in this round.
    pub(super) fn mark(&self, key: K, round: RoundNumber) {
        if let Some(entry) = self.entries.pin().get(&key) {
            entry.touch(round);
        }
    }

    /// Forgets the ids that were not in use in `before` or a later round; returns their number.
    pub(super) fn forget(&self, before: RoundNumber) -> u64 {
        let entries = self.entries.pin();
        let mut forgotten = 0;
        for (key, entry) in &entries {
            if entry.forget(before) {
                let _ = entries.remove_if(key, |_, entry| entry.is_forgotten());
                forgotten += 1;
            }
        }
        forgotten
    }

    /// The id behind a key.
    pub(super) fn name(&self, key: K) -> Option<Arc<str>> {
        self.entries.pin().get(&key).map(|entry| entry.id.clone())
    }

    /// Whether the key is of this id.
    pub(super) fn is(&self, key: K, id: &str) -> bool {
        self.entries.pin().get(&key).is_some_and(|entry| entry.id.as_ref() == id)
    }

    /// Calls `read` with each of these rows and the id behind its key, in their order. Rows whose key has no id are left out.
    pub(super) fn of<R>(
        &self,
        rows: impl IntoIterator<Item = R>,
        key: impl Fn(&R) -> K,
        mut read: impl FnMut(R, &str),
    ) {
        let entries = self.entries.pin();
        for row in rows {
            if let Some(entry) = entries.get(&key(&row)) {
                read(row, &entry.id);
            }
        }
    }

    /// Calls `take` with all keys and ids, in any order, until it returns false. At least those are among them that were added
    /// before the call.
    pub(super) fn each(&self, mut take: impl FnMut(K, &str) -> bool) {
        let entries = self.entries.pin();
        let _ = entries.iter().all(|(key, entry)| take(*key, &entry.id));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn an_id_is_forgotten_by_its_last_use_and_comes_back_as_a_new_one() {
        let names = Names::<u8>::new();
        assert_eq!(names.remember(1, "ada", 5), Some(true));
        assert_eq!(names.remember(2, "ben", 5), Some(true));
        assert_eq!(names.remember(1, "ada", 7), Some(false));
        assert_eq!(names.remember(1, "ada", 6), Some(false), "an earlier round does not take the use back");
        names.mark(3, 9);
        assert_eq!((names.forget(5), names.len()), (0, 2));
        assert_eq!((names.forget(7), names.len()), (1, 1));
        assert_eq!((names.name(1).as_deref(), names.name(2)), (Some("ada"), None));
        names.mark(1, 8);
        assert_eq!(names.forget(8), 0);
        assert_eq!(names.remember(2, "cid", 8), Some(true), "nothing is left of the earlier id");
        assert_eq!(names.remember(2, "ben", 8), None);
    }

    /// One thread sees ids again and again, while another one forgets as much as it may.
    #[test]
    fn an_id_that_was_seen_is_not_forgotten_in_the_same_moment() {
        const IDS: u32 = 512;
        let (names, round, ended) = (Names::<u32>::new(), AtomicU32::new(2), AtomicBool::new(false));
        let added = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    names.forget(round.fetch_add(1, Ordering::AcqRel) - 1);
                }
            });
            let mut added = 0;
            for key in (0..4000).flat_map(|_| 0..IDS) {
                let now = round.load(Ordering::Acquire);
                added += u32::from(names.remember(key, "id", now).expect("there is one id only"));
                let is_there = names.name(key).is_some();
                // Up to here, nothing was forgotten that was used in this round.
                assert!(is_there || round.load(Ordering::Acquire) > now + 1);
                if added > 4 * IDS {
                    break;
                }
            }
            ended.store(true, Ordering::Relaxed);
            added
        });
        assert!(added > IDS, "some were forgotten and came back");
    }
}
