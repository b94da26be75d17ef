//! A directory that refuses or delays requests when a test tells it to.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};

use archive::store::{Dir, Object, Store, StoreError};
use bytes::Bytes;

pub(crate) struct FaultyStore {
    dir: Dir,
    refuses_lists: AtomicBool,
    refuses_reads: AtomicBool,
    /// Whether reads are held, and how many are.
    held: Mutex<(bool, usize)>,
    released: Condvar,
}

impl FaultyStore {
    pub(crate) fn new(dir: &Path) -> FaultyStore {
        FaultyStore {
            dir: Dir::new(dir),
            refuses_lists: AtomicBool::new(false),
            refuses_reads: AtomicBool::new(false),
            held: Mutex::default(),
            released: Condvar::new(),
        }
    }

    pub(crate) fn refuse_lists(&self, refuse: bool) {
        self.refuses_lists.store(refuse, Ordering::Release);
    }

    pub(crate) fn refuse_reads(&self, refuse: bool) {
        self.refuses_reads.store(refuse, Ordering::Release);
    }

    pub(crate) fn hold_reads(&self, hold: bool) {
        self.held.lock().unwrap().0 = hold;
        self.released.notify_all();
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.held.lock().unwrap().1 > 0
    }
}

fn refused(doing: &'static str, name: &str) -> StoreError {
    StoreError { doing, name: name.into(), reason: "503".into() }
}

impl Store for FaultyStore {
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        if self.refuses_lists.load(Ordering::Acquire) { Err(refused("list", prefix)) } else { self.dir.list(prefix) }
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.dir.put(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        let mut held = self.held.lock().unwrap();
        held.1 += 1;
        let _held = self.released.wait_while(held, |(holds, _)| *holds).unwrap();
        if self.refuses_reads.load(Ordering::Acquire) { Err(refused("read", name)) } else { self.dir.get(name) }
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.dir.remove(name)
    }
}
