//! A directory. A file is written under a name of its own, made durable, and renamed.
//!
//! A version is the file's identity with its time and size: a renamed file is another file. Between the comparison of a version and
//! the renaming another process could rename too, so commands that replace files hold the lock of the directory.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use bytes::Bytes;

use super::{Lock, Object, Store, StoreError, Version};
use crate::name::UNFINISHED;

/// Bytes that are written at a time. In between, threads of a higher priority that wait for the core get it.
const PIECE_BYTES: usize = 1 << 18;

/// The file whose lock is the lock of the archive. It is in no list, and stays when the lock ends.
const LOCK: &str = ".vitrine-lock";

/// A directory with its subdirectories. It is created when the first file is written.
pub struct Dir {
    root: PathBuf,
}

impl Dir {
    /// The directory at this path.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Dir {
        Dir { root: root.into() }
    }

    fn failed<T>(&self, doing: &'static str, name: &str, result: io::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError {
            doing,
            name: self.root.join(name).display().to_string(),
            reason: error.to_string(),
        })
    }

    /// Writes a file; one that is to be replaced must still have its version. Returns whether it had.
    fn write(&self, name: &str, bytes: &[u8], replaced: Option<&Version>) -> io::Result<bool> {
        let path = self.root.join(name);
        let dir = path.parent().unwrap_or(&self.root);
        create(dir)?;
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        for piece in bytes.chunks(PIECE_BYTES) {
            file.write_all(piece)?;
            thread::yield_now();
        }
        file.sync_all()?;
        if replaced.is_some() && found(fs::metadata(&path))?.map(|now| version(&now)).as_ref() != replaced {
            fs::remove_file(&unfinished)?;
            return Ok(false);
        }
        fs::rename(&unfinished, &path)?;
        sync(dir)?;
        Ok(true)
    }

    fn open(&self, name: &str) -> io::Result<Option<(Bytes, Version)>> {
        let Some(mut file) = found(File::open(self.root.join(name)))? else { return Ok(None) };
        let metadata = file.metadata()?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        Ok(Some((bytes.into(), version(&metadata))))
    }

    fn take_lock(&self) -> io::Result<Lock> {
        let path = self.root.join(LOCK);
        // Without the directory there is nothing to lock.
        let Some(file) = found(File::options().create(true).append(true).open(path))? else { return Ok(Lock::none()) };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let archive = self.root.display();
                tracing::warn!(%archive, "waiting until another `compact` or `erase` of this archive ends");
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Lock(Some(file)))
    }

    fn walk(&self, dir: &Path, objects: &mut Vec<(Object, Version)>) -> io::Result<()> {
        let Some(entries) = found(fs::read_dir(dir))? else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.walk(&path, objects)?;
                continue;
            }
            // One that is not found was renamed or removed since the directory was read.
            let Some(metadata) = found(entry.metadata())? else { continue };
            let name = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
            if name != LOCK {
                objects.push((Object { name, bytes: metadata.len() }, version(&metadata)));
            }
        }
        Ok(())
    }
}

fn version(metadata: &Metadata) -> Version {
    let (file, size) = (metadata.ino(), metadata.len());
    Version(format!("{file}-{size}-{}.{:09}", metadata.mtime(), metadata.mtime_nsec()))
}

/// Takes a file that does not exist as none.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Creates a directory and those above it, each durable in the one above it.
fn create(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), create)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync(above.unwrap_or(Path::new(".")))
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

