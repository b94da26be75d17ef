//! The served watermark: the newest state ever served. It only rises, and once it has risen it survives every crash.
//!
//! The file has two blocks that are overwritten alternately, in place: raising the watermark needs no disk space, and
//! if one block is damaged while it is written, the other block still holds the previous value.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Held};
use crate::error::{Damage, Doing, Error, Finding, unreadable};
use crate::names;
use crate::sealed;

/// The format of the file; a later format is rejected.
const FORMAT: u32 = 1;

/// The blocks start so far apart that no disk writes both at once.
const BLOCK_BYTES: usize = 4096;

/// The length of a block's text without its checksum; shorter text is padded with blanks.
const TEXT_BYTES: usize = 96;

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    /// Always present in this format; a later format may have another field in its place.
    mark: Option<ServedWatermark>,
}

/// The states that were served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedWatermark {
    /// The newest tick that was served.
    pub tick: u64,
    /// Whether states with records of every source were served. Versions that did not write this field served no
    /// others.
    #[serde(default = "always")]
    pub begun: bool,
    /// Whether states with everything that the sources held at a start were served; the tick alone does not tell this.
    pub caught_up: bool,
}

impl ServedWatermark {
    /// The combination of both.
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

/// The durable served watermark, which ensures that no later answer shows an older state.
#[derive(Debug)]
pub struct WatermarkFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    name: String,
    value: Option<ServedWatermark>,
    /// The file, once it exists. It stays open, so that the watermark can rise when no more files can be opened.
    file: Box<dyn Held>,
    /// The block to write next: the block that does not hold the current value.
    next: usize,
}

impl WatermarkFile {
    /// Opens the watermark file with this name in a directory, which is created if needed. Only one process may hold
    /// it.
    ///
    /// # Errors
    /// Both blocks are damaged, a block has a later format, or the error of the disk.
    pub fn open(dir: &Path, name: &str, disk: Arc<dyn Disk>) -> Result<WatermarkFile, Error> {
        disk.make_dir(dir).map_err(|source| Error::of_disk(dir, Doing::Made, source))?;
        let found = read(&dir.join(name), &*disk)?;
        let (value, block) = found.unzip();
        let (file, next) = (disk.hold(&dir.join(name)), block.map_or(0, |block| 1 - block));
        Ok(WatermarkFile { disk, dir: dir.to_owned(), name: name.to_owned(), value, file, next })
    }

    /// The current value; `None` if it was never raised.
    #[must_use]
    pub fn read(&self) -> Option<ServedWatermark> {
        self.value
    }

    /// Raises the watermark durably. A value that it covers already changes nothing.
    ///
    /// # Errors
    /// The error of the disk. After a crash the watermark then has its old or its new value.
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

/// The watermark in the file, and its block; `None` if there is no file.
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
            Ok((format, _)) if format != FORMAT => {
                return Err(Error::OtherFormat { path: path.to_owned(), found: format, known: FORMAT });
            }
            Ok((_, None)) if found.is_err() => found = Err(Damage::Malformed("the watermark is missing in it")),
            Ok((_, Some(mark))) if found.as_ref().map_or(true, |(before, _)| before.and(mark) != *before) => {
                found = Ok((mark, index));
            }
            Err(damage) if found.is_err() => found = Err(damage),
            Ok(_) | Err(_) => {}
        }
    }
    found.map(Some).map_err(corrupt)
}

/// The format and the watermark of a block.
fn parse(block: &[u8]) -> Result<(u32, Option<ServedWatermark>), Damage> {
    let content: Content = serde_json::from_slice(sealed::open(block)?)
        .map_err(|_| Damage::Malformed("the watermark has an unknown form"))?;
    Ok((content.format, content.mark))
}
