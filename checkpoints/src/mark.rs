//! A number that only rises, and survives every crash once it has risen.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::directory::unreadable;
use crate::disk::Disk;
use crate::error::{Damage, Doing, Error, Finding};
use crate::names;
use crate::sealed;

/// The format of marks; a later one is refused.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    /// Always there in this format; what stands in its place in a later one is not known.
    mark: Option<u64>,
}

/// A durable high-water mark: the newest tick that was answered with, so that no later answer is older.
#[derive(Debug)]
pub struct Mark {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    name: String,
    value: Option<u64>,
}

impl Mark {
    /// Opens the mark of that file name in a directory, which is made if it is not there. One process holds a mark.
    ///
    /// # Errors
    /// The file is damaged or of a later format, or the disk's refusal.
    pub fn open(dir: &Path, name: &str, disk: Arc<dyn Disk>) -> Result<Mark, Error> {
        disk.make_dir(dir).map_err(|source| Error::of_disk(dir, Doing::Made, source))?;
        let value = read(dir, name, &*disk)?;
        Ok(Mark { disk, dir: dir.to_owned(), name: name.to_owned(), value })
    }

    /// How high it stands; `None` if it was never raised.
    #[must_use]
    pub fn read(&self) -> Option<u64> {
        self.value
    }

    /// Raises it; it is durable afterwards. A lower number changes nothing.
    ///
    /// # Errors
    /// The disk's refusal; after a crash the mark is then where it was, or where it was to be.
    pub fn raise(&mut self, to: u64) -> Result<(), Error> {
        if self.value.is_some_and(|value| value >= to) {
            return Ok(());
        }
        let content =
            serde_json::to_string(&Content { format: FORMAT, mark: Some(to) }).expect("two numbers can be written");
        let content = sealed::seal(&(content + "\n"));
        sealed::put(&*self.disk, &self.dir, &names::temporary(&self.name), &self.name, content.as_bytes())?;
        self.value = Some(to);
        Ok(())
    }
}

fn read(dir: &Path, name: &str, disk: &dyn Disk) -> Result<Option<u64>, Error> {
    let path = dir.join(name);
    let corrupt = |damage| Error::from(Box::new(Finding { tick: None, path: path.clone(), bytes: None, damage }));
    let bytes = disk.length(&path).and_then(|length| disk.read_at(&path, 0, length as usize));
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(corrupt(unreadable(&path, error)?)),
    };
    let body = sealed::open(&bytes).map_err(corrupt)?;
    let content: Content =
        serde_json::from_slice(body).map_err(|_| corrupt(Damage::Malformed("the mark is of another form")))?;
    if content.format > FORMAT {
        return Err(Error::Newer { path, found: content.format, known: FORMAT });
    }
    let mark = content.mark.ok_or_else(|| corrupt(Damage::Malformed("the mark is missing in it")))?;
    Ok(Some(mark))
}
