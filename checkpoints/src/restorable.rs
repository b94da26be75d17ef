//! A checkpoint that is open for reading: its positions, and its frames, each of which any thread can read on its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflow::dictionary::Name;
use dataflow::feed::Position;
use dataflow::tables::{Rows, Table};
use dataflow::time::Time;

use crate::columns;
use crate::data_file::{self, FileOpening, FrameEntry, HEADER_BYTES, TRAILER_BYTES};
use crate::disk::Disk;
use crate::error::{Damage, Error, Finding, unreadable};
use crate::fingerprint::Fingerprint;
use crate::frame::Frame;
use crate::manifest::{CheckpointKind, DataFile, Manifest};
use crate::table::TableId;

/// A checkpoint with all checkpoints it builds on.
#[derive(Clone, Debug)]
pub struct Restorable {
    /// The tick of its rows.
    pub tick: Time,
    /// Whether it is full.
    pub kind: CheckpointKind,
    /// The fingerprint of the key with which its ids were hashed.
    pub id_key: Fingerprint,
    /// The positions of the sources, of all parts, in order.
    pub positions: Vec<Position>,
    /// The ticks of its chain: its own tick, the tick of the checkpoint it builds on, and so on to the full checkpoint.
    pub chain: Vec<Time>,
    files: Vec<RestorableFile>,
}

/// One frame of one file: some rows of one table.
#[derive(Clone, Debug)]
pub struct FrameRef {
    source: Arc<FileSource>,
    table: TableId,
    entry: FrameEntry,
}

#[derive(Clone, Debug)]
struct RestorableFile {
    source: Arc<FileSource>,
    bytes: u64,
    crc32c: u32,
    frames: Vec<FrameRef>,
}

/// A file to read from, and the place to report with damage in it.
#[derive(Debug)]
struct FileSource {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    tick: Time,
}

impl Restorable {
    pub(crate) fn open(dir: &Path, chain: &[(Time, &[Manifest])], disk: &Arc<dyn Disk>) -> Result<Self, Error> {
        let (tick, top) = chain[0];
        let mut files = Vec::new();
        for (tick, manifests) in chain {
            for file in manifests.iter().flat_map(|manifest| &manifest.files) {
                let source = FileSource { disk: Arc::clone(disk), path: dir.join(&file.name), tick: *tick };
                files.push(RestorableFile::open(Arc::new(source), file)?);
            }
        }
        let mut positions: Vec<Position> =
            top.iter().flat_map(|Manifest { positions, .. }| positions.iter().cloned()).collect();
        positions.sort();
        Ok(Restorable {
            tick,
            kind: top[0].kind,
            id_key: top[0].id_key,
            positions,
            chain: chain.iter().map(|(tick, _)| *tick).collect(),
            files,
        })
    }

    /// All frames. Any number of threads may read them, each frame once, in any order; together they give all rows:
    /// stamps combine by maximum, differences add up, names are a set.
    #[must_use]
    pub fn frames(&self) -> Vec<FrameRef> {
        self.files.iter().flat_map(|file| file.frames.iter().cloned()).collect()
    }

    /// Reads every byte and compares all checksums, without unpacking anything. Reading a valid frame later does not
    /// fail, as long as the disk keeps it.
    ///
    /// # Errors
    /// The first damage found, or the error of the disk.
    pub fn verify_all(&self) -> Result<(), Error> {
        self.files.iter().try_for_each(RestorableFile::verify)
    }
}

impl FrameRef {
    /// The table of its rows.
    #[must_use]
    pub fn table(&self) -> TableId {
        self.table
    }

