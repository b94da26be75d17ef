//! The disk operations that checkpoints need, so that the same code runs on a real disk and on a simulated disk that
//! crashes.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use real_held::RealHeld;

mod real_held;

/// The operations of a file system that checkpoints need.
///
/// The content of a file is durable after [`DiskFile::sync`]. A new, changed or removed name is durable after
/// [`Disk::sync_dir`] of its directory. Until then a crash may keep any part of the changes.
pub trait Disk: Debug + Send + Sync {
    /// Creates a directory and its parents, durably.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Opens a file for writing and empties it if it exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Holds a file that is overwritten repeatedly: an existing file is opened now and stays open.
    fn hold(&self, path: &Path) -> Box<dyn Held>;

    /// Renames a file in one step; replaces an existing file of the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The files of a directory, in no particular order, without the files of its subdirectories.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// The length of a file.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// When a file was changed last. A disk without a clock always says the same.
    fn changed_at(&self, path: &Path) -> io::Result<SystemTime>;

    /// Exactly `length` bytes of a file from `offset` on. If the file ends before, the error is
    /// [`io::ErrorKind::UnexpectedEof`].
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Locks a file against other processes until the lock is dropped or the process ends; creates the file if needed.
    /// `None` when another process holds the lock.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// A file that is being written.
pub trait DiskFile: Write + Send {
    /// Makes all bytes written so far durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is held for overwriting.
pub trait Held: Debug + Send {
    /// Overwrites existing bytes of the file, durably. This needs no disk space and, while the file is open, no other
    /// resource. A crash during the call may leave any part of it done.
    fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
}

/// Holds a lock while it lives.
pub trait Lock: Debug + Send + Sync {}

/// One file of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name, without the directory. Names that are not UTF-8 never belong to checkpoints and are left out.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        std::fs::create_dir_all(dir)?;
        // It is not known how many of the parent directories are new, and each is an entry of the one above it.
        dir.ancestors()
            .skip(1)
            .map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above })
            .try_for_each(|above| match File::open(above) {
                Ok(above) => above.sync_all(),
                // This process did not create a directory that it may not read.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                Err(error) => Err(error),
            })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create(true).truncate(true).open(path)?))
    }

    fn hold(&self, path: &Path) -> Box<dyn Held> {
        Box::new(RealHeld::new(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // The file was removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                entries.push(DirEntry { name, length: metadata.len() });
            }
        }
        Ok(entries)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }

    fn changed_at(&self, path: &Path) -> io::Result<SystemTime> {
        std::fs::metadata(path)?.modified()
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        File::open(path)?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(RealLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// A locked file.
#[derive(Debug)]
struct RealLock(File);

impl Lock for RealLock {}

impl Drop for RealLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is being started holds the same open file for a moment.
        let _ = self.0.unlock();
    }
}
