//! A disk in memory that crashes, fills up and fails on demand: for tests and for the simulation, never for data.
//!
//! It keeps durable content apart from content that a crash may lose: the bytes of a file after its last
//! synchronisation, and the changes of names in a directory since its last synchronisation. A crash
//! ([`FakeDisk::crash`]) then keeps all, none or any part of the latter, also in another order: a name can survive
//! without its content.

mod dice;
mod state;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

pub use self::dice::Dice;
use self::state::DiskState;
use crate::disk::{DirEntry, Disk, DiskFile, Held, Lock};

/// How much of the content that was not made durable survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Everything: the process died, the machine did not.
    Nothing,
    /// Nothing: only synchronised content survives.
    Everything,
    /// Any part: files are cut or filled with zeros anywhere after their last synchronisation, and each change of a
    /// name happened or not. The same number gives the same loss.
    Some(u64),
}

/// When a synchronisation takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncing {
    /// At the call, as it should.
    #[default]
    AtOnce,
    /// Only after the next name of the file was made durable, as if the rename came before the fsync. A crash in
    /// between leaves the name without the content.
    AfterNaming,
    /// Never, although the call succeeds.
    Never,
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FakeDisk(Arc<Mutex<DiskState>>);

impl FakeDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> Self {
        FakeDisk::default()
    }

    /// The number of operations so far that change something, including failed ones.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations()
    }

    /// Crashes in the middle of the operation with this number, counted from 0. A write may have written a part by
    /// then; any other operation has not happened. All later operations fail until [`FakeDisk::crash`].
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at(operation);
    }

    /// Makes the operation with this number fail, once.
    pub fn fail_at(&self, operation: u64, with: io::ErrorKind) {
        self.state().fail_at(operation, with);
    }

    /// Limits the bytes of all files together; `None` for no limit. A write beyond the limit fails with
    /// [`io::ErrorKind::StorageFull`] after it has written the part that fits.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// From now on no operation fails or crashes, and the disk is not full.
    pub fn heal(&self) {
        self.state().heal();
    }

    /// Sets the effect of synchronising files from now on.
    pub fn set_syncing(&self, syncing: Syncing) {
        self.state().syncing = syncing;
    }

    /// Crashes now, unless it has crashed already, and starts again with the content that survives. Open files and
    /// locks are gone.
    pub fn crash(&self, loss: Loss) {
        self.state().crash(loss);
    }

    /// All files, with their content.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.state().files()
    }

    /// Creates a file durably: to damage a file, or to act as another program.
    pub fn put(&self, path: &Path, content: &[u8]) {
        self.state().put(path, content);
    }

    fn state(&self) -> MutexGuard<'_, DiskState> {
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

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.state().list(dir)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.state().content(path).map(|content| content.len() as u64)
    }

    fn changed_at(&self, path: &Path) -> io::Result<SystemTime> {
        self.state().content(path).map(|_| SystemTime::UNIX_EPOCH)
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
    /// The life of the disk in which the file was opened: a crash closes all files.
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