    /// The number of its rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entry.rows as usize
    }

    /// Whether it has no rows; such frames are not written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its size in the file, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entry.bytes as usize
    }

    /// The rows of a frame of table `T` with their differences, verified.
    ///
    /// # Errors
    /// The frame is damaged or belongs to another table, or the error of the disk.
    pub fn rows<T: Table>(&self) -> Result<Rows<T>, Error> {
        self.read(|frame| columns::rows::<T>(frame.rows, &frame.columns()?))
    }

    /// The names of a frame of [`TableId::NAMES`], verified.
    ///
    /// # Errors
    /// See [`FrameRef::rows`].
    pub fn names(&self) -> Result<Vec<Name>, Error> {
        self.read(|frame| columns::names(frame.rows, &frame.columns()?))
    }

    /// Reads all rows, of whatever table; returns their number.
    ///
    /// # Errors
    /// See [`FrameRef::rows`].
    pub fn check_rows(&self) -> Result<usize, Error> {
        self.read(|frame| frame.check_rows())
    }

    fn read<R>(&self, read: impl FnOnce(&Frame<'_>) -> Result<R, Damage>) -> Result<R, Error> {
        let bytes = self.load()?;
        self.verified(&bytes).and_then(|frame| read(&frame)).map_err(|damage| self.corrupt(damage))
    }

    fn load(&self) -> Result<Vec<u8>, Error> {
        self.source.read(self.entry.offset, self.entry.bytes as usize)
    }

    fn verified<'a>(&self, bytes: &'a [u8]) -> Result<Frame<'a>, Damage> {
        let frame = Frame::verified(bytes)?;
        let same = (frame.table, frame.rows, frame.crc32c) == (self.table, self.len(), self.entry.crc32c);
        if same { Ok(frame) } else { Err(Damage::Malformed("the frame differs from the frame in the index")) }
    }

    fn corrupt(&self, damage: Damage) -> Error {
        self.source.corrupt(self.entry.offset, u64::from(self.entry.bytes), damage)
    }
}

impl RestorableFile {
    fn open(source: Arc<FileSource>, file: &DataFile) -> Result<RestorableFile, Error> {
        let short = Damage::Malformed("it is shorter than a data file can be");
        let index_max = file.bytes.checked_sub((HEADER_BYTES + TRAILER_BYTES) as u64);
        let index_max = index_max.ok_or_else(|| source.corrupt(0, file.bytes, short))?;
        let header = source.read(0, HEADER_BYTES)?;
        match data_file::opening(&header).map_err(|damage| source.corrupt(0, HEADER_BYTES as u64, damage))? {
            FileOpening::Ours => {}
            FileOpening::OtherFormat(found) => {
                return Err(Error::OtherFormat { path: source.path.clone(), found, known: data_file::FORMAT });
            }
        }
        let end = file.bytes - TRAILER_BYTES as u64;
        let trailer = source.read(end, TRAILER_BYTES)?;
        let (index_bytes, crc32c) = data_file::trailer(&trailer)
            .and_then(|found| match found.0 as u64 <= index_max {
                true => Ok(found),
                false => Err(Damage::Malformed("the index is longer than the file")),
            })
            .and_then(|found| match found.1 == file.index_crc32c {
                true => Ok(found),
                false => Err(Damage::Malformed("the file differs from the file in the manifest")),
            })
            .map_err(|damage| source.corrupt(end, TRAILER_BYTES as u64, damage))?;
        let start = end - index_bytes as u64;
        let index = source.read(start, index_bytes)?;
        let entries = data_file::index(&index, crc32c, file.bytes)
            .map_err(|damage| source.corrupt(start, index_bytes as u64, damage))?;
        let frame = |(table, entry)| FrameRef { source: Arc::clone(&source), table, entry };
        let frames = entries.into_iter().map(frame).collect();
        Ok(RestorableFile { source: Arc::clone(&source), bytes: file.bytes, crc32c: file.crc32c, frames })
    }

    fn verify(&self) -> Result<(), Error> {
        let mut crc32c = crc32c::crc32c(&self.source.read(0, HEADER_BYTES)?);
        let mut next = HEADER_BYTES as u64;
        for frame in &self.frames {
            let bytes = frame.load()?;
            frame.verified(&bytes).map_err(|damage| frame.corrupt(damage))?;
            crc32c = crc32c::crc32c_append(crc32c, &bytes);
            next = frame.entry.offset + bytes.len() as u64;
        }
        let rest = self.source.read(next, (self.bytes - next) as usize)?;
        if crc32c::crc32c_append(crc32c, &rest) == self.crc32c {
            Ok(())
        } else {
            // Each part is valid, so this is another file than the manifest describes.
            Err(self.source.corrupt(0, self.bytes, Damage::Checksum("the file")))
        }
    }
}

impl FileSource {
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.disk.read_at(&self.path, offset, length).or_else(|error| {
            let damage = unreadable(&self.path, error)?;
            Err(self.corrupt(offset, length as u64, damage))
        })
    }

    fn corrupt(&self, offset: u64, bytes: u64, damage: Damage) -> Error {
        let (tick, path) = (Some(self.tick), self.path.clone());
        Box::new(Finding { tick, path, bytes: Some(offset..offset + bytes), damage }).into()
    }
}
