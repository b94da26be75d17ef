//! The directory of trained models: versions, which of them is in use, and the removal of old ones.
//!
//! ```text
//! als-000000000007.model ─┐ versions; the number rises with each training
//! als-000000000008.model ─┤
//! current ────────────────┴▶ the version in use, as a sealed text; without it the newest is
//! ```
//! Files are written under a temporary name, made durable and renamed, so a crash leaves the old or the new state. A file
//! that is torn, of a later format or of other settings is refused by name, and the version before it is used.

mod card;
mod error;
mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use checkpoints::{Disk, Lock, sealed};

pub use card::Card;
pub use error::{Error, Refusal};
pub use file::{FORMAT, Model};

const PREFIX: &str = "als-";
const SUFFIX: &str = ".model";
const CURRENT: &str = "current";
const LOCK: &str = "models.lock";
/// Temporary names end so.
const TEMPORARY: &str = ".tmp";

/// Largest file that is read.
const BYTES_MAX: u64 = 16 << 30;

/// The number of a model in its directory.
pub type Version = u64;

/// A directory of models.
#[derive(Clone, Debug)]
pub struct ModelStore {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

/// A version as the directory shows it.
#[derive(Debug)]
pub struct Entry {
    /// Its number.
    pub version: Version,
    /// Whether it is in use.
    pub is_current: bool,
    /// The size of its file in bytes.
    pub bytes: u64,
    /// Its card, or why the file is refused.
    pub card: Result<Card, Error>,
}

/// The version in use, and the newer ones that were refused.
#[derive(Debug)]
pub struct Loaded {
    /// `None` if the directory has no model that can be used.
    pub model: Option<(Version, Model)>,
    /// Why the versions before it were refused, in the order in which they were tried.
    pub refused: Vec<Error>,
}

/// See [`ModelStore::content_mark`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentMark {
    length: u64,
    changed_at: SystemTime,
    header: Vec<u8>,
}

impl ModelStore {
    /// A directory of models, which need not exist.
    #[must_use]
    pub fn new(dir: &Path, disk: Arc<dyn Disk>) -> ModelStore {
        ModelStore { dir: dir.to_owned(), disk }
    }