impl Store for Dir {
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        Ok(self.versions(prefix)?.into_iter().map(|(object, _)| object).collect())
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.failed("write", name, self.write(name, &bytes, None)).map(drop)
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        self.failed("read", name, fs::read(self.root.join(name))).map(Bytes::from)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.root.join(name);
        let removed = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync(path.parent().unwrap_or(&self.root)),
        };
        self.failed("remove", name, removed)
    }

    fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        self.failed("read", name, self.open(name))
    }

    fn versions(&self, prefix: &str) -> Result<Vec<(Object, Version)>, StoreError> {
        let mut objects = Vec::new();
        self.failed("list", prefix, self.walk(&self.root.join(prefix), &mut objects))?;
        Ok(objects)
    }

    fn replace(&self, name: &str, bytes: Bytes, version: &Version) -> Result<bool, StoreError> {
        self.failed("write", name, self.write(name, &bytes, Some(version)))
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        self.failed("lock", LOCK, self.take_lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_whole_and_listed_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let store = Dir::new(dir.path().join("a/b"));
        assert_eq!(store.list(""), Ok(vec![]), "a directory that does not exist is empty");
        store.put("views/x/1", Bytes::from_static(b"one")).unwrap();
        store.put("views/x/1", Bytes::from_static(b"three")).unwrap();
        store.put("other/2", Bytes::new()).unwrap();
        assert_eq!(store.list("views/"), Ok(vec![Object { name: "views/x/1".into(), bytes: 5 }]));
        assert_eq!(store.list("").unwrap().len(), 2);
        assert_eq!(store.get("views/x/1").unwrap(), "three");
        store.remove("views/x/1").unwrap();
        store.remove("views/x/1").unwrap();
        assert!(store.get("views/x/1").unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn a_file_is_replaced_only_if_nobody_else_replaced_or_removed_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Dir::new(dir.path());
        assert_eq!(store.read("views/1"), Ok(None));
        store.put("views/1", Bytes::from_static(b"one")).unwrap();
        let (bytes, first) = store.read("views/1").unwrap().unwrap();
        assert_eq!((bytes, store.versions("").unwrap().remove(0).1), ("one".into(), first.clone()));
        assert_eq!(store.replace("views/1", Bytes::from_static(b"two"), &first), Ok(true));
        assert_eq!(store.replace("views/1", Bytes::from_static(b"six"), &first), Ok(false));
        assert_eq!(store.get("views/1").unwrap(), "two");
        let (_, second) = store.read("views/1").unwrap().unwrap();
        store.remove("views/1").unwrap();
        assert_eq!(store.replace("views/1", Bytes::from_static(b"six"), &second), Ok(false));
        assert_eq!(store.list(""), Ok(vec![]), "it stays removed, and nothing unfinished is left");
    }

    #[test]
    fn one_command_at_a_time_holds_the_lock_and_no_list_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Dir::new(dir.path().join("archive"));
        drop(store.lock().unwrap());
        assert!(!dir.path().join("archive").exists(), "a directory that does not exist is not made");
        store.put("views/1", Bytes::new()).unwrap();
        let held = store.lock().unwrap();
        let again = File::open(dir.path().join("archive").join(LOCK)).unwrap();
        assert!(matches!(again.try_lock(), Err(TryLockError::WouldBlock)));
        store.put("views/2", Bytes::new()).unwrap();
        drop(held);
        again.try_lock().unwrap();
        assert_eq!(store.list("").unwrap().len(), 2);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = Dir::new(dir.path().join("file")).put("views/1", Bytes::new()).unwrap_err();
        assert!(error.to_string().contains("file/views/1: "), "{error}");
    }

    #[test]
    fn a_disk_without_space_is_named_and_a_later_try_replaces_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Dir::new(dir.path());
        store.put("views/1", Bytes::from_static(b"old")).unwrap();
        let unfinished = dir.path().join(format!("views/1{UNFINISHED}"));
        // Every write to this device fails for want of space.
        std::os::unix::fs::symlink("/dev/full", &unfinished).unwrap();
        let error = store.put("views/1", Bytes::from_static(b"new")).unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        assert_eq!(store.get("views/1").unwrap(), "old", "the file stays as it was");
        fs::remove_file(unfinished).unwrap();
        store.put("views/1", Bytes::from_static(b"new")).unwrap();
        assert_eq!(store.get("views/1").unwrap(), "new");
    }
}
