//! Reading the file of keys, and changing it as a whole.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use query_server::{Key, Rate};
use serde::{Deserialize, Serialize};

use super::{Error, KEYS_MAX, KeyRecord};

/// Largest file that is read: a wrong path must not fill the memory.
const BYTES_MAX: u64 = 4 << 20;

const HEADER: &str = "# Keys of Vitrine's API. `vitrine key` changes this file; it holds digests, and no key.\n\n";

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<KeyRecord>,
}

/// The keys of a file, for the server; `default` is the rate of keys without one of their own.
///
/// # Errors
/// The file cannot be read, or a key in it is wrong.
pub fn read(path: &Path, default: Option<Rate>) -> Result<Vec<Key>, Error> {
    keys(path, &records(path)?, default)
}

/// Changes the records of a file, or of none if it is not there: all of it at once, durably, one change after the other.
/// Nobody but its owner may read a file that is made.
///
/// # Errors
/// The file cannot be read or written, `change` refuses, or the result would not be a file of keys.
pub fn edit<R>(
    path: &Path,
    change: impl FnOnce(&mut Vec<KeyRecord>) -> Result<R, Error>,
) -> Result<(Vec<KeyRecord>, R), Error> {
    let unwritable = |error: std::io::Error| Error::Unwritable { path: path.to_owned(), reason: error.to_string() };
    let _lock = lock(path).map_err(unwritable)?;
    let mut all = if path.exists() { records(path)? } else { Vec::new() };
    let result = change(&mut all)?;
    // A record may rely on the rates of `[auth]`, which do not matter here.
    keys(path, &all, Some(Rate { requests_per_s: 1, burst: 1 }))?;
    write(path, &all).map_err(unwritable)?;
    Ok((all, result))
}

/// Holds other changes of the file off until the lock is dropped. The file itself is replaced, so another one is locked.
fn lock(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(beside(path, ".lock"))?;
    file.lock()?;
    Ok(file)
}

/// The path of a file beside this one, with its name and this ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The records of a file, each unchecked.
///
/// # Errors
/// The file cannot be read.
pub fn records(path: &Path) -> Result<Vec<KeyRecord>, Error> {
    let unreadable = |reason: String| Error::Unreadable { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| {
        let hint = if error.kind() == ErrorKind::NotFound { "; `vitrine key create` makes it" } else { "" };
        unreadable(format!("{error}{hint}"))
    })?;
    let mut text = String::new();
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(unreadable(format!("it is larger than {BYTES_MAX} bytes")));
    }
    let file: KeyFile = toml::from_str(&text).map_err(|error| {
        // The error's own text shows the line, and its message may show a value; somebody may have put a key there.
        let reason = if error.message().contains("vt_") { "it is no file of keys" } else { error.message() };
        Error::Syntax { path: path.to_owned(), reason: reason.to_owned() }
    })?;
    Ok(file.key)
}

fn keys(path: &Path, records: &[KeyRecord], default: Option<Rate>) -> Result<Vec<Key>, Error> {
    if records.len() > KEYS_MAX {
        return Err(Error::TooMany { path: path.to_owned() });
    }
    let wrong = |record: &KeyRecord, reason| Error::Key { path: path.to_owned(), id: record.id.clone(), reason };
    let mut keys: Vec<Key> = Vec::with_capacity(records.len());
    for record in records {
        let key = record.key(default).map_err(|reason| wrong(record, reason))?;
        if keys.iter().any(|other| other.id == key.id) {
            return Err(wrong(record, "it stands there twice".into()));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Replaces the file, under its lock. The new file has one name, so that the next change removes what a killed one has left.
fn write(path: &Path, records: &[KeyRecord]) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let text = toml::to_string(&KeyFile { key: records.to_vec() }).map_err(std::io::Error::other)?;
    let new = beside(path, ".new");
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    if let Ok(before) = std::fs::metadata(path) {
        file.set_permissions(before.permissions())?;
    }
    file.write_all(HEADER.as_bytes())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use query_server::{KeyId, Token};

    use super::super::NewKey;
    use super::*;

    fn add(path: &Path, id: u32) -> Result<Vec<KeyRecord>, Error> {
        let token = Token::new(KeyId(id), &[1; 32]);
        let new = NewKey { name: "shop".into(), scopes: vec!["read".into()], ..NewKey::default() };
        let added = edit(path, |records| {
            records.push(new.record(KeyId(id), &token, 0));
            Ok(())
        });
        added.map(|(records, ())| records)
    }

    #[test]
    fn changes_come_one_after_the_other_and_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        assert!(read(&path, None).unwrap_err().to_string().contains("`vitrine key create` makes it"));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|id| {
                    scope.spawn({
                        let path = &path;
                        move || add(path, id)
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| drop(thread.join().unwrap().unwrap()));
        });
        let mut ids: Vec<u32> = read(&path, None).unwrap().iter().map(|key| key.id.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..8).collect::<Vec<_>>());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_change_removes_what_a_killed_one_has_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        std::fs::write(dir.path().join("keys.toml.new"), "half of a f").unwrap();
        add(&path, 1).unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        assert_eq!(
            files.collect::<std::collections::BTreeSet<_>>(),
            ["keys.toml".into(), "keys.toml.lock".into()].into()
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_change_that_is_refused_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        add(&path, 1).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(add(&path, 1), Err(Error::Key { .. })), "twice");
        let refused: Result<(_, ()), _> = edit(&path, |records| {
            records.clear();
            Err(Error::Refused("no".into()))
        });
        assert_eq!(refused.unwrap_err().to_string(), "no");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_that_is_wrong_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        for text in [
            "vt_00000001_secret",
            "[[key]]\nid = \"vt_00000001_secret",
            "[[key]]\ntoken = \"vt_00000001_secret\"",
            "[[key]]\nburst = \"vt_00000001_secret\"",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path, None).unwrap_err().to_string();
            assert!(error.contains("keys.toml") && !error.contains("secret"), "{error}");
        }
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(&path, None), Ok(Vec::new()));
    }
}
