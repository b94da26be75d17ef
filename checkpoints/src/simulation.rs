//! A disk in memory that crashes, fills up and fails at will: for tests and for the simulation, never for data.
//!
//! It keeps what was asked for durably apart from what a crash may take: the bytes of a file after its last
//! synchronisation, and the names of a directory since its own. A crash ([`FakeDisk::crash`]) then keeps all, none or
//! any part of that, also in another order: a name can survive whose content does not.

mod dice;
mod state;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use self::state::State;
use crate::disk::{Disk, DiskFile, Entry, Held, Lock};

/// What a crash leaves of that which was not made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Everything: the process died, the machine did not.
    Nothing,
    /// Nothing: only what was synchronised is there.
    Everything,
    /// Any part: files are cut or filled with zeros anywhere after their last synchronisation, changes of names happened
    /// or not. The same number gives the same loss.
    Some(u64),
}

/// When what is asked to be synchronised is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncing {
    /// As it should be.
    #[default]
    AtOnce,
    /// After the name that the file gets next was made durable: as if the rename came before the fsync. A crash in
    /// between leaves the name and not the content.
    AfterNaming,
    /// Never: it only looks as if it were.
    Never,
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FakeDisk(Arc<Mutex<State>>);

impl FakeDisk {
    /// An empty disk without bounds.
    #[must_use]
    pub fn new() -> Self {
        FakeDisk::default()
    }

    /// How many operations that change something there have been, failed ones included.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations()
    }

    /// Crashes in the middle of the operation of that number, counted from 0. A write may have written a part by then,
    /// everything else has not happened. All later operations fail until [`FakeDisk::crash`].
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at(operation);
    }

    /// Lets the operation of that number fail, once.
    pub fn fail_at(&self, operation: u64, with: io::ErrorKind) {
        self.state().fail_at(operation, with);
    }

    /// Bounds the bytes of all files together; `None` for no bound. What goes beyond fails with
    /// [`io::ErrorKind::StorageFull`], after the part that fits was written.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// From now on nothing fails, crashes or is full.
    pub fn heal(&self) {
        self.state().heal();
    }

    /// What becomes of synchronising files from now on.
    pub fn set_syncing(&self, syncing: Syncing) {
        self.state().syncing = syncing;
    }

    /// Crashes now, if it did not yet, and starts anew with what the loss leaves. Open files and locks are gone.
    pub fn crash(&self, loss: Loss) {
        self.state().crash(loss);
    }

    /// All files, with their content.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.state().files()
    }

    /// Puts a file there, durably: to damage one, or to play another program.
    pub fn put(&self, path: &Path, content: &[u8]) {
        self.state().put(path, content);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

impl Disk for FakeDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().make_dir(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let (inode, life) = self.state().create(path)?;
        Ok(Box::new(FakeFile { disk: self.clone(), inode, life }))
    }

    fn hold(&self, path: &Path) -> Box<dyn Held> {
        Box::new(FakeHeld { disk: self.clone(), path: path.to_owned() })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().sync_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.state().list(dir)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.state().content(path).map(|content| content.len() as u64)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let state = self.state();
        let content = state.content(path)?;
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(length)?));
        range.and_then(|range| content.get(range)).map(<[u8]>::to_vec).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().remove(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let taken = self.state().lock(path)?;
        Ok(taken.map(|life| Box::new(FakeLock { disk: self.clone(), path: path.to_owned(), life }) as Box<dyn Lock>))
    }
}

struct FakeFile {
    disk: FakeDisk,
    inode: usize,
    /// Of which life of the disk it is: a crash closes all files.
    life: u64,
}

impl Write for FakeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.state().write(self.inode, self.life, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for FakeFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().sync(self.inode, self.life)
    }
}

#[derive(Debug)]
struct FakeHeld {
    disk: FakeDisk,
    path: PathBuf,
}

impl Held for FakeHeld {
    fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().overwrite(&self.path, offset, bytes)
    }
}

#[derive(Debug)]
struct FakeLock {
    disk: FakeDisk,
    path: PathBuf,
    life: u64,
}

impl Lock for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        self.disk.state().unlock(&self.path, self.life);
    }
}