    /// All versions, oldest first.
    ///
    /// # Errors
    /// The error of the disk.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let versions = self.versions()?;
        let current = self.current_of(&versions)?;
        let entry = |&(version, bytes): &(Version, u64)| Entry {
            version,
            is_current: Some(version) == current,
            bytes,
            card: self.read(version).map(|model| model.card),
        };
        Ok(versions.iter().map(entry).collect())
    }

    /// Loads the version in use, or else the newest version before it that can be used.
    ///
    /// `factors`: the length of vectors that the settings ask for; models of another length are refused.
    ///
    /// # Errors
    /// The error of the disk. A refused file is no error.
    pub fn load(&self, factors: Option<usize>) -> Result<Loaded, Error> {
        let versions = self.versions()?;
        let current = self.current_of(&versions)?;
        let mut refused = Vec::new();
        for (version, _) in versions.iter().rev().filter(|(version, _)| Some(*version) <= current) {
            match self.read(*version).and_then(|model| self.fits(*version, model, factors)) {
                Ok(model) => return Ok(Loaded { model: Some((*version, model)), refused }),
                Err(error) if error.is_refusal() => refused.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(Loaded { model: None, refused })
    }

    /// The version in use: the one that was chosen, or else the newest; `None` if there is none. Reads no model, only the
    /// names of the files and a short text.
    ///
    /// # Errors
    /// The error of the disk.
    pub fn in_use(&self) -> Result<Option<Version>, Error> {
        self.current_of(&self.versions()?)
    }

    /// What tells the content of a version's file from an earlier one: its length, when it was changed, and its header, which has
    /// the checksums. Reads no more of the file.
    ///
    /// # Errors
    /// The error of the disk.
    pub fn content_mark(&self, version: Version) -> Result<ContentMark, Error> {
        let path = self.dir.join(name_of(version));
        let read = || {
            let length = self.disk.length(&path)?;
            let header = usize::try_from(length).map_or(file::HEADER_BYTES, |length| length.min(file::HEADER_BYTES));
            Ok(ContentMark {
                length,
                changed_at: self.disk.changed_at(&path)?,
                header: self.disk.read_at(&path, 0, header)?,
            })
        };
        read().map_err(|reason| Error::Disk { path: path.clone(), reason })
    }

    /// Loads one version whose vectors have `factors` numbers.
    ///
    /// # Errors
    /// See [`ModelStore::read`]; a model with vectors of another length is refused.
    pub fn read_with(&self, version: Version, factors: usize) -> Result<Model, Error> {
        self.read(version).and_then(|model| self.fits(version, model, Some(factors)))
    }

    /// Loads one version.
    ///
    /// # Errors
    /// There is no such version, its file is refused, or the error of the disk.
    pub fn read(&self, version: Version) -> Result<Model, Error> {
        let path = self.dir.join(name_of(version));
        let read = |reason| Error::Disk { path: path.clone(), reason };
        let bytes = match self.disk.length(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotThere { version, dir: self.dir.clone() });
            }
            length => length.map_err(read)?,
        };
        if bytes > BYTES_MAX {
            return Err(Refusal::Malformed("it is larger than a model can be").of(&path));
        }
        let bytes = self.disk.read_at(&path, 0, bytes as usize).map_err(read)?;
        file::decode(&bytes).map_err(|refusal| refusal.of(&path))
    }

    /// Writes a model as the next version, puts it into use, and removes versions that are older than the last `keep` usable
    /// ones: those that can be read and have vectors of the model's length. Returns its number.
    ///
    /// # Errors
    /// Another process writes to the directory, or the error of the disk. The version that was in use stays.
    pub fn add(&self, model: &Model, keep: usize) -> Result<Version, Error> {
        let _lock = self.lock()?;
        let version = self.versions()?.last().map_or(1, |(version, _)| version + 1);
        self.put(&name_of(version), &file::encode(model))?;
        if let Err(error) = self.put_current(version) {
            // Without a chosen version, the newest is in use.
            let _ = self.remove(&name_of(version));
            return Err(error);
        }
        // An old model that cannot be removed costs space, and is tried again after the next training.
        let _ = self.prune(keep.max(1), model.card.factors);
        Ok(version)
    }

    /// Puts a version whose vectors have `factors` numbers into use, after it was loaded.
    ///
    /// # Errors
    /// See [`ModelStore::read_with`] and [`ModelStore::add`].
    pub fn put_into_use(&self, version: Version, factors: usize) -> Result<(), Error> {
        let _lock = self.lock()?;
        self.read_with(version, factors)?;
        self.put_current(version)
    }

    /// Puts the version before the one in use into use; returns its number. Versions that are refused are passed over, also
    /// those whose vectors have not `factors` numbers.
    ///
    /// # Errors
    /// There is none, or see [`ModelStore::add`].
    pub fn roll_back(&self, factors: usize) -> Result<Version, Error> {
        let _lock = self.lock()?;
        let versions = self.versions()?;
        let current = self.current_of(&versions)?;
        let mut earlier = versions.iter().rev().map(|(version, _)| *version).filter(|version| Some(*version) < current);
        let version = earlier.find(|version| self.read_with(*version, factors).is_ok());
        let version = version.ok_or(Error::NothingEarlier { current, dir: self.dir.clone() })?;
        self.put_current(version)?;
        Ok(version)
    }

    fn fits(&self, version: Version, model: Model, factors: Option<usize>) -> Result<Model, Error> {
        match factors {
            Some(configured) if configured != model.card.factors => {
                let refusal = Refusal::Factors { found: model.card.factors, configured };
                Err(refusal.of(&self.dir.join(name_of(version))))
            }
            _ => Ok(model),
        }
    }

    /// The versions with the sizes of their files, in rising order.
    fn versions(&self) -> Result<Vec<(Version, u64)>, Error> {
        let entries = match self.disk.list(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            entries => entries.map_err(|reason| Error::Disk { path: self.dir.clone(), reason })?,
        };
        let version = |entry: checkpoints::DirEntry| Some((version_of(&entry.name)?, entry.length));
        let mut versions: Vec<(Version, u64)> = entries.into_iter().filter_map(version).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The version in use: the one that was chosen, if it is there, or else the newest.
    fn current_of(&self, versions: &[(Version, u64)]) -> Result<Option<Version>, Error> {
        let path = self.dir.join(CURRENT);
        let newest = versions.last().map(|(version, _)| *version);
        let length = match self.disk.length(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(newest),
            length => length.map_err(|reason| Error::Disk { path: path.clone(), reason })?,
        };
        // A chosen version in a text that cannot be read is not known; the newest is the best guess.
        let bytes = self.disk.read_at(&path, 0, length.min(1024) as usize);
        let bytes = bytes.map_err(|reason| Error::Disk { path, reason })?;
        let text = sealed::open(&bytes).ok().and_then(|body| std::str::from_utf8(body).ok());
        let chosen = text.and_then(|text| version_of(text.trim_end()));
        Ok(chosen.filter(|chosen| versions.iter().any(|(version, _)| version == chosen)).or(newest))
    }

    fn put_current(&self, version: Version) -> Result<(), Error> {
        self.put(CURRENT, sealed::seal(&(name_of(version) + "\n")).as_bytes())
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        Ok(sealed::put(&*self.disk, &self.dir, &format!("{name}{TEMPORARY}"), name, content)?)
    }

    /// Removes the versions before the last `keep` that can be used with `factors`, but not the one in use, and what a crash has
    /// left. A refused version goes when it is older than these.
    fn prune(&self, keep: usize, factors: usize) -> Result<(), Error> {
        let versions = self.versions()?;
        let current = self.current_of(&versions)?;
        let mut usable = 0;
        for (version, _) in versions.into_iter().rev() {
            if usable == keep {
                if Some(version) != current {
                    self.remove(&name_of(version))?;
                }
                continue;
            }
            match self.read_with(version, factors) {
                Ok(_) => usable += 1,
                Err(error) if error.is_refusal() => {}
                Err(error) => return Err(error),
            }
        }
        let entries = self.disk.list(&self.dir).map_err(|reason| Error::Disk { path: self.dir.clone(), reason })?;
        for entry in entries {
            let inner = entry.name.strip_suffix(TEMPORARY);
            if inner.is_some_and(|inner| inner == CURRENT || version_of(inner).is_some()) {
                self.remove(&entry.name)?;
            }
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        self.disk.remove(&path).map_err(|reason| Error::Disk { path, reason })
    }

    fn lock(&self) -> Result<Box<dyn Lock>, Error> {
        let made = self.disk.make_dir(&self.dir);
        made.map_err(|reason| Error::Disk { path: self.dir.clone(), reason })?;
        let path = self.dir.join(LOCK);
        match self.disk.lock(&path) {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(Error::Taken { path }),
            Err(reason) => Err(Error::Disk { path, reason }),
        }
    }
}

fn name_of(version: Version) -> String {
    format!("{PREFIX}{version:012}{SUFFIX}")
}

/// The version of a file of this name; only names as they are written here belong to models.
fn version_of(name: &str) -> Option<Version> {
    let version = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
    (name_of(version) == name).then_some(version)
}
