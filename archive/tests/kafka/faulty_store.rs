//! A directory that refuses or delays requests when a test tells it to.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use archive::store::{Dir, Lock, Object, Store, StoreError, Version};
use bytes::Bytes;

pub(crate) struct FaultyStore {
    dir: Dir,
    refuses_lists: AtomicBool,
    refuses_reads: AtomicBool,
    /// Files are read as other bytes than were written.
    garbles_reads: AtomicBool,
    /// How many times objects were listed.
    lists: AtomicUsize,
    /// Whether lists are held.
    holds_lists: Mutex<bool>,
    /// Whether reads are held, and how many are.
    held: Mutex<(bool, usize)>,
    released: Condvar,
    listed: Condvar,
}

impl FaultyStore {
    pub(crate) fn new(dir: &Path) -> FaultyStore {
        FaultyStore {
            dir: Dir::new(dir),
            refuses_lists: AtomicBool::new(false),
            refuses_reads: AtomicBool::new(false),
            garbles_reads: AtomicBool::new(false),
            lists: AtomicUsize::new(0),
            holds_lists: Mutex::default(),
            held: Mutex::default(),
            released: Condvar::new(),
            listed: Condvar::new(),
        }
    }

    pub(crate) fn refuse_lists(&self, refuse: bool) {
        self.refuses_lists.store(refuse, Ordering::Release);
    }

    pub(crate) fn refuse_reads(&self, refuse: bool) {
        self.refuses_reads.store(refuse, Ordering::Release);
    }

    pub(crate) fn garble_reads(&self, garble: bool) {
        self.garbles_reads.store(garble, Ordering::Release);
    }

    pub(crate) fn hold_lists(&self, hold: bool) {
        *self.holds_lists.lock().unwrap() = hold;
        self.listed.notify_all();
    }

    /// How many times objects were listed, or are being listed.
    pub(crate) fn lists(&self) -> usize {
        self.lists.load(Ordering::Acquire)
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
        self.lists.fetch_add(1, Ordering::AcqRel);
        let _held = self.listed.wait_while(self.holds_lists.lock().unwrap(), |holds| *holds).unwrap();
        if self.refuses_lists.load(Ordering::Acquire) { Err(refused("list", prefix)) } else { self.dir.list(prefix) }
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.dir.put(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        let mut held = self.held.lock().unwrap();
        held.1 += 1;
        let _held = self.released.wait_while(held, |(holds, _)| *holds).unwrap();
        if self.refuses_reads.load(Ordering::Acquire) {
            return Err(refused("read", name));
        }
        let bytes = self.dir.get(name)?;
        Ok(if self.garbles_reads.load(Ordering::Acquire) { bytes.slice(1..) } else { bytes })
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.dir.remove(name)
    }

    fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        self.dir.read(name)
    }

    fn versions(&self, prefix: &str) -> Result<Vec<(Object, Version)>, StoreError> {
        self.dir.versions(prefix)
    }

    fn replace(&self, name: &str, bytes: Bytes, version: &Version) -> Result<bool, StoreError> {
        self.dir.replace(name, bytes, version)
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        self.dir.lock()
    }
}
