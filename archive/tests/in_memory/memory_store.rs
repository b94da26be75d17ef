//! A store in memory that fails, and that kills its user at a chosen request.

use std::collections::BTreeMap;
use std::sync::Mutex;

use archive::store::{Object, Store, StoreError};
use bytes::Bytes;
use harness::Dice;

#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<State>);

struct State {
    objects: BTreeMap<String, Bytes>,
    dice: Dice,
    /// Changing requests until the kill.
    left: Option<u64>,
    killed: bool,
    /// One of this number of requests fails. 0: no request fails.
    fail_one_in: u64,
}

impl Default for State {
    fn default() -> Self {
        State { objects: BTreeMap::new(), dice: Dice::new(1), left: None, killed: false, fail_one_in: 0 }
    }
}

/// What happens to a request.
#[derive(PartialEq)]
enum Fate {
    Done,
    /// It is done, and its answer does not arrive.
    DoneUnheard,
    Undone,
}

impl MemoryStore {
    /// Kills at the first changing request after `requests` of them. That request is done or not; later ones are not done.
    pub(crate) fn kill_after(&self, requests: u64, seed: u64) {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        state.dice = Dice::new(seed);
        state.left = Some(requests);
    }

    pub(crate) fn fail_one_in(&self, requests: u64) {
        self.0.lock().expect("no holder of this lock panics").fail_one_in = requests;
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.0.lock().expect("no holder of this lock panics").killed
    }

    /// The next process starts.
    pub(crate) fn revive(&self) {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        (state.killed, state.left) = (false, None);
    }

    pub(crate) fn heal(&self) {
        self.revive();
        self.fail_one_in(0);
    }
}

impl State {
    fn fate(&mut self, changes: bool) -> Fate {
        if self.killed {
            return Fate::Undone;
        }
        if changes && let Some(left) = &mut self.left {
            if *left == 0 {
                self.killed = true;
                return if self.dice.below(2) == 0 { Fate::DoneUnheard } else { Fate::Undone };
            }
            *left -= 1;
        }
        match self.fail_one_in {
            0 => Fate::Done,
            one_in if self.dice.below(one_in) > 0 => Fate::Done,
            _ if self.dice.below(2) == 0 && changes => Fate::DoneUnheard,
            _ => Fate::Undone,
        }
    }
}

fn answer<T>(fate: Fate, doing: &'static str, name: &str, done: T) -> Result<T, StoreError> {
    match fate {
        Fate::Done => Ok(done),
        _ => Err(StoreError { doing, name: name.to_owned(), reason: "503".into() }),
    }
}

impl Store for MemoryStore {
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let found = state.objects.iter().filter(|(name, _)| name.starts_with(prefix));
        let found = found.map(|(name, bytes)| Object { name: name.clone(), bytes: bytes.len() as u64 }).collect();
        answer(state.fate(false), "list", prefix, found)
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let fate = state.fate(true);
        if fate != Fate::Undone {
            state.objects.insert(name.to_owned(), bytes);
        }
        answer(fate, "write", name, ())
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let bytes = state.objects.get(name).cloned();
        let fate = if bytes.is_some() { state.fate(false) } else { Fate::Undone };
        answer(fate, "read", name, bytes.unwrap_or_default())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let fate = state.fate(true);
        if fate != Fate::Undone {
            state.objects.remove(name);
        }
        answer(fate, "remove", name, ())
    }
}
