//! How far answers have gone: it only rises, and survives every crash once it has risen.
//!
//! The file has two blocks that are written by turns, in place: to raise the mark needs no room on the disk, and whatever
//! becomes of one block while it is being written, the other one holds what was there before.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Held};
use crate::error::{Damage, Doing, Error, Finding, unreadable};
use crate::names;
use crate::sealed;

/// The format of marks; a later one is refused.
const FORMAT: u32 = 1;

/// The blocks begin so far from each other that no disk writes both at once.
const BLOCK_BYTES: usize = 4096;

/// The length of a block's text, its checksum not included: filled up with blanks.
const TEXT_BYTES: usize = 96;

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    /// Always there in this format; what stands in its place in a later one is not known.
    mark: Option<ServedWatermark>,
}

/// What was answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedWatermark {
    /// No state of a later tick.
    pub tick: u64,
    /// States that held something of every source. Versions that did not note it showed no others.
    #[serde(default = "always")]
    pub begun: bool,
    /// States that held everything the sources had at a start: no number of ticks stands for that.
    pub caught_up: bool,
}

impl ServedWatermark {
    /// Both what this one and what the other says.
    #[must_use]
    pub fn and(self, other: ServedWatermark) -> ServedWatermark {
        ServedWatermark {
            tick: self.tick.max(other.tick),
            begun: self.begun || other.begun,
            caught_up: self.caught_up || other.caught_up,
        }
    }
}

fn always() -> bool {
    true
}

/// A durable high-water mark: what was answered with, so that no later answer is older.
#[derive(Debug)]
pub struct WatermarkFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    name: String,
    value: Option<ServedWatermark>,
    /// Its file, once it is there: kept open, so that the mark rises where no file can be opened any more.
    file: Box<dyn Held>,
    /// The block to write next: the one that does not hold the value.
    next: usize,
}

impl WatermarkFile {
    /// Opens the mark of that file name in a directory, which is made if it is not there. One process holds a mark.
    ///
    /// # Errors
    /// Both blocks are damaged, or one is of a later format, or the disk's refusal.
    pub fn open(dir: &Path, name: &str, disk: Arc<dyn Disk>) -> Result<WatermarkFile, Error> {
        disk.make_dir(dir).map_err(|source| Error::of_disk(dir, Doing::Made, source))?;
        let found = read(&dir.join(name), &*disk)?;
        let (value, block) = found.unzip();
        let (file, next) = (disk.hold(&dir.join(name)), block.map_or(0, |block| 1 - block));
        Ok(WatermarkFile { disk, dir: dir.to_owned(), name: name.to_owned(), value, file, next })
    }

    /// How high it stands; `None` if it was never raised.
    #[must_use]
    pub fn read(&self) -> Option<ServedWatermark> {
        self.value
    }

    /// Raises it; it is durable afterwards. What it says already changes nothing.
    ///
    /// # Errors
    /// The disk's refusal; after a crash the mark is then where it was, or where it was to be.
    pub fn raise(&mut self, to: ServedWatermark) -> Result<(), Error> {
        let to = self.value.unwrap_or_default().and(to);
        match self.value {
            Some(value) if value == to => return Ok(()),
            Some(_) => {
                let written = self.file.overwrite((self.next * BLOCK_BYTES) as u64, block(to).as_bytes());
                written.map_err(|source| Error::of_disk(&self.dir.join(&self.name), Doing::Written, source))?;
                self.next = 1 - self.next;
            }
            None => {
                let block = block(to);
                let content = format!("{block:BLOCK_BYTES$}{block}");
                let temporary = names::temporary(&self.name);
                sealed::put(&*self.disk, &self.dir, &temporary, &self.name, content.as_bytes())?;
                self.file = self.disk.hold(&self.dir.join(&self.name));
            }
        }
        self.value = Some(to);
        Ok(())
    }
}

/// A block's text with its checksum.
fn block(mark: ServedWatermark) -> String {
    let content = Content { format: FORMAT, mark: Some(mark) };
    let content = serde_json::to_string(&content).expect("numbers can be written");
    sealed::seal(&format!("{content:TEXT_BYTES$}\n"))
}

/// The mark that stands in the file, and in which block; `None` where there is no file.
fn read(path: &Path, disk: &dyn Disk) -> Result<Option<(ServedWatermark, usize)>, Error> {
    let corrupt = |damage| Error::from(Box::new(Finding { tick: None, path: path.to_owned(), bytes: None, damage }));
    let bytes = disk.length(path).and_then(|length| disk.read_at(path, 0, length as usize));
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(corrupt(unreadable(path, error)?)),
    };
    let length = block(ServedWatermark::default()).len();
    let mut found: Result<(ServedWatermark, usize), Damage> = Err(Damage::Malformed("it is empty"));
    for index in 0..2 {
        let block = bytes.get(index * BLOCK_BYTES..).map(|rest| &rest[..rest.len().min(length)]).unwrap_or_default();
        match parse(block) {
            Ok((format, _)) if format > FORMAT => {
                return Err(Error::Newer { path: path.to_owned(), found: format, known: FORMAT });
            }
            Ok((_, None)) if found.is_err() => found = Err(Damage::Malformed("the mark is missing in it")),
            Ok((_, Some(mark))) if found.as_ref().map_or(true, |(before, _)| before.and(mark) != *before) => {
                found = Ok((mark, index));
            }
            Err(damage) if found.is_err() => found = Err(damage),
            Ok(_) | Err(_) => {}
        }
    }
    found.map(Some).map_err(corrupt)
}

/// A block's format, and its mark.
fn parse(block: &[u8]) -> Result<(u32, Option<ServedWatermark>), Damage> {
    let content: Content =
        serde_json::from_slice(sealed::open(block)?).map_err(|_| Damage::Malformed("the mark is of another form"))?;
    Ok((content.format, content.mark))
}
