//! The content of the fake disk: the visible content, and the durable part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::{Loss, Syncing};
use crate::disk::DirEntry;

type Inode = usize;

/// Names that change together: the file of each name, or its removal.
type Change = Vec<(PathBuf, Option<Inode>)>;

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// The number of durable bytes; files grow, and overwritten bytes are durable at once.
    synced: usize,
}

#[derive(Debug, Default)]
pub(super) struct DiskState {
    contents: BTreeMap<Inode, Content>,
    /// The number of the next file.
    next: Inode,
    names: BTreeMap<PathBuf, Inode>,
    durable: BTreeMap<PathBuf, Inode>,
    /// Changes of names since the last synchronisation of their directory.
    pending: Vec<Change>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    crash_at: Option<u64>,
    failures: BTreeMap<u64, io::ErrorKind>,
    crashed: bool,
    life: u64,
    pub(super) capacity: Option<u64>,
    pub(super) syncing: Syncing,
    /// Files that are synchronised together with their directory.
    late: Vec<Inode>,
}

impl DiskState {
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn crash_at(&mut self, operation: u64) {
        self.crash_at = Some(operation);
    }

    pub(super) fn fail_at(&mut self, operation: u64, with: io::ErrorKind) {
        self.failures.insert(operation, with);
    }

    pub(super) fn heal(&mut self) {
        self.failures.clear();
        (self.crash_at, self.capacity) = (None, None);
    }

