//! A store in memory that fails, and that kills its user at a chosen request.

use std::collections::BTreeMap;
use std::sync::Mutex;

use archive::store::{Lock, Object, Store, StoreError, Version};
use bytes::Bytes;
use harness::Dice;

#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<State>);

struct State {
    /// Each with its version.
    objects: BTreeMap<String, (Bytes, u64)>,
    /// How many objects were written.
    written: u64,
    dice: Dice,
    /// Changing requests until the kill.
    left: Option<u64>,
    killed: bool,
    /// One of this number of requests fails. 0: no request fails.
    fail_one_in: u64,
}

impl Default for State {
    fn default() -> Self {
        State { objects: BTreeMap::new(), written: 0, dice: Dice::new(1), left: None, killed: false, fail_one_in: 0 }
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
    fn write(&mut self, name: &str, bytes: Bytes) {
        self.written += 1;
        self.objects.insert(name.to_owned(), (bytes, self.written));
    }

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
        Ok(self.versions(prefix)?.into_iter().map(|(object, _)| object).collect())
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let fate = state.fate(true);
        if fate != Fate::Undone {
            state.write(name, bytes);
        }
        answer(fate, "write", name, ())
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        let missing = || StoreError { doing: "read", name: name.to_owned(), reason: "503".into() };
        self.read(name)?.map(|(bytes, _)| bytes).ok_or_else(missing)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let fate = state.fate(true);
        if fate != Fate::Undone {
            state.objects.remove(name);
        }
        answer(fate, "remove", name, ())
    }

    fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let found = state.objects.get(name).map(|(bytes, version)| (bytes.clone(), Version(version.to_string())));
        answer(state.fate(false), "read", name, found)
    }

    fn versions(&self, prefix: &str) -> Result<Vec<(Object, Version)>, StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let found =
            state.objects.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(name, (bytes, version))| {
                (Object { name: name.clone(), bytes: bytes.len() as u64 }, Version(version.to_string()))
            });
        let found = found.collect();
        answer(state.fate(false), "list", prefix, found)
    }

    fn replace(&self, name: &str, bytes: Bytes, version: &Version) -> Result<bool, StoreError> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let fate = state.fate(true);
        let is_same = state.objects.get(name).is_some_and(|(_, now)| now.to_string() == version.0);
        if is_same && fate != Fate::Undone {
            state.write(name, bytes);
        }
        answer(fate, "write", name, is_same)
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        Ok(Lock::none())
    }
}
