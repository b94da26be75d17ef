//! A directory. A file is written under a name of its own, made durable, and renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;

use bytes::Bytes;

use super::{Object, Store, StoreError};
use crate::name::UNFINISHED;

/// Bytes that are written at a time. In between, threads of a higher priority that wait for the core get it.
const PIECE_BYTES: usize = 1 << 18;

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

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
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
        fs::rename(&unfinished, &path)?;
        sync(dir)
    }

    fn walk(&self, dir: &Path, objects: &mut Vec<Object>) -> io::Result<()> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.walk(&path, objects)?;
                continue;
            }
            let bytes = match entry.metadata() {
                Ok(metadata) => metadata.len(),
                // Renamed or removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let name = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
            objects.push(Object { name, bytes });
        }
        Ok(())
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
        let mut objects = Vec::new();
        self.failed("list", prefix, self.walk(&self.root.join(prefix), &mut objects))?;
        Ok(objects)
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.failed("write", name, self.write(name, &bytes))
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