    /// Begins an operation that changes the disk.
    fn operate(&mut self) -> io::Result<()> {
        self.alive()?;
        let number = self.operations;
        self.operations += 1;
        if self.crash_at == Some(number) {
            self.crashed = true;
        }
        self.alive()?;
        match self.failures.remove(&number) {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the simulated machine has crashed")) } else { Ok(()) }
    }

    fn open(&self, life: u64) -> io::Result<()> {
        if self.life == life { Ok(()) } else { Err(io::Error::other("the file was open before the crash")) }
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        self.alive()?;
        self.names.get(path).copied().ok_or(io::ErrorKind::NotFound.into())
    }

    pub(super) fn make_dir(&mut self, _dir: &Path) -> io::Result<()> {
        // Directories have no entries of their own: the names of their files begin with theirs.
        self.operate()
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<(Inode, u64)> {
        self.operate()?;
        // An emptied file is a new file from here on: the old content stays until the change is durable.
        let inode = self.add(Content::default());
        self.change(vec![(path.to_owned(), Some(inode))]);
        Ok((inode, self.life))
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate()?;
        let inode = self.inode(from)?;
        self.change(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.operate()?;
        self.inode(path)?;
        self.change(vec![(path.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn write(&mut self, inode: Inode, life: u64, bytes: &[u8]) -> io::Result<usize> {
        self.open(life)?;
        let number = self.operations;
        let begun = self.operate();
        let torn = begun.is_err() && self.crash_at == Some(number);
        if let (Err(failed), false) = (&begun, torn) {
            return Err(failed.kind().into());
        }
        let wanted = if torn { Dice::new(number).one_of(bytes.len() + 1) } else { bytes.len() };
        let room = self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()));
        let fits = wanted.min(usize::try_from(room).unwrap_or(usize::MAX));
        self.contents.entry(inode).or_default().bytes.extend_from_slice(&bytes[..fits]);
        begun?;
        if fits == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
    }

    /// All bytes written before a crash stay; losing a part of them as well would test nothing more.
    pub(super) fn overwrite(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let number = self.operations;
        let inode = self.inode(path)?;
        let begun = self.operate();
        let torn = begun.is_err() && self.crash_at == Some(number);
        let written = match (&begun, torn) {
            (Ok(()), _) => bytes.len(),
            (Err(_), true) => Dice::new(number).one_of(bytes.len() + 1),
            (Err(_), false) => 0,
        };
        let content = &mut self.contents.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?.bytes;
        let place = usize::try_from(offset).ok().and_then(|start| content.get_mut(start..start + bytes.len()));
        place.ok_or(io::ErrorKind::UnexpectedEof)?[..written].copy_from_slice(&bytes[..written]);
        begun
    }

    pub(super) fn sync(&mut self, inode: Inode, life: u64) -> io::Result<()> {
        self.open(life)?;
        if self.syncing == Syncing::AfterNaming {
            self.late.push(inode);
            return self.alive();
        }
        self.operate()?;
        if self.syncing == Syncing::AtOnce {
            self.keep(inode);
        }
        Ok(())
    }

    fn keep(&mut self, inode: Inode) {
        if let Some(content) = self.contents.get_mut(&inode) {
            content.synced = content.bytes.len();
        }
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.operate()?;
        let inside = |change: &Change| change.iter().any(|(path, _)| path.parent() == Some(dir));
        let (now, later) = std::mem::take(&mut self.pending).into_iter().partition(inside);
        self.pending = later;
        let now: Vec<Change> = now;
        now.into_iter().for_each(|change| apply(&mut self.durable, change));
        self.forget();
        for inode in std::mem::take(&mut self.late) {
            self.operate()?;
            self.keep(inode);
        }
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.alive()?;
        let inside = self.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let entry = |(path, inode): (&PathBuf, &Inode)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(DirEntry { name, length: self.contents[inode].bytes.len() as u64 })
        };
        Ok(inside.filter_map(entry).collect())
    }

    pub(super) fn content(&self, path: &Path) -> io::Result<&[u8]> {
        Ok(&self.contents[&self.inode(path)?].bytes)
    }

    pub(super) fn lock(&mut self, path: &Path) -> io::Result<Option<u64>> {
        self.alive()?;
        Ok(self.locks.insert(path.to_owned()).then_some(self.life))
    }

    pub(super) fn unlock(&mut self, path: &Path, life: u64) {
        if self.life == life {
            self.locks.remove(path);
        }
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.names.iter().map(|(path, inode)| (path.clone(), self.contents[inode].bytes.clone())).collect()
    }

    pub(super) fn put(&mut self, path: &Path, content: &[u8]) {
        let inode = self.add(Content { bytes: content.to_vec(), synced: content.len() });
        self.names.insert(path.to_owned(), inode);
        self.durable.insert(path.to_owned(), inode);
    }

    pub(super) fn crash(&mut self, loss: Loss) {
        let mut dice = match loss {
            Loss::Some(seed) => Some(Dice::new(seed)),
            _ => None,
        };
        for change in std::mem::take(&mut self.pending) {
            if dice.as_mut().map_or(loss == Loss::Nothing, Dice::coin) {
                apply(&mut self.durable, change);
            }
        }
        self.names = self.durable.clone();
        self.forget();
        for content in self.contents.values_mut() {
            let unsynced = content.bytes.len() - content.synced;
            match &mut dice {
                None if loss == Loss::Nothing => {}
                None => content.bytes.truncate(content.synced),
                Some(dice) => {
                    let (length, cut) = (content.bytes.len(), content.synced + dice.one_of(unsynced + 1));
                    content.bytes.truncate(cut);
                    // A file can have reached its length before its bytes have reached the disk.
                    content.bytes.resize(if dice.coin() { length } else { cut }, 0);
                }
            }
            content.synced = content.bytes.len();
        }
        self.locks.clear();
        self.late.clear();
        self.crash_at = None;
        self.crashed = false;
        self.life += 1;
    }

    fn add(&mut self, content: Content) -> Inode {
        let inode = self.next;
        self.next += 1;
        self.contents.insert(inode, content);
        inode
    }

    /// Forgets files that no name can lead to, whatever a crash does.
    fn forget(&mut self) {
        let pending = self.pending.iter().flatten().filter_map(|(_, inode)| *inode);
        let reachable = self.names.values().chain(self.durable.values()).copied().chain(pending);
        let reachable: BTreeSet<Inode> = reachable.collect();
        self.contents.retain(|inode, _| reachable.contains(inode));
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, change.clone());
        self.pending.push(change);
    }

    fn used(&self) -> u64 {
        self.names.values().map(|inode| self.contents[inode].bytes.len() as u64).sum()
    }
}

fn apply(names: &mut BTreeMap<PathBuf, Inode>, change: Change) {
    for (path, inode) in change {
        match inode {
            Some(inode) => names.insert(path, inode),
            None => names.remove(&path),
        };
    }
}
