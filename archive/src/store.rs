//! Where files are kept: a directory, or a bucket of an object store.

mod dir;
mod s3;

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

use crate::settings::{Settings, Target};

pub use dir::Dir;
pub use s3::Bucket;

/// A file or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name, relative to the archive.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// One content of an object. Another content of the same name has another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// Held while one command changes files that exist. What ends the process ends it too.
#[must_use]
pub struct Lock(Option<File>);

impl Lock {
    /// Of a store that has no locks.
    pub fn none() -> Lock {
        Lock(None)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would end it too, but not while a process that was started meanwhile has the file as well.
        if let Some(Err(error)) = self.0.as_ref().map(File::unlock) {
            tracing::warn!(%error, "archive: the lock ends with the process");
        }
    }
}

/// Why the store did not do something. It may do it later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {doing} {name}: {reason}")]
pub struct StoreError {
    /// What was to be done: `write`, `read`, `list`, `remove` or `lock`.
    pub doing: &'static str,
    /// With which object, or at which place.
    pub name: String,
    /// The reason, and what to do about it where that is known.
    pub reason: String,
}

/// A store of whole objects. Calls block, within bounds.
pub trait Store: Send + Sync {
    /// All objects whose names begin with `prefix`, a name of directories with a slash at its end, or empty.
    ///
    /// # Errors
    /// As of all these calls: the store does not answer, or refuses.
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;

    /// Writes an object, or replaces it at once. When the call returns, the object is durable.
    ///
    /// # Errors
    /// See [`Store::list`].
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// Reads an object.
    ///
    /// # Errors
    /// See [`Store::list`].
    fn get(&self, name: &str) -> Result<Bytes, StoreError>;

    /// Removes an object. One that does not exist is no error.
    ///
    /// # Errors
    /// See [`Store::list`].
    fn remove(&self, name: &str) -> Result<(), StoreError>;

    /// Reads an object and its version; none if it does not exist.
    ///
    /// # Errors
    /// See [`Store::list`].
    fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, StoreError>;

    /// What [`Store::list`] gives, each object with its version.
    ///
    /// # Errors
    /// See [`Store::list`].
    fn versions(&self, prefix: &str) -> Result<Vec<(Object, Version)>, StoreError>;

    /// Replaces an object if it still has this version; whether it had. One that was removed stays removed.
    ///
    /// # Errors
    /// See [`Store::list`].
    fn replace(&self, name: &str, bytes: Bytes, version: &Version) -> Result<bool, StoreError>;

    /// Waits until no other command holds the lock of the archive, and takes it. A bucket has no lock: there, commands notice each
    /// other by the versions alone.
    ///
    /// # Errors
    /// See [`Store::list`].
    fn lock(&self) -> Result<Lock, StoreError>;
}

/// The store that the settings name; none if there is no archive.
///
/// # Errors
/// When the client of the object store cannot be made.
pub fn open(settings: &Settings) -> Result<Option<Arc<dyn Store>>, StoreError> {
    Ok(match settings.target() {
        None => None,
        Some(Target::Dir(dir)) => Some(Arc::new(Dir::new(dir))),
        Some(Target::Bucket { bucket, prefix }) => Some(Arc::new(Bucket::new(settings, bucket, prefix)?)),
    })
}
